//! The charm's options as the operator set them.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;
use serde_json::Value;

/// The options that are set or have a default.
///
/// A passphrase may be among them, so only the names can be seen in its `Debug`.
#[derive(Clone, Default, PartialEq)]
pub struct Options(BTreeMap<String, Value>);

impl Options {
    /// A text option, unless it is unset or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// A text option that must not be shown; set to the empty text it is there, and empty.
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.0.get(name)?.as_str().map(SecretString::from)
    }

    /// A yes-or-no option.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    /// A whole number; Juju keeps numbers as floats, so `8008` may come as `8008.0`.
    pub fn whole(&self, name: &str) -> Option<i64> {
        let value = self.0.get(name)?;
        value.as_i64().or_else(|| {
            let float = value.as_f64()?;
            // Beyond 2^53 a float no longer names one whole number.
            (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as i64)
        })
    }
}

impl From<BTreeMap<String, Value>> for Options {
    fn from(options: BTreeMap<String, Value>) -> Self {
        Self(options)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use secrecy::ExposeSecret;

    use super::*;

    fn options(json: &str) -> Options {
        Options::from(serde_json::from_str::<BTreeMap<String, Value>>(json).unwrap())
    }

    #[test]
    fn each_kind_of_option_is_read_as_its_kind() {
        let options =
            options(r#"{"port":8008,"whole":2.0,"ratio":0.5,"on":true,"name":"x.org","empty":""}"#);
        assert_eq!(options.whole("port"), Some(8008));
        assert_eq!(options.whole("whole"), Some(2));
        assert_eq!(options.whole("ratio"), None);
        assert_eq!(options.flag("on"), Some(true));
        assert_eq!(options.text("name"), Some("x.org"));
        assert_eq!(options.text("empty"), None);
        assert_eq!(options.secret("empty").unwrap().expose_secret(), "");
        assert_eq!(options.text("nope"), None);
        assert_eq!(options.text("port"), None);
    }

    #[test]
    fn debug_of_options_shows_names_only() {
        let options = options(r#"{"backup_passphrase":"hunter2"}"#);
        assert_eq!(format!("{options:?}"), r#"{"backup_passphrase"}"#);
    }
}
