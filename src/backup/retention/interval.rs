//! A span of time as Bakthat wrote it.

use std::fmt;
use std::time::Duration;

/// Seconds of each unit, the longest first; a month has 30 days and a year 365.
const UNITS: [(char, u64); 7] = [
    ('Y', 365 * 86_400),
    ('M', 30 * 86_400),
    ('W', 7 * 86_400),
    ('D', 86_400),
    ('h', 3_600),
    ('m', 60),
    ('s', 1),
];
/// No interval is longer: ten thousand years.
const LONGEST: u64 = 10_000 * 365 * 86_400;

/// A span of time: whole numbers with units behind each other, such as `3M2D8h20m5s`. It is never nought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval(u64);

/// The text is no interval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Bad interval format for {text}")]
pub struct IntervalError {
    text: String,
}

impl Interval {
    /// Reads an interval; each number counts, in any order, and none may be nought.
    pub fn parse(text: &str) -> Result<Self, IntervalError> {
        let seconds = seconds(text).filter(|seconds| (1..=LONGEST).contains(seconds));
        seconds.map(Self).ok_or_else(|| IntervalError {
            text: text.chars().take(80).collect(),
        })
    }

    /// So many days, unless that is none or too many.
    pub fn of_days(days: u64) -> Option<Self> {
        let seconds = days.checked_mul(86_400)?;
        (1..=LONGEST).contains(&seconds).then_some(Self(seconds))
    }

    /// How long it is.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

fn seconds(text: &str) -> Option<u64> {
    let mut seconds = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u64 = rest[..end].parse().ok()?;
        let unit = rest[end..].chars().next()?;
        let (_, of_unit) = UNITS.iter().find(|(letter, _)| *letter == unit)?;
        if number == 0 {
            return None;
        }
        seconds = seconds.checked_add(number.checked_mul(*of_unit)?)?;
        rest = &rest[end + 1..];
    }
    Some(seconds)
}

impl fmt::Display for Interval {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        for (unit, seconds) in UNITS {
            if rest >= seconds {
                write!(formatter, "{}{unit}", rest / seconds)?;
                rest %= seconds;
            }
        }
        Ok(())
    }
}
