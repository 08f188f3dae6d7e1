//! A value that a tool prints, and its three forms: json, yaml and smart.
//!
//! The forms are Juju's: numbers are floats, json escapes what a browser might trip over, yaml and
//! smart print nothing for a value that is not there.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::yaml;

/// A value on its way to a tool's standard output.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing: `null` in json, no output at all in yaml and smart.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number. Juju keeps every number of a configuration or an action as a float.
    Number(f64),
    /// A text.
    Text(String),
    /// Bytes that may not be a text: only the content of secrets.
    Bytes(Vec<u8>),
    /// A tool's own list of strings, which smart prints one to a line.
    Lines(Vec<String>),
    /// A list from outside, which smart prints as yaml.
    List(Vec<Value>),
    /// A map.
    Map(BTreeMap<String, Value>),
}

/// How a value is to be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Compact, keys sorted, one line.
    Json,
    /// As go-yaml v2 writes it.
    Yaml,
    /// Texts bare, lists of strings line by line, everything else as yaml.
    Smart,
}

impl Value {
    /// A text value.
    pub fn text(text: impl Into<String>) -> Self {
        Value::Text(text.into())
    }

    /// A map of texts.
    pub fn texts(texts: &BTreeMap<String, String>) -> Self {
        Value::Map(
            texts
                .iter()
                .map(|(key, text)| (key.clone(), Value::Text(text.clone())))
                .collect(),
        )
    }

    /// The value in the given form, with its final newline.
    pub fn print(&self, format: Format) -> String {
        match format {
            Format::Json => self.json() + "\n",
            Format::Yaml => self.yaml(),
            Format::Smart => self.smart(),
        }
    }

    fn yaml(&self) -> String {
        match self {
            Value::Null => String::new(),
            value => yaml::document(value).trim_end_matches('\n').to_owned() + "\n",
        }
    }

    fn smart(&self) -> String {
        match self {
            Value::Null => String::new(),
            Value::Text(text) if text.is_empty() => String::new(),
            Value::Text(text) => format!("{text}\n"),
            Value::Lines(lines) if lines.is_empty() => String::new(),
            Value::Lines(lines) => lines.join("\n") + "\n",
            Value::Bool(true) => "True\n".to_owned(),
            Value::Bool(false) => "False\n".to_owned(),
            value => value.yaml(),
        }
    }

    /// The value as compact json, without a newline.
    pub fn json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Value::Null => out.push_str("null"),
            Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Value::Number(number) => out.push_str(&json_number(*number)),
            Value::Text(text) => json_text(text.as_bytes(), out),
            Value::Bytes(bytes) => json_text(bytes, out),
            Value::Lines(lines) => {
                json_list(lines, out, |line, out| json_text(line.as_bytes(), out))
            }
            Value::List(list) => json_list(list, out, Value::write_json),
            Value::Map(map) => {
                out.push('{');
                for (index, (key, value)) in map.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    json_text(key.as_bytes(), out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

impl From<&serde_json::Value> for Value {
    fn from(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(truth) => Value::Bool(*truth),
            serde_json::Value::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Value::Text(text.clone()),
            serde_json::Value::Array(list) => Value::List(list.iter().map(Value::from).collect()),
            serde_json::Value::Object(map) => Value::Map(
                map.iter()
                    .map(|(key, value)| (key.clone(), value.into()))
                    .collect(),
            ),
        }
    }
}

fn json_list<T>(list: &[T], out: &mut String, write: impl Fn(&T, &mut String)) {
    out.push('[');
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(']');
}

fn json_text(bytes: &[u8], out: &mut String) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{:04x}", c as u32);
                }
                c => out.push(c),
            }
        }
        for _ in chunk.invalid() {
            out.push_str("\\ufffd");
        }
    }
    out.push('"');
}

/// A number as Go's encoding/json prints a float.
fn json_number(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let (digits, exponent) = scientific(number);
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{}", exponent.abs())
    } else {
        format!("{number}")
    }
}

/// A number as go-yaml prints a float: with an exponent from a million on.
pub(crate) fn yaml_number(number: f64) -> String {
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let (digits, exponent) = scientific(number);
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    } else {
        format!("{number}")
    }
}

/// The shortest digits that read back as the number, and the exponent of ten.
fn scientific(number: f64) -> (String, i32) {
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => (digits.to_owned(), exponent.parse().unwrap_or(0)),
        None => (text, 0),
    }
}
