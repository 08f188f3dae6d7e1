//! Values of options: typed as the charm declares them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Charm, CharmOption};
use crate::juju::flags;

impl Charm {
    /// Reads `key=value` settings as `juju config` does: each value by its option's type.
    pub fn parse_settings(
        &self,
        texts: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, Value>, String> {
        let mut settings = BTreeMap::new();
        for (name, text) in texts {
            let option = self
                .options
                .get(name)
                .ok_or_else(|| format!("unknown option {name:?}"))?;
            settings.insert(name.clone(), option.parse(name, text)?);
        }
        Ok(settings)
    }

    /// The whole configuration: what is set, else the default, else null.
    pub fn configuration(&self, settings: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
        let value = |(name, option): (&String, &CharmOption)| {
            (
                name.clone(),
                settings.get(name).unwrap_or(&option.default).clone(),
            )
        };
        self.options.iter().map(value).collect()
    }
}

impl CharmOption {
    fn parse(&self, name: &str, text: &str) -> Result<Value, String> {
        let mismatch = || format!("option {name:?} expected {}, got {text:?}", self.kind);
        match self.kind.as_str() {
            "int" => text.parse::<i64>().map(Value::from).map_err(|_| mismatch()),
            "float" => text.parse::<f64>().map(Value::from).map_err(|_| mismatch()),
            "boolean" => flags::truth(text).map(Value::from).map_err(|_| mismatch()),
            "secret" if !text.is_empty() && !text.starts_with("secret:") => Err(mismatch()),
            _ => Ok(Value::from(text)),
        }
    }
}
