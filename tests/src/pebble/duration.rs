//! Durations as Go writes them: `300ms`, `1m30s`, `2h45m`.

use std::fmt;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time in nanoseconds, which may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(i64);

const NANO: i64 = 1;
const MICRO: i64 = 1_000 * NANO;
const MILLI: i64 = 1_000 * MICRO;
const SECOND: i64 = 1_000 * MILLI;

impl Span {
    pub(crate) const fn from_millis(millis: i64) -> Self {
        Self(millis * MILLI)
    }

    /// Reads a duration; the error is the sentence that Go's own parser says.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let invalid = || format!("time: invalid duration {text:?}");
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total = 0.0_f64;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(rest.len());
            let (number, after) = rest.split_at(digits);
            let value: f64 = number.parse().map_err(|_| invalid())?;
            let end = after
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(after.len());
            let (unit, tail) = after.split_at(end);
            let scale = match unit {
                "ns" => NANO,
                "us" | "µs" | "μs" => MICRO,
                "ms" => MILLI,
                "s" => SECOND,
                "m" => 60 * SECOND,
                "h" => 3_600 * SECOND,
                "" => return Err(format!("time: missing unit in duration {text:?}")),
                _ => return Err(format!("time: unknown unit {unit:?} in duration {text:?}")),
            };
            total += value * scale as f64;
            rest = tail;
        }
        if total > i64::MAX as f64 {
            return Err(invalid());
        }
        let nanos = total.round() as i64;
        Ok(Self(if negative { -nanos } else { nanos }))
    }

    /// Reads a duration that may be missing, which is none; so is zero.
    pub(crate) fn parse_optional(text: &str) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        Self::parse(text).map(|span| (span.0 != 0).then_some(span))
    }

    /// The same length for a timer; what is below zero is over at once.
    pub(crate) fn as_duration(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    pub(crate) fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The length times a factor of at least one.
    pub(crate) fn times(self, factor: f64) -> Self {
        Self((self.0 as f64 * factor) as i64)
    }
}

fn decimal(nanos: i64, unit: i64) -> String {
    let whole = nanos / unit;
    let digits = (unit as f64).log10().round() as usize;
    let fraction = format!("{:0digits$}", nanos % unit);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() || unit == 1 {
        whole.to_string()
    } else {
        format!("{whole}.{fraction}")
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match nanos {
            0 => f.write_str("0s"),
            n if n < MICRO => write!(f, "{n}ns"),
            n if n < MILLI => write!(f, "{}µs", decimal(n, MICRO)),
            n if n < SECOND => write!(f, "{}ms", decimal(n, MILLI)),
            n => {
                let (hours, minutes) = (n / (3_600 * SECOND), n / (60 * SECOND) % 60);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if hours > 0 || minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                write!(f, "{}s", decimal(n % (60 * SECOND), SECOND))
            }
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|_| D::Error::custom(format!("invalid duration {text:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn durations_read_and_print_as_go_does() {
        for (text, shown) in [
            ("300ms", "300ms"),
            ("0.050s", "50ms"),
            ("1.5s", "1.5s"),
            ("90s", "1m30s"),
            ("1m", "1m0s"),
            ("168h", "168h0m0s"),
            ("-1s", "-1s"),
            ("2h45m", "2h45m0s"),
            ("60.000s", "1m0s"),
            ("10us", "10µs"),
        ] {
            assert_eq!(
                Span::parse(text).map(|span| span.to_string()),
                Ok(shown.to_owned()),
                "{text}"
            );
        }
        assert_eq!(
            Span::parse("5"),
            Err("time: missing unit in duration \"5\"".to_owned())
        );
        assert_eq!(
            Span::parse("never"),
            Err("time: invalid duration \"never\"".to_owned())
        );
    }
}
