//! The rules for `provides`, `requires`, `peers` and `extra-bindings` of `metadata.yaml`.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_yaml::{Mapping, Value};

use super::shape;

/// Checks every endpoint, and all of them together.
pub(super) fn check(metadata: &Mapping) -> Result<()> {
    let mut names = BTreeSet::new();
    let mut within_container = false;
    for role in ["provides", "requires", "peers"] {
        for (name, endpoint) in shape::section(metadata, role)? {
            let interface = check_endpoint(endpoint).with_context(|| format!("{role} {name}"))?;
            ensure!(!is_reserved(name), "relation name `{name}` is reserved");
            ensure!(
                role == "requires" || !is_reserved(interface),
                "{role} {name}: interface `{interface}` is reserved"
            );
            ensure!(names.insert(name), "relation name `{name}` stands twice");
            within_container |= role == "requires"
                && endpoint.get("scope").and_then(Value::as_str) == Some("container");
        }
    }
    if let Some(subordinate) = metadata.get("subordinate") {
        ensure!(
            !shape::boolean(subordinate, "subordinate")? || within_container,
            "a subordinate charm needs a relation within a container"
        );
    }
    check_bindings(metadata, &names)
}

/// Checks one endpoint and gives its interface.
fn check_endpoint(endpoint: &Value) -> Result<&str> {
    if let Some(interface) = endpoint.as_str() {
        return Ok(interface);
    }
    let endpoint = shape::map(endpoint, "endpoint")?;
    let interface = endpoint.get("interface").context("interface is missing")?;
    let interface = shape::string(interface, "interface")?;
    if let Some(scope) = endpoint.get("scope") {
        let scope = shape::string(scope, "scope")?;
        ensure!(
            ["global", "container"].contains(&scope),
            "scope: `{scope}` is none"
        );
    }
    if let Some(optional) = endpoint.get("optional") {
        shape::boolean(optional, "optional")?;
    }
    Ok(interface)
}

fn check_bindings(metadata: &Mapping, names: &BTreeSet<&str>) -> Result<()> {
    let Some(bindings) = metadata.get("extra-bindings") else {
        return Ok(());
    };
    let bindings = shape::entries(shape::map(bindings, "extra-bindings")?, "extra-bindings")?;
    ensure!(!bindings.is_empty(), "extra-bindings: is empty");
    for (name, value) in bindings {
        ensure!(value.is_null(), "extra-bindings: {name} has a value");
        ensure!(
            !names.contains(name),
            "extra-bindings: {name} is a relation"
        );
    }
    Ok(())
}

fn is_reserved(name: &str) -> bool {
    name == "juju" || name.starts_with("juju-")
}
