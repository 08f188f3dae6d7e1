//! Relations and what is written on them.

use std::collections::BTreeMap;
use std::fmt;

/// A relation as Juju names it in a charm, such as `backup:7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelationId(String);

impl RelationId {
    /// Reads `<endpoint>:<number>`.
    pub fn parse(id: &str) -> Option<Self> {
        let (endpoint, number) = id.rsplit_once(':')?;
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        (!endpoint.is_empty() && digits).then(|| Self(id.to_owned()))
    }

    /// The id as the hook tools take it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number alone, as in `7`.
    pub fn number(&self) -> &str {
        self.0.rsplit(':').next().unwrap_or_default()
    }
}

impl fmt::Display for RelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The settings that one side of a relation has published.
///
/// They may hold credentials (S3 keys do travel like that), so only the keys can be seen in its `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Databag(BTreeMap<String, String>);

impl Databag {
    /// The value of a key, unless it is missing or empty: an empty value is how Juju deletes one.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// All keys and values.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl From<BTreeMap<String, String>> for Databag {
    fn from(settings: BTreeMap<String, String>) -> Self {
        Self(settings)
    }
}

impl fmt::Debug for Databag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Settings as the JSON that `relation-set --file -` reads exactly as it is meant.
///
/// The reader is a YAML 1.1 parser: it refuses U+007F to U+009F, U+FFFE and U+FFFF when they come raw (U+0085 even
/// becomes a space without a word), and serde_json writes them raw, so they are escaped here.
pub(super) fn to_yaml_safe_json(settings: &BTreeMap<String, String>) -> Vec<u8> {
    // A map of strings always has a JSON form.
    let json = serde_json::to_string(settings).unwrap_or_default();
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            // Only inside strings can these occur, so an escape is always in place.
            '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                safe.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => safe.push(character),
        }
    }
    safe.into_bytes()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn relation_ids_end_in_a_number() {
        let id = RelationId::parse("backup:7").unwrap();
        assert_eq!((id.as_str(), id.number()), ("backup:7", "7"));
        for bad in ["", "backup", "backup:", "backup:x", ":7"] {
            assert!(RelationId::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn debug_of_a_databag_shows_keys_only() {
        let bag = Databag::from(BTreeMap::from([(
            "secret-key".to_owned(),
            "hunter2".to_owned(),
        )]));
        assert_eq!(format!("{bag:?}"), r#"{"secret-key"}"#);
    }

    #[test]
    fn an_empty_value_counts_as_missing() {
        let bag = Databag::from(BTreeMap::from([("a".to_owned(), String::new())]));
        assert_eq!(bag.get("a"), None);
    }

    #[test]
    fn characters_that_yaml_refuses_are_escaped() {
        let settings = BTreeMap::from([(
            "k".to_owned(),
            "a\u{85}\u{7f}\u{fffe}\u{ffff}ü😀\n".to_owned(),
        )]);
        let json = String::from_utf8(to_yaml_safe_json(&settings)).unwrap();
        assert_eq!(json, r#"{"k":"a\u0085\u007f\ufffe\uffffü😀\n"}"#);
    }

    proptest! {
        #[test]
        fn escaping_never_changes_the_meaning(settings: BTreeMap<String, String>) {
            let back: BTreeMap<String, String> = serde_json::from_slice(&to_yaml_safe_json(&settings)).unwrap();
            prop_assert_eq!(back, settings);
        }
    }
}
