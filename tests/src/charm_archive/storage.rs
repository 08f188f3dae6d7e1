//! The rules for `storage` of `metadata.yaml`.

use anyhow::{Context, Result, ensure};
use serde_yaml::{Mapping, Value};

use super::shape;

/// Checks every storage.
pub(super) fn check(metadata: &Mapping) -> Result<()> {
    for (name, storage) in shape::section(metadata, "storage")? {
        check_one(storage).with_context(|| format!("storage {name}"))?;
    }
    Ok(())
}

fn check_one(storage: &Value) -> Result<()> {
    let storage = shape::map(storage, "storage")?;
    let kind = shape::string(storage.get("type").context("type is missing")?, "type")?;
    ensure!(
        ["filesystem", "block"].contains(&kind),
        "type: `{kind}` is none"
    );
    ensure!(
        kind == "filesystem" || !storage.contains_key("location"),
        "location may not be given for type block"
    );
    for key in ["shared", "read-only"] {
        if let Some(value) = storage.get(key) {
            shape::boolean(value, key)?;
        }
    }
    if let Some(size) = storage.get("minimum-size") {
        let size = shape::string(size, "minimum-size")?;
        ensure!(is_size(size), "minimum-size: `{size}` is no size");
    }
    if let Some(properties) = storage.get("properties") {
        for property in shape::list(properties, "properties")? {
            let property = shape::string(property, "properties")?;
            ensure!(property == "transient", "properties: `{property}` is none");
        }
    }
    if let Some(range) = storage
        .get("multiple")
        .and_then(|multiple| multiple.get("range"))
    {
        ensure!(is_range(range), "multiple.range: {range:?} is no range");
    }
    Ok(())
}

/// Whether the text is a number with one of the letters that Juju knows.
fn is_size(text: &str) -> bool {
    let number = text
        .trim_end_matches('B')
        .trim_end_matches('i')
        .trim_end_matches(['M', 'G', 'T', 'P', 'E', 'Z', 'Y']);
    number.parse::<f64>().is_ok_and(|number| number >= 0.0)
}

/// Whether the value is one of `n` (not 0), `n-m`, `n-` and `n+`.
fn is_range(value: &Value) -> bool {
    if let Some(count) = value.as_u64() {
        return count > 0;
    }
    let Some(text) = value.as_str() else {
        return false;
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match (text.strip_suffix('+'), text.split_once('-')) {
        (Some(low), _) => digits(low),
        (None, Some((low, high))) => digits(low) && (high.is_empty() || digits(high)),
        (None, None) => digits(text) && text.bytes().any(|byte| byte != b'0'),
    }
}
