//! The rules for `assumes` of `metadata.yaml`: what a controller must offer.

use std::sync::LazyLock;

use anyhow::{Context, Result, bail, ensure};
use regex::Regex;
use serde_yaml::Value;

use super::shape;

/// A feature by its name, or with a lower or an upper bound of its version.
#[expect(
    clippy::unwrap_used,
    reason = "the pattern is constant, and every use of it tests it"
)]
static FEATURE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[a-z][a-z0-9-]*[a-z0-9]( *(>=|<) *[0-9]+(\.[0-9]+){0,2}(-[a-z]+[0-9.]*)?)?$")
        .unwrap()
});

/// Checks the list.
pub(super) fn check(value: &Value) -> Result<()> {
    check_list(value).context("assumes")
}

fn check_list(value: &Value) -> Result<()> {
    shape::list(value, "expressions")?
        .iter()
        .try_for_each(check_expression)
}

fn check_expression(value: &Value) -> Result<()> {
    if let Some(feature) = value.as_str() {
        ensure!(
            FEATURE.is_match(feature),
            "`{feature}` is no feature with `>=` or `<`"
        );
        return Ok(());
    }
    let block = shape::map(value, "expression")?;
    for (key, inner) in shape::entries(block, "expression")? {
        match key {
            "any-of" | "all-of" => check_list(inner).with_context(|| key.to_owned())?,
            other => bail!("`{other}` is neither any-of nor all-of"),
        }
    }
    Ok(())
}
