//! What an operator says of a backup when it is made, so that it is found again.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Interval;
use super::catalogue::printable;

/// The most characters of a label, and of a tag.
const WORD: usize = 64;
/// The most tags of a backup.
const TAGS: usize = 32;
/// The most characters of a description.
const DESCRIPTION: usize = 500;

/// A label, tags, a description, and when it may go. All of it lies in the bucket in clear.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Label {
    /// A name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Words.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// A sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// From when on it goes when backups are pruned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// What is said of a backup cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// A label or a description has a character that spoils a line, or too many.
    #[error(
        "{what} is longer than {most} characters, or has a line end or another control character in it"
    )]
    Text {
        /// Which text.
        what: &'static str,
        /// How many it may have.
        most: usize,
    },
    /// A tag has another character than it may have.
    #[error("tag {0:?} is not made of at most {WORD} letters, digits and . _ : - characters")]
    Tag(String),
    /// Too many.
    #[error("there are {0} tags, and {TAGS} is the most")]
    Tags(usize),
    /// It would go beyond the end of time.
    #[error("expires-after={0} is beyond the end of time")]
    Expires(Interval),
}

impl Label {
    /// Reads what was said; tags are separated by blanks or commas.
    pub fn new(
        label: &str,
        tags: &str,
        description: &str,
        (started, expires_after): (Timestamp, Option<Interval>),
    ) -> Result<Self, LabelError> {
        let expires = expires_after.map(|interval| {
            let expires = started.checked_add(interval.duration());
            expires.map_err(|_beyond| LabelError::Expires(interval))
        });
        Ok(Self {
            label: line("label", label, WORD)?,
            tags: self::tags(tags)?,
            description: line("description", description, DESCRIPTION)?,
            expires: expires.transpose()?,
        })
    }

    /// The same as somebody else may have written it: short enough, and without anything that would spoil a line.
    #[must_use]
    pub fn plain(&self) -> Self {
        let tags = self.tags.iter().take(TAGS);
        Self {
            label: printable(&self.label, WORD),
            tags: tags.map(|tag| printable(tag, WORD)).collect(),
            description: printable(&self.description, DESCRIPTION),
            expires: self.expires,
        }
    }

    /// Whether these letters are somewhere in label, tags or description, in whichever case.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        let mut texts = [&self.label, &self.description]
            .into_iter()
            .chain(&self.tags);
        texts.any(|whole| whole.to_lowercase().contains(&text.to_lowercase()))
    }
}

/// Reads tags, separated by blanks or commas.
pub fn tags(text: &str) -> Result<BTreeSet<String>, LabelError> {
    let words = text.split([' ', ',', '\t', '\n']);
    let words: BTreeSet<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let plain = |letter: char| letter.is_alphanumeric() || "._:-".contains(letter);
    let wrong = |word: &&String| word.chars().count() > WORD || !word.chars().all(plain);
    if let Some(word) = words.iter().find(wrong) {
        return Err(LabelError::Tag(word.chars().take(WORD).collect()));
    }
    match words.len() {
        count if count > TAGS => Err(LabelError::Tags(count)),
        _ => Ok(words),
    }
}

fn line(what: &'static str, text: &str, most: usize) -> Result<String, LabelError> {
    let text = text.trim();
    match text.chars().count() > most || text.chars().any(char::is_control) {
        true => Err(LabelError::Text { what, most }),
        false => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read(label: &str, tags: &str, description: &str) -> Result<Label, LabelError> {
        Label::new(label, tags, description, (Timestamp::UNIX_EPOCH, None))
    }

    #[test]
    fn what_was_said_is_found_again() {
        let label = read(" before the move ", "weekly, prod:eu weekly", "All of it").unwrap();
        assert_eq!(label.label, "before the move");
        assert_eq!(label.tags.iter().collect::<Vec<_>>(), ["prod:eu", "weekly"]);
        assert!(label.mentions("MOVE") && label.mentions("prod") && label.mentions("of it"));
        assert!(!label.mentions("monthly"));
        let json = serde_json::to_value(Label::default()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({}),
            "nothing said is nothing written"
        );
    }

    #[test]
    fn what_would_spoil_a_table_is_refused() {
        for (label, tags, description) in [
            ("two\nlines", "", ""),
            (&"x".repeat(65), "", ""),
            ("", "a/b", ""),
            ("", &"x".repeat(65), ""),
            ("", "\u{1b}[31m", ""),
            ("", "", "a\u{7}bell"),
            ("", "", &"x".repeat(501)),
        ] {
            assert!(
                read(label, tags, description).is_err(),
                "{label} {tags} {description}"
            );
        }
        let many: Vec<String> = (0..33).map(|number| number.to_string()).collect();
        assert_eq!(read("", &many.join(" "), ""), Err(LabelError::Tags(33)));
    }
}
