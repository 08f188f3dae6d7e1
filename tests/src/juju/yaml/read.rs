//! Reading the `--file` of `relation-set` and `state-set`: a YAML map of texts.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

/// Reads the first document as a map of texts: scalars keep their spelling, null is the empty text.
///
/// The error is the text Juju prints behind `ERROR `.
pub fn string_map(text: &str) -> Result<BTreeMap<String, String>, String> {
    if let Some(line) = escaped_slash(text) {
        let place = if line == 0 {
            String::new()
        } else {
            format!("line {}: ", line + 1)
        };
        return Err(format!("yaml: {place}found unknown escape character"));
    }
    let Some(document) = serde_yaml::Deserializer::from_str(text).next() else {
        return Ok(BTreeMap::new());
    };
    match Option::<Texts>::deserialize(document) {
        Ok(texts) => Ok(texts.map(|texts| texts.0).unwrap_or_default()),
        Err(error) => Err(explain(&error)),
    }
}

/// The line of the first `\/` in a JSON text: YAML 1.1 has no such escape, though our reader takes it.
fn escaped_slash(text: &str) -> Option<usize> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let (mut line, mut quoted, mut escaped) = (0, false, false);
    for c in text.chars() {
        match c {
            '/' if escaped => return Some(line),
            '"' if !escaped => quoted = !quoted,
            '\n' => line += 1,
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
    }
    None
}

/// The reader's error in Juju's words.
fn explain(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let line = error.location().map_or(1, |location| location.line());
    if let Some((_, kind)) = text.split_once(KIND) {
        let kind = kind.split(END).next().unwrap_or(kind);
        return format!("yaml: unmarshal errors:\n  line {line}: cannot unmarshal {kind}");
    }
    let end = [" at line ", " at position ", ", while "]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min()
        .unwrap_or(text.len());
    let problem = &text[..end];
    // Lines are counted from nought and left out on the first; only what the scanner finds is counted from one.
    let place = match (line.saturating_sub(1), problem.starts_with("did not find")) {
        (0, _) => String::new(),
        (line, true) => format!("line {line}: "),
        (line, false) => format!("line {}: ", line + 1),
    };
    format!("yaml: {place}{problem}")
}

// Marks around our own part of an error, so that it can be told from the reader's.
const KIND: &str = "\u{1}";
const END: char = '\u{2}';

fn mismatch<E: de::Error>(kind: &str, wanted: &str) -> E {
    E::custom(format!("{KIND}{kind} into {wanted}{END}"))
}

struct Texts(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor).map(Texts)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some(key) = map.next_key::<Option<Text>>()? {
            let value = map.next_value::<Option<Text>>()?;
            let bare = |text: Option<Text>| text.map(|text| text.0).unwrap_or_default();
            texts.insert(bare(key), bare(value));
        }
        Ok(texts)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(mismatch("!!seq", "map[string]string"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Err(mismatch(&format!("!!str `{text}`"), "map[string]string"))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Err(mismatch(&format!("!!int `{number}`"), "map[string]string"))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        Err(mismatch(
            &format!("!!float `{number}`"),
            "map[string]string",
        ))
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Self::Value, E> {
        Err(mismatch(&format!("!!bool `{truth}`"), "map[string]string"))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }
}

/// One scalar with the spelling it has in the file.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_str(TextVisitor)
            .map(Text)
            .map_err(|error| {
                let text = error.to_string();
                if text.contains("invalid type: map") {
                    mismatch("!!map", "string")
                } else if text.contains("invalid type: sequence") {
                    mismatch("!!seq", "string")
                } else {
                    error
                }
            })
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.to_owned())
    }
}
