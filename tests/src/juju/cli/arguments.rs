//! The arguments of one command.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::{Command, Usage};
use crate::juju::flags::{self, Stop};

/// Flags and positionals, flags read.
pub(super) struct Arguments {
    given: BTreeMap<&'static str, Vec<String>>,
    rest: Vec<String>,
}

impl Arguments {
    /// Reads the arguments; `None` when help was asked for.
    pub(super) fn parse(command: &Command, args: &[String]) -> Result<Option<Self>> {
        let mut given: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        let parsed = flags::parse(command.flags, args, |name, value| {
            given.entry(name).or_default().push(value.to_owned());
            Ok(())
        });
        match parsed {
            Ok(rest) => Ok(Some(Arguments { given, rest })),
            Err(Stop::Help) => Ok(None),
            Err(Stop::Bad(text)) => Err(Usage(text).into()),
        }
    }

    /// Whether a switch is on.
    pub(super) fn switch(&self, name: &str) -> bool {
        self.last(name) == "true"
    }

    /// The last value of a flag, or nothing.
    pub(super) fn last(&self, name: &str) -> &str {
        self.given
            .get(name)
            .and_then(|values| values.last())
            .map_or("", String::as_str)
    }

    /// All values of a flag.
    pub(super) fn all(&self, name: &str) -> &[String] {
        self.given.get(name).map_or(&[], Vec::as_slice)
    }

    /// The first positional that is left, or a complaint.
    pub(super) fn next(&mut self, what: &str) -> Result<String> {
        self.optional()
            .ok_or_else(|| Usage(format!("no {what} specified")).into())
    }

    /// The first positional that is left, if there is one.
    pub(super) fn optional(&mut self) -> Option<String> {
        (!self.rest.is_empty()).then(|| self.rest.remove(0))
    }

    /// All positionals that are left.
    pub(super) fn rest(&mut self) -> Vec<String> {
        std::mem::take(&mut self.rest)
    }

    /// Refuses positionals that are left.
    pub(super) fn end(&self) -> Result<()> {
        flags::no_more(&self.rest).map_err(|text| Usage(text).into())
    }
}

/// Reads `key=value`; a value that begins with `@` names a file that holds it.
pub(super) fn key_value(text: &str) -> Result<(String, String)> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| Usage(format!("expected \"key=value\", got {text:?}")))?;
    let value = match value.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| anyhow::anyhow!("cannot read option from file {path:?}: {error}"))?,
        None => value.to_owned(),
    };
    Ok((key.to_owned(), value))
}

/// Reads `90s`, `2h`, `1m30s`, `500ms`.
pub(super) fn duration(text: &str) -> Result<Duration> {
    let bad = || Usage(format!("invalid duration {text:?}"));
    let mut total = Duration::ZERO;
    let mut left = text;
    while !left.is_empty() {
        let digits = left
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(bad)?;
        let (number, rest) = left.split_at(digits);
        let letters = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(letters);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return Err(bad().into()),
        };
        let number: f64 = number.parse().map_err(|_| bad())?;
        total += Duration::try_from_secs_f64(number * seconds).map_err(|_| bad())?;
        left = rest;
    }
    Ok(total)
}
