//! The rules for `config.yaml`: the options a user may set.

use anyhow::{Context, Result, bail, ensure};
use serde_yaml::Value;

use super::shape;

/// Checks the parsed file.
pub(super) fn check(value: &Value) -> Result<()> {
    let config = shape::map(value, "config.yaml")?;
    let options = config
        .get("options")
        .context("config.yaml: options are missing")?;
    if options.is_null() {
        return Ok(());
    }
    for (name, option) in shape::entries(shape::map(options, "options")?, "options")? {
        check_option(option).with_context(|| format!("option {name}"))?;
    }
    Ok(())
}

fn check_option(option: &Value) -> Result<()> {
    if option.is_null() {
        return Ok(());
    }
    let option = shape::map(option, "option")?;
    if let Some(description) = option.get("description") {
        shape::string(description, "description")?;
    }
    let kind = match option.get("type") {
        None | Some(Value::Null) => "string",
        Some(kind) => shape::string(kind, "type")?,
    };
    let default = option.get("default").unwrap_or(&Value::Null);
    let good = match kind {
        "string" => default.is_string(),
        "secret" => default
            .as_str()
            .is_some_and(|text| text.is_empty() || text.starts_with("secret:")),
        "int" => {
            default.is_i64()
                || default
                    .as_str()
                    .is_some_and(|text| text.parse::<i64>().is_ok())
        }
        "float" => default.is_number(),
        "boolean" => default.is_bool() || default.as_str().is_some_and(shape::is_boolean_word),
        other => bail!("type `{other}` is unknown"),
    };
    ensure!(
        good || default.is_null(),
        "the default {default:?} is no {kind}"
    );
    Ok(())
}
