//! What Juju's reader asks of a charm archive, file by file.

use anyhow::{Context, Result, bail, ensure};

use super::reader::{Archive, Member};
use super::{actions, config, manifest, metadata, shape};

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// Checks an archive by the rules of Juju 3.6 and 4.0, and names the first that it breaks.
///
/// It reads what Juju reads when a charm is uploaded and unpacked. What the controller checks later, at deploy (the charm's
/// name, the place of its storage, whether `assumes` holds), is not in here.
pub fn check(archive: &Archive) -> Result<()> {
    let metadata = archive
        .member("metadata.yaml")
        .context("metadata.yaml is missing")?;
    metadata::check(&shape::parse("metadata.yaml", &metadata.contents)?)?;

    let manifest = archive
        .member("manifest.yaml")
        .context("manifest.yaml is missing")?;
    manifest::check(&shape::parse("manifest.yaml", &manifest.contents)?)?;

    if let Some(file) = archive.member("config.yaml") {
        config::check(&shape::parse("config.yaml", &file.contents)?)?;
    }
    if let Some(file) = archive.member("actions.yaml") {
        actions::check(&shape::parse("actions.yaml", &file.contents)?)?;
    }
    if let Some(file) = archive.member("revision") {
        let text = String::from_utf8_lossy(&file.contents);
        ensure!(
            text.trim().parse::<u32>().is_ok(),
            "revision: `{}` is not a number",
            text.trim()
        );
    }
    archive.members().iter().try_for_each(check_unpacks)
}

/// Checks that the unit can write the member to its disk.
fn check_unpacks(member: &Member) -> Result<()> {
    match member.kind() {
        // An archive not made by unix has no kinds.
        0 | DIRECTORY | REGULAR => Ok(()),
        LINK => check_link(member),
        kind => bail!(
            "{}: a file of kind {kind:o} cannot be unpacked",
            member.name
        ),
    }
}

fn check_link(member: &Member) -> Result<()> {
    let target = String::from_utf8_lossy(&member.contents);
    ensure!(
        !target.starts_with('/'),
        "{}: the link to {target} is absolute",
        member.name
    );

    let mut depth = member.name.matches('/').count();
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                depth = depth.checked_sub(1).with_context(|| {
                    format!("{}: the link to {target} leads outside", member.name)
                })?;
            }
            _ => depth += 1,
        }
    }
    Ok(())
}
