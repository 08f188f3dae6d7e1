//! The rules for `metadata.yaml`.

use anyhow::{Context, Result, bail, ensure};
use serde_yaml::{Mapping, Value};

use super::{assumes, relations, shape, storage};

/// Keys that only charms without containers may have.
const OLD_KEYS: [&str; 3] = ["series", "deployment", "min-juju-version"];

/// User and group ids that Juju keeps for itself.
const RESERVED_IDS: std::ops::RangeInclusive<i64> = 1000..=9999;

/// Checks the parsed file.
pub(super) fn check(value: &Value) -> Result<()> {
    let metadata = shape::map(value, "metadata.yaml")?;
    for key in ["name", "summary", "description"] {
        let text = metadata
            .get(key)
            .with_context(|| format!("metadata.yaml: {key} is missing"))?;
        shape::string(text, key)?;
    }
    for modern in ["containers", "assumes", "charm-user"] {
        for old in OLD_KEYS {
            ensure!(
                !(metadata.contains_key(modern) && metadata.contains_key(old)),
                "{old} cannot be used with {modern}"
            );
        }
    }
    ensure!(
        !metadata.contains_key("terms"),
        "terms are not for this charm"
    );

    relations::check(metadata)?;
    storage::check(metadata)?;
    for (name, resource) in shape::section(metadata, "resources")? {
        check_resource(resource).with_context(|| format!("resource {name}"))?;
    }
    for (name, container) in shape::section(metadata, "containers")? {
        check_container(metadata, container).with_context(|| format!("container {name}"))?;
    }
    if let Some(user) = metadata.get("charm-user") {
        let user = shape::string(user, "charm-user")?;
        ensure!(
            ["root", "sudoer", "non-root"].contains(&user),
            "charm-user: `{user}` is none"
        );
    }
    if let Some(features) = metadata.get("assumes") {
        assumes::check(features)?;
    }
    Ok(())
}

fn check_resource(resource: &Value) -> Result<()> {
    let resource = shape::map(resource, "resource")?;
    let kind = resource
        .get("type")
        .map(|kind| shape::string(kind, "type"))
        .transpose()?;
    match kind {
        Some("oci-image") => Ok(()),
        Some("file") | None => check_filename(resource, kind.is_some()),
        Some(other) => bail!("unsupported type `{other}`"),
    }
}

fn check_filename(resource: &Mapping, required: bool) -> Result<()> {
    match resource.get("filename") {
        None if required => bail!("filename is missing"),
        None => Ok(()),
        Some(name) => {
            let name = shape::string(name, "filename")?;
            ensure!(!name.contains('/'), "filename cannot contain `/`");
            Ok(())
        }
    }
}

fn check_container(metadata: &Mapping, container: &Value) -> Result<()> {
    let container = shape::map(container, "container")?;
    if let Some(resource) = container.get("resource") {
        let resource = shape::string(resource, "resource")?;
        let declared = metadata
            .get("resources")
            .and_then(|resources| resources.get(resource))
            .with_context(|| format!("resource `{resource}` is not declared"))?;
        ensure!(
            declared.get("type").and_then(Value::as_str) == Some("oci-image"),
            "resource `{resource}` is no oci-image"
        );
    }
    for key in ["uid", "gid"] {
        if let Some(id) = container.get(key).and_then(Value::as_i64) {
            ensure!(!RESERVED_IDS.contains(&id), "{key} {id} is reserved");
        }
    }
    let Some(mounts) = container.get("mounts") else {
        return Ok(());
    };
    for mount in shape::list(mounts, "mounts")? {
        let mount = shape::map(mount, "mount")?;
        let storage = mount.get("storage").context("a mount names no storage")?;
        let storage = shape::string(storage, "storage")?;
        shape::string(
            mount.get("location").context("a mount has no location")?,
            "location",
        )?;
        ensure!(
            metadata
                .get("storage")
                .is_some_and(|all| all.get(storage).is_some()),
            "storage `{storage}` is not declared"
        );
    }
    Ok(())
}
