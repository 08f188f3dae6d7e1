//! What `juju status` shows of the unit.

use std::fmt;

/// A unit's status: a kind that Juju knows and a sentence for the operator.
///
/// The sentence is one line without control characters. Write it below 60 characters; what exceeds
/// [`Status::MESSAGE_LIMIT`] (a cause taken from somebody else's error may) is cut at a word and ends in an ellipsis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    kind: StatusKind,
    message: String,
}

/// The kinds of status that a charm may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusKind {
    /// All is well.
    Active,
    /// We are at work.
    Maintenance,
    /// We wait for somebody other than the operator.
    Waiting,
    /// The operator must do something.
    Blocked,
}

impl Status {
    /// The most characters that a message keeps.
    pub const MESSAGE_LIMIT: usize = 160;

    /// All is well.
    pub fn active(message: impl AsRef<str>) -> Self {
        Self::new(StatusKind::Active, message.as_ref())
    }

    /// We are at work on what the message says.
    pub fn maintenance(message: impl AsRef<str>) -> Self {
        Self::new(StatusKind::Maintenance, message.as_ref())
    }

    /// We wait for what the message says.
    pub fn waiting(message: impl AsRef<str>) -> Self {
        Self::new(StatusKind::Waiting, message.as_ref())
    }

    /// The operator must do what the message says.
    pub fn blocked(message: impl AsRef<str>) -> Self {
        Self::new(StatusKind::Blocked, message.as_ref())
    }

    /// What Juju colours by.
    pub fn kind(&self) -> StatusKind {
        self.kind
    }

    /// What the operator reads.
    pub fn message(&self) -> &str {
        &self.message
    }

    fn new(kind: StatusKind, message: &str) -> Self {
        Self {
            kind,
            message: one_line(message, Self::MESSAGE_LIMIT),
        }
    }
}

impl StatusKind {
    /// The word that `status-set` takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Maintenance => "maintenance",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.as_str() {
            "" => f.write_str(self.kind.as_str()),
            message => write!(f, "{}: {message}", self.kind.as_str()),
        }
    }
}

/// Folds white space and control characters to single spaces and keeps at most `limit` characters.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    let line = words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let Some((end, _)) = line.char_indices().nth(limit) else {
        return line;
    };
    // One character is the ellipsis. A last word longer than a third of the line is cut in the middle.
    let room = line[..end]
        .char_indices()
        .next_back()
        .map_or(0, |(last, _)| last);
    let kept = &line[..room];
    let cut = match kept.rfind(' ') {
        Some(space) if space * 3 >= room * 2 => space,
        _ => room,
    };
    format!("{}…", kept[..cut].trim_end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_messages_stay_as_they_are() {
        let status = Status::blocked("set server_name: juju config synapse server_name=<domain>");
        assert_eq!(
            status.message(),
            "set server_name: juju config synapse server_name=<domain>"
        );
        assert_eq!(status.to_string(), format!("blocked: {}", status.message()));
        assert_eq!(Status::active("").to_string(), "active");
    }

    #[test]
    fn messages_become_one_line() {
        assert_eq!(
            Status::waiting(" a\n\tb\u{1b}[31m \u{0}c ").message(),
            "a b [31m c"
        );
    }

    #[test]
    fn long_messages_are_cut_at_a_word() {
        assert_eq!(one_line("one two three four", 14), "one two three…");
        assert_eq!(one_line("one two three four", 18), "one two three four");
        assert_eq!(one_line("unbreakable-as-it-is", 8), "unbreak…");
    }

    proptest! {
        #[test]
        fn a_message_is_never_longer_than_its_limit(text: String, limit in 1_usize..80) {
            let line = one_line(&text, limit);
            prop_assert!(line.chars().count() <= limit);
            prop_assert!(!line.contains(char::is_control));
            prop_assert_eq!(line.trim(), &line);
        }
    }
}
