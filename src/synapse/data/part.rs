//! The parts of a data directory that can be saved or restored by themselves, and the words they go by.

use std::fmt;
use std::path::{Component, Path, PathBuf};

/// What stands before the path of an extra part.
const EXTRA: &str = "extra:";
/// What stands before the id of a single medium.
const MEDIA_ID: &str = "media-id:";
/// Longer than any id that Synapse makes.
const LONGEST_ID: usize = 128;

/// A part of a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Signing keys.
    Keys,
    /// The configuration and the secrets it names.
    Config,
    /// The SQLite database.
    Database,
    /// What this server's users have uploaded, and its thumbnails.
    Media,
    /// Copies of other servers' media, which can be fetched again.
    RemoteMedia,
    /// A path of the operator's own below the data directory.
    Extra(PathBuf),
    /// One upload and its thumbnails.
    MediaId(MediaId),
}

/// The id of something that a user has uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaId(String);

/// Why a word names no part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// There is no such part.
    #[error("{0:?} is no part of a server's data")]
    Unknown(String),
    /// An extra path leads elsewhere.
    #[error("{0:?} is no path below the data directory")]
    Outside(String),
    /// It cannot be the id of a medium.
    #[error("{0:?} cannot be the id of a medium")]
    MediaId(String),
}

impl Part {
    /// The parts that can be named by a plain word, in the order in which they are saved.
    pub const PLAIN: [Self; 5] = [
        Self::Keys,
        Self::Config,
        Self::Database,
        Self::Media,
        Self::RemoteMedia,
    ];

    /// Reads a word such as `media`, `extra:modules` or `media-id:abc`.
    pub fn parse(word: &str) -> Result<Self, PartError> {
        if let Some(path) = word.strip_prefix(EXTRA) {
            return Self::extra(path);
        }
        if let Some(id) = word.strip_prefix(MEDIA_ID) {
            return MediaId::parse(id).map(Self::MediaId);
        }
        let mut plain = Self::PLAIN.into_iter();
        plain
            .find(|part| part.component() == word)
            .ok_or_else(|| PartError::Unknown(shown(word)))
    }

    /// An extra part: a path that leads down and nowhere else.
    pub fn extra(path: &str) -> Result<Self, PartError> {
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        let trimmed = path.trim_end_matches('/');
        let well = Path::new(trimmed).components().all(plain)
            && !trimmed.is_empty()
            && !trimmed.contains("//")
            && !trimmed.chars().any(char::is_control);
        match well {
            true => Ok(Self::Extra(PathBuf::from(trimmed))),
            false => Err(PartError::Outside(shown(path))),
        }
    }

    /// The name under which its contents are counted.
    pub fn component(&self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Config => "config",
            Self::Database => "database",
            Self::Media | Self::MediaId(_) => "media",
            Self::RemoteMedia => "remote-media",
            Self::Extra(_) => "extra",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extra(path) => write!(formatter, "{EXTRA}{}", path.display()),
            Self::MediaId(id) => write!(formatter, "{MEDIA_ID}{id}"),
            Self::Keys | Self::Config | Self::Database | Self::Media | Self::RemoteMedia => {
                formatter.write_str(self.component())
            }
        }
    }
}

impl MediaId {
    /// Checks an id, with or without `mxc://<server>/` before it.
    pub fn parse(text: &str) -> Result<Self, PartError> {
        let bare = match text.strip_prefix("mxc://") {
            Some(rest) => rest.split_once('/').map_or(rest, |(_, id)| id),
            None => text,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        // Its first four characters are two directories, and the rest is a file.
        match bare.bytes().all(plain) && (5..=LONGEST_ID).contains(&bare.len()) {
            true => Ok(Self(bare.to_owned())),
            false => Err(PartError::MediaId(shown(text))),
        }
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where its file lies below `media/local_content`, and its thumbnails below `media/local_thumbnails`.
    pub fn path(&self) -> PathBuf {
        let (first, rest) = self.0.split_at(2);
        let (second, rest) = rest.split_at(2);
        Path::new(first).join(second).join(rest)
    }
}

impl fmt::Display for MediaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_word_reads_back() {
        for word in [
            "keys",
            "config",
            "database",
            "media",
            "remote-media",
            "extra:modules/spam",
            "media-id:GCDiyGmPYbXaVjzyrWGVXmWf",
        ] {
            assert_eq!(Part::parse(word).unwrap().to_string(), word);
        }
    }

    #[test]
    fn what_leads_elsewhere_or_nowhere_is_refused() {
        for word in [
            "",
            "everything",
            "extra:",
            "extra:/etc",
            "extra:../x",
            "extra:a/../b",
            "extra:./a",
            "extra:a//b",
            "media-id:",
            "media-id:abcd",
            "media-id:../../etc",
            "media-id:ab/cd/ef",
        ] {
            assert!(Part::parse(word).is_err(), "{word}");
        }
    }

    #[test]
    fn medium_is_found_by_its_address_too() {
        let id = MediaId::parse("mxc://example.org/GCDiyGmP").unwrap();
        assert_eq!(id.as_str(), "GCDiyGmP");
        assert_eq!(id.path(), Path::new("GC/Di/yGmP"));
    }
}
