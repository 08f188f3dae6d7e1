//! One event as one line of text.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::super::tools::LogLevel;
use super::OURS;

/// The most bytes that a line may have; what is longer is cut.
pub(super) const LIMIT: usize = 8 * 1024;

/// A line on its way to Juju's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) level: LogLevel,
    pub(super) text: String,
}

impl Line {
    pub(super) fn new(level: LogLevel, text: String) -> Self {
        // No argument can hold a NUL.
        let mut text = text.replace('\0', "\u{fffd}");
        if text.len() > LIMIT {
            text.truncate(text.floor_char_boundary(LIMIT - '…'.len_utf8()));
            text.push('…');
        }
        Self { level, text }
    }

    /// Writes an event as `message key=value key="two words"`, behind its target unless it is our own.
    ///
    /// `clean` sees the whole text before it is cut.
    pub(super) fn of(event: &Event<'_>, clean: impl FnOnce(String) -> String) -> Self {
        let mut words = Words::default();
        event.record(&mut words);
        let target = event.metadata().target();
        let ours = OURS
            .iter()
            .any(|name| target.split("::").next() == Some(name));
        let mut text = if ours {
            String::new()
        } else {
            format!("{target}: ")
        };
        text.push_str(&words.message);
        if words.message.is_empty() {
            text.push_str(words.fields.trim_start());
        } else {
            text.push_str(&words.fields);
        }
        Self::new(level(*event.metadata().level()), clean(text))
    }
}

fn level(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warning,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}

/// Collects the message and, behind it, every other field.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        self.add(field.name(), &text);
    }
}

impl Words {
    fn add(&mut self, name: &str, value: &str) {
        if name == "message" {
            self.message.push_str(value);
            return;
        }
        let plain = !value.is_empty()
            && value
                .chars()
                .all(|c| !c.is_whitespace() && !c.is_control() && c != '"');
        // Writing to a string cannot fail.
        let _ = if plain {
            write!(self.fields, " {name}={value}")
        } else {
            write!(self.fields, " {name}={value:?}")
        };
    }
}
