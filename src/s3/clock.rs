//! How far this machine's clock and the store's are apart.
//!
//! Signatures hold for a quarter of an hour around the store's time. Every answer tells that time, so that requests can be
//! signed with it; the SDK does that. Here the difference is noted, for the operator and for stores that refuse a signature
//! of another time in words that the SDK does not know.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};

/// From here on a refusal may be the clock's fault.
const SUSPICIOUS: u64 = 4 * 60;
/// From here on an operator should know.
const WORTH_TELLING: u64 = 5 * 60;
/// Stands for: no answer has told the time yet.
const UNKNOWN: i64 = i64::MIN;

/// What the store's answers have told about the time.
#[derive(Debug)]
pub(super) struct Clock(AtomicI64);

impl Default for Clock {
    fn default() -> Self {
        Self(AtomicI64::new(UNKNOWN))
    }
}

impl Clock {
    /// Notes the `Date` of an answer that came at `now`. Tells whether a difference that may spoil signatures is news.
    pub(super) fn learn(&self, date: &str, now: SystemTime) -> bool {
        let Some(ahead) = ahead(date, now) else {
            return false;
        };
        let before = self.0.swap(ahead, Ordering::Relaxed);
        let before = if before == UNKNOWN { 0 } else { before };
        ahead.abs_diff(before) > SUSPICIOUS
    }

    /// How far the clocks are apart, in words, where that is worth telling.
    pub(super) fn notice(&self, store: &str) -> Option<String> {
        let ahead = self.0.load(Ordering::Relaxed);
        if ahead == UNKNOWN || ahead.unsigned_abs() <= WORTH_TELLING {
            return None;
        }
        let way = if ahead > 0 { "behind" } else { "ahead of" };
        let apart = apart(ahead.unsigned_abs());
        Some(format!(
            "the clock of this machine is {apart} {way} that of {store}: requests are signed with the store's time; set the clock of the node"
        ))
    }
}

/// How many seconds the store's clock is ahead of ours.
fn ahead(date: &str, now: SystemTime) -> Option<i64> {
    let told = DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(
        told.secs()
            .saturating_sub(i64::try_from(now.as_secs()).ok()?),
    )
}

/// A number of seconds in the unit that one would use.
fn apart(seconds: u64) -> String {
    let minutes = Duration::from_secs(seconds).as_secs() / 60;
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sat, 21 Nov 2026 12:00:00 GMT";
    const AT: u64 = 1_795_262_400;

    fn notice(now: u64) -> Option<String> {
        let clock = Clock::default();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
        clock.learn(DATE, now);
        assert!(!clock.learn(DATE, now), "it is news only once");
        clock.notice("s3")
    }

    #[test]
    fn difference_is_told_with_its_way_and_only_when_it_is_large() {
        assert_eq!(notice(AT), None);
        assert_eq!(notice(AT + 299), None);
        let told = |now| notice(now).unwrap_or_default();
        assert!(
            told(AT - 1800).starts_with("the clock of this machine is 30 min behind that of s3: ")
        );
        assert!(
            told(AT + 7 * 3600)
                .starts_with("the clock of this machine is 7 h ahead of that of s3: ")
        );
        assert!(told(AT - 10 * 86_400).contains("10 days behind"));
    }

    #[test]
    fn what_is_no_date_teaches_nothing() {
        let clock = Clock::default();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(AT);
        for date in ["", "yesterday", "Sat, 99 Nov 2026 12:00:00 GMT"] {
            assert!(!clock.learn(date, now));
        }
        assert_eq!(clock.notice("s3"), None);
        assert!(clock.learn(DATE, now + Duration::from_secs(600)));
    }
}
