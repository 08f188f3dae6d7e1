//! The rules for `actions.yaml`: names, and a schema for the parameters of each.

use anyhow::{Context, Result, bail, ensure};
use regex::Regex;
use serde_yaml::{Mapping, Value};

use super::shape;

const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// Checks the parsed file.
pub(super) fn check(value: &Value) -> Result<()> {
    if value.is_null() {
        return Ok(());
    }
    for (name, action) in shape::entries(shape::map(value, "actions.yaml")?, "actions.yaml")? {
        check_name(name)?;
        check_action(action).with_context(|| format!("action {name}"))?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(
        !name.is_empty()
            && name.bytes().all(inner)
            && !name.starts_with('-')
            && !name.ends_with('-'),
        "action name `{name}` is not made of lower case letters, digits and inner hyphens"
    );
    ensure!(
        name != "juju" && !name.starts_with("juju-"),
        "action name `{name}` is reserved"
    );
    Ok(())
}

fn check_action(action: &Value) -> Result<()> {
    if action.is_null() {
        return Ok(());
    }
    let action = shape::map(action, "action")?;
    check_keys(action)?;
    for key in ["title", "description", "execution-group"] {
        if let Some(text) = action.get(key) {
            shape::string(text, key)?;
        }
    }
    if let Some(parallel) = action.get("parallel") {
        shape::boolean(parallel, "parallel")?;
    }
    if let Some(required) = action.get("required") {
        shape::list(required, "required")?;
    }
    match action.get("additionalProperties") {
        None | Some(Value::Bool(_) | Value::Mapping(_)) => {}
        Some(_) => bail!("additionalProperties is neither a boolean nor a schema"),
    }
    for key in ["params", "properties"] {
        for (name, schema) in shape::section(action, key)? {
            check_parameter(schema).with_context(|| format!("parameter {name}"))?;
        }
    }
    Ok(())
}

fn check_parameter(schema: &Value) -> Result<()> {
    let schema = shape::map(schema, "schema")?;
    if let Some(kind) = schema.get("type") {
        let kind = shape::string(kind, "type")?;
        ensure!(TYPES.contains(&kind), "type `{kind}` is none");
    }
    if let Some(pattern) = schema.get("pattern") {
        let pattern = shape::string(pattern, "pattern")?;
        Regex::new(pattern)
            .with_context(|| format!("pattern `{pattern}` is no regular expression"))?;
    }
    Ok(())
}

/// Refuses, at every depth, keys that are no strings or that Juju keeps for itself.
fn check_keys(map: &Mapping) -> Result<()> {
    for (key, value) in shape::entries(map, "action")? {
        ensure!(
            !["$ref", "$schema"].contains(&key),
            "the key {key} is not for actions"
        );
        if let Some(inner) = value.as_mapping() {
            check_keys(inner)?;
        }
    }
    Ok(())
}
