//! The rules for `manifest.yaml`: the bases that the charm runs on.

use anyhow::{Context, Result, ensure};
use serde_yaml::Value;

use super::shape;

const ARCHITECTURES: [&str; 5] = ["amd64", "arm64", "ppc64el", "riscv64", "s390x"];
const DISTRIBUTIONS: [&str; 2] = ["ubuntu", "centos"];
const RISKS: [&str; 4] = ["stable", "candidate", "beta", "edge"];

/// Checks the parsed file.
pub(super) fn check(value: &Value) -> Result<()> {
    let manifest = shape::map(value, "manifest.yaml")?;
    let bases = manifest
        .get("bases")
        .context("manifest.yaml: bases are missing")?;
    let bases = shape::list(bases, "bases")?;
    ensure!(!bases.is_empty(), "manifest.yaml: there is no base");
    for base in bases {
        check_base(base).context("manifest.yaml")?;
    }
    Ok(())
}

fn check_base(base: &Value) -> Result<()> {
    let base = shape::map(base, "base")?;
    let name = shape::string(base.get("name").context("a base has no name")?, "name")?;
    ensure!(
        DISTRIBUTIONS.contains(&name),
        "distribution `{name}` is unknown"
    );

    let channel = base.get("channel").context("a base has no channel")?;
    let channel = shape::string(channel, "channel")?;
    let mut parts = channel.split('/');
    ensure!(
        parts.next().is_some_and(|track| !track.is_empty()),
        "the channel is empty"
    );
    if let Some(risk) = parts.next() {
        ensure!(
            RISKS.contains(&risk),
            "channel `{channel}`: risk `{risk}` is none"
        );
    }

    let Some(architectures) = base.get("architectures") else {
        return Ok(());
    };
    for architecture in shape::list(architectures, "architectures")? {
        let architecture = shape::string(architecture, "architecture")?;
        ensure!(
            ARCHITECTURES.contains(&architecture),
            "architecture `{architecture}` is unknown"
        );
    }
    Ok(())
}
