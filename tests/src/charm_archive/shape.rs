//! Asking a YAML value for the shape it should have, with an error that names the place.

use anyhow::{Context, Result, bail};
use serde_yaml::{Mapping, Value};

/// Words that Juju's YAML 1.1 reader takes for booleans and ours for strings, quotes or not.
const BOOLEAN_WORDS: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "true", "false"];

/// Parses one file of the archive.
pub(super) fn parse(name: &str, contents: &[u8]) -> Result<Value> {
    let text = std::str::from_utf8(contents).with_context(|| format!("{name} is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_yaml::from_str(text).with_context(|| format!("{name} is not YAML"))
}

/// Takes a value as a map.
pub(super) fn map<'a>(value: &'a Value, place: &str) -> Result<&'a Mapping> {
    value
        .as_mapping()
        .with_context(|| format!("{place}: expected a map"))
}

/// Takes a value as a list.
pub(super) fn list<'a>(value: &'a Value, place: &str) -> Result<&'a Vec<Value>> {
    value
        .as_sequence()
        .with_context(|| format!("{place}: expected a list"))
}

/// Takes a value as a string that every YAML reader takes for one.
pub(super) fn string<'a>(value: &'a Value, place: &str) -> Result<&'a str> {
    match value.as_str() {
        Some(text) if is_boolean_word(text) => bail!("{place}: `{text}` is a boolean to Juju"),
        Some(text) => Ok(text),
        None => bail!("{place}: expected a string"),
    }
}

/// Takes a value as a boolean.
pub(super) fn boolean(value: &Value, place: &str) -> Result<bool> {
    value
        .as_bool()
        .with_context(|| format!("{place}: expected a boolean"))
}

/// Walks over a map whose keys are strings.
pub(super) fn entries<'a>(map: &'a Mapping, place: &str) -> Result<Vec<(&'a str, &'a Value)>> {
    map.iter()
        .map(|(key, value)| Ok((string(key, &format!("{place}: a key"))?, value)))
        .collect()
}

/// Walks over the map below `key`, or over nothing when there is no such key.
pub(super) fn section<'a>(parent: &'a Mapping, key: &str) -> Result<Vec<(&'a str, &'a Value)>> {
    match parent.get(key) {
        None => Ok(Vec::new()),
        Some(value) => entries(map(value, key)?, key),
    }
}

/// Whether YAML 1.1 reads the plain word as a boolean.
pub(super) fn is_boolean_word(text: &str) -> bool {
    BOOLEAN_WORDS.contains(&text.to_lowercase().as_str())
}
