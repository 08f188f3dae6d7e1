//! Action parameters: read from the command line, checked against the schema, defaults inserted.
//!
//! The complaints are those of Juju's JSON schema reader. Only the keywords that it is known to answer
//! are simulated; a charm that uses others is refused when it is read.

use serde_json::{Map, Value, json};

use super::ActionSpec;
use crate::juju::context::Flavour;
use crate::juju::value;
use crate::juju::yaml;

/// Why parameters were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("validation failed: {}", .0.join("; "))]
pub struct ParameterError(pub Vec<String>);

const KNOWN: [&str; 8] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "default",
    "description",
    "title",
    "params",
];
/// Keys of an action that are not about its parameters.
const NOT_SCHEMA: [&str; 2] = ["parallel", "execution-group"];

/// The schema of an action as actions.yaml spells it.
pub(super) fn schema(action: &str, spec: &Value) -> Result<Value, String> {
    let mut schema = Map::new();
    for (key, value) in spec.as_object().into_iter().flatten() {
        match key.as_str() {
            "params" => schema.insert("properties".to_owned(), value.clone()),
            key if NOT_SCHEMA.contains(&key) => continue,
            key => schema.insert(key.to_owned(), value.clone()),
        };
    }
    let schema = Value::Object(schema);
    check_known(action, &schema)?;
    Ok(schema)
}

fn check_known(place: &str, schema: &Value) -> Result<(), String> {
    for (key, value) in schema.as_object().into_iter().flatten() {
        if !KNOWN.contains(&key.as_str()) {
            return Err(format!(
                "actions.yaml: {place}: the keyword {key:?} is not simulated"
            ));
        }
        if key == "properties" {
            for (name, property) in value.as_object().into_iter().flatten() {
                check_known(&format!("{place}.{name}"), property)?;
            }
        }
    }
    Ok(())
}

impl ActionSpec {
    /// Checks what the user sent, then inserts the defaults.
    pub fn check(
        &self,
        params: &Map<String, Value>,
        flavour: Flavour,
    ) -> Result<Map<String, Value>, ParameterError> {
        let mut schema = self.schema.clone();
        if flavour == Flavour::V4 && schema.get("additionalProperties").is_none() {
            schema["additionalProperties"] = json!(false);
        }
        let mut complaints = Vec::new();
        check_object("(root)", &schema, params, &mut complaints);
        if !complaints.is_empty() {
            return Err(ParameterError(complaints));
        }
        let mut params = params.clone();
        insert_defaults(&schema, &mut params);
        Ok(params)
    }
}

fn check_object(
    place: &str,
    schema: &Value,
    object: &Map<String, Value>,
    complaints: &mut Vec<String>,
) {
    let given = value::Value::from(&Value::Object(object.clone())).json();
    for name in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !object.contains_key(name) {
            complaints.push(format!(
                "{place} : {name:?} property is missing and required, given {given}"
            ));
        }
    }
    for (name, value) in object {
        match schema["properties"].get(name) {
            Some(property) => check_value(&format!("{place}.{name}"), property, value, complaints),
            None if schema["additionalProperties"] == json!(false) => {
                complaints.push(format!(
                    "{place} : additional property {name:?} is not allowed, given {given}"
                ));
            }
            None => {}
        }
    }
}

fn check_value(place: &str, schema: &Value, value: &Value, complaints: &mut Vec<String>) {
    if let Some(kind) = schema["type"].as_str() {
        let good = match kind {
            "string" => value.is_string(),
            "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "object" => value.is_object(),
            "array" => value.is_array(),
            _ => value.is_null(),
        };
        if !good {
            let given = value::Value::from(value).json();
            complaints.push(format!("{place} : must be of type {kind}, given {given}"));
            return;
        }
    }
    if let Some(object) = value.as_object() {
        check_object(place, schema, object, complaints);
    }
}

fn insert_defaults(schema: &Value, params: &mut Map<String, Value>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if property["properties"].is_object() {
            let mut inner = match params.get(name) {
                None => Map::new(),
                Some(Value::Object(inner)) => inner.clone(),
                Some(_) => continue,
            };
            insert_defaults(property, &mut inner);
            if !inner.is_empty() || params.contains_key(name) {
                params.insert(name.clone(), Value::Object(inner));
            }
        } else if let Some(default) = property.get("default") {
            params
                .entry(name.clone())
                .or_insert_with(|| default.clone());
        }
    }
}

/// Reads `key[.key...]=value` arguments of `juju run`; values are YAML unless `as_text`.
pub fn parse_cli(args: &[String], as_text: bool) -> Result<Map<String, Value>, String> {
    let mut params = Map::new();
    for arg in args {
        let (key, text) = arg
            .split_once('=')
            .ok_or_else(|| format!("argument {arg:?} must be of the form key.key.key...=value"))?;
        let path: Vec<&str> = key.split('.').collect();
        if let Some(part) = path.iter().find(|part| !is_key(part)) {
            return Err(format!(
                "key {part:?} must start and end with lowercase alphanumeric, and contain only lowercase alphanumeric, hyphens and periods"
            ));
        }
        let value = if as_text {
            Value::from(text)
        } else {
            yaml::value(text)?
        };
        insert(&mut params, &path, value);
    }
    Ok(params)
}

fn insert(tree: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [] => {}
        [last] => {
            tree.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let branch = tree.entry(*first).or_insert_with(|| json!({}));
            if !branch.is_object() {
                *branch = json!({});
            }
            if let Some(branch) = branch.as_object_mut() {
                insert(branch, rest, value);
            }
        }
    }
}

fn is_key(part: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = part.as_bytes();
    let inside = bytes
        .iter()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
    edge(bytes.first()) && edge(bytes.last()) && inside
}
