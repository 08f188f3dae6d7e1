//! The name of one backup.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

const PREFIX: &str = "backup-";
/// Year to microsecond, written without separators.
const DIGITS: usize = 20;

/// The id of a backup: `backup-` and twenty digits, the UTC time of its start down to the microsecond.
///
/// Lower case, digits and one hyphen: safe as an object key, as an action result key, and as a YAML string.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupId(String);

/// The text is not the name of a backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a backup id: backup- and 20 digits, as list-backups shows them")]
pub struct BackupIdError {
    text: String,
}

impl BackupId {
    /// Names the backup that starts at `now`.
    pub fn at(now: Timestamp) -> Self {
        let now = now.to_zoned(TimeZone::UTC);
        Self(format!("{PREFIX}{}", now.strftime("%Y%m%d%H%M%S%6f")))
    }

    /// Reads an id as an operator typed it; nothing but the exact form passes.
    pub fn parse(text: &str) -> Result<Self, BackupIdError> {
        let digits = text.strip_prefix(PREFIX).unwrap_or_default();
        if digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self(text.to_owned()));
        }
        Err(BackupIdError {
            text: text.chars().take(80).collect(),
        })
    }

    /// When the backup began; nothing when its digits are no time.
    pub fn time(&self) -> Option<Timestamp> {
        let (date, fraction) = self.0.strip_prefix(PREFIX)?.split_at_checked(14)?;
        let time = DateTime::strptime("%Y%m%d%H%M%S", date).ok()?;
        let micros: i64 = fraction.parse().ok()?;
        let time = time.to_zoned(TimeZone::UTC).ok()?.timestamp();
        time.checked_add(SignedDuration::from_micros(micros)).ok()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for BackupId {
    type Error = BackupIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<BackupId> for String {
    fn from(id: BackupId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn id_is_the_utc_time_of_the_start() {
        let now: Timestamp = "2026-11-21T13:04:05.000678+01:00".parse().unwrap();
        assert_eq!(BackupId::at(now).as_str(), "backup-20261121120405000678");
        assert_eq!(
            BackupId::parse(BackupId::at(now).as_str()).unwrap(),
            BackupId::at(now)
        );
        assert_eq!(BackupId::at(now).time(), Some(now));
        for no_time in ["backup-20261321120405000678", "backup-00000000000000000000"] {
            assert_eq!(BackupId::parse(no_time).unwrap().time(), None);
        }
    }

    #[test]
    fn nothing_but_the_exact_form_is_an_id() {
        for text in [
            "",
            "latest",
            "../x",
            "backup-",
            "backup-2026112112040500067",
            "backup-202611211204050006789",
            "backup-2026112112040500067x",
            "Backup-20261121120405000678",
            " backup-20261121120405000678",
            "backup-20261121120405000678/",
            "backup-٢٠٢٦١١٢١١٢",
        ] {
            assert!(BackupId::parse(text).is_err(), "{text:?}");
        }
    }
}
