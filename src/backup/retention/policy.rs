//! How many backups are kept, and of which times.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Interval, IntervalError};

/// The most of anything that a policy may ask for.
const MOST: u32 = 100_000;

/// A stretch of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// Seven days from the first weekday on.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

/// The day with which a week begins; Saturday, unless it is said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weekday(u8);

/// What is kept: the last so many, those of a span of time, and the first one of each of so many hours, days, weeks,
/// months and years. An empty policy says nothing, and nothing goes by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// The newest so many.
    pub last: u32,
    /// For so many hours, the first one of each.
    pub hourly: u32,
    /// The same for days.
    pub daily: u32,
    /// The same for weeks.
    pub weekly: u32,
    /// The same for months.
    pub monthly: u32,
    /// The same for years.
    pub yearly: u32,
    /// All that are at most so much older than the newest.
    pub within: Option<Interval>,
    /// When a week begins.
    pub first_weekday: Weekday,
}

/// The text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A word is not of the form `daily=7`.
    #[error("{0:?} is not of the form daily=7")]
    Form(String),
    /// Nothing of this name can be kept.
    #[error("{0:?} is none of last, hourly, daily, weekly, monthly, yearly and within")]
    Name(String),
    /// It is said twice.
    #[error("{0} is said twice")]
    Twice(&'static str),
    /// No number, or one out of range.
    #[error("{name}={value:?} is no whole number from 0 to {MOST}")]
    Number {
        /// What was to be kept.
        name: &'static str,
        /// What was said.
        value: String,
    },
    /// No span of time.
    #[error("within: {0}")]
    Interval(#[from] IntervalError),
    /// No day of the week.
    #[error("{0:?} is no day of the week, such as monday")]
    Weekday(String),
}

impl Policy {
    /// Reads words such as `daily=7`, separated by spaces or commas.
    pub fn parse(text: &str, first_weekday: Weekday) -> Result<Self, PolicyError> {
        let mut policy = Self {
            first_weekday,
            ..Self::default()
        };
        let mut seen: Vec<&'static str> = Vec::new();
        let words = text.split([' ', ',', '\t', '\n']);
        for word in words.filter(|word| !word.is_empty()) {
            let shown = || word.chars().take(80).collect::<String>();
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| PolicyError::Form(shown()))?;
            let (name, place) = match name {
                "last" => ("last", Some(&mut policy.last)),
                "hourly" => ("hourly", Some(&mut policy.hourly)),
                "daily" => ("daily", Some(&mut policy.daily)),
                "weekly" => ("weekly", Some(&mut policy.weekly)),
                "monthly" => ("monthly", Some(&mut policy.monthly)),
                "yearly" => ("yearly", Some(&mut policy.yearly)),
                "within" => ("within", None),
                _ => return Err(PolicyError::Name(name.chars().take(80).collect())),
            };
            if seen.contains(&name) {
                return Err(PolicyError::Twice(name));
            }
            seen.push(name);
            match place {
                Some(place) => *place = number(name, value)?,
                None => policy.within = Some(Interval::parse(value)?),
            }
        }
        Ok(policy)
    }

    /// Whether it says nothing, so that nothing goes by it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.last == 0
            && self.within.is_none()
            && self.periods().iter().all(|(_, number)| *number == 0)
    }

    /// How many of each stretch of the calendar.
    #[must_use]
    pub fn periods(&self) -> [(Unit, u32); 5] {
        [
            (Unit::Hour, self.hourly),
            (Unit::Day, self.daily),
            (Unit::Week, self.weekly),
            (Unit::Month, self.monthly),
            (Unit::Year, self.yearly),
        ]
    }
}

fn number(name: &'static str, value: &str) -> Result<u32, PolicyError> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| value.parse().ok()).flatten();
    number
        .filter(|number| *number <= MOST)
        .ok_or_else(|| PolicyError::Number {
            name,
            value: value.chars().take(80).collect(),
        })
}

impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [hourly, daily, weekly, monthly, yearly] = self.periods().map(|(_, number)| number);
        let mut words = Vec::new();
        for (name, number) in [
            ("last", self.last),
            ("hourly", hourly),
            ("daily", daily),
            ("weekly", weekly),
            ("monthly", monthly),
            ("yearly", yearly),
        ] {
            if number > 0 {
                words.push(format!("{name}={number}"));
            }
        }
        words.extend(self.within.map(|within| format!("within={within}")));
        formatter.write_str(&words.join(" "))
    }
}

impl Default for Weekday {
    fn default() -> Self {
        Self(5)
    }
}

impl Weekday {
    const NAMES: [&str; 7] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];

    /// Reads the English name of a day.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let named = |name: &&str| name.eq_ignore_ascii_case(text.trim());
        (0..)
            .zip(Self::NAMES)
            .find(|(_, name)| named(name))
            .map_or_else(
                || Err(PolicyError::Weekday(text.chars().take(80).collect())),
                |(day, _)| Ok(Self(day)),
            )
    }
}

impl Unit {
    /// The number of the stretch that a moment is in, counted from any beginning.
    pub(super) fn of(self, at: Timestamp, first: Weekday) -> i64 {
        // 1 January 1970 was a Thursday, the day of number 3.
        let day = at.as_second().div_euclid(86_400);
        match self {
            Self::Hour => at.as_second().div_euclid(3_600),
            Self::Day => day,
            Self::Week => (day + 3 - i64::from(first.0)).div_euclid(7),
            Self::Month | Self::Year => {
                let date = at.to_zoned(TimeZone::UTC).date();
                match self {
                    Self::Year => i64::from(date.year()),
                    _ => i64::from(date.year()) * 12 + i64::from(date.month()),
                }
            }
        }
    }

    /// What is kept one of each: `daily`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Year => "yearly",
        }
    }
}
