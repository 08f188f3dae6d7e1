//! Small things that are done often: a hook with nothing to do, and the list of a great many backups.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::bed::{Bed, Timed};
use super::outcome::Outcome;
use crate::demo;

/// How many backups are listed.
const BACKUPS: usize = 1200;

/// How many calls of a hook tool are timed together.
const CALLS: usize = 20;

/// Runs a hook with nothing to do, again and again.
pub(super) fn hook(bed: &Bed, runs: usize, outcome: &mut Outcome) -> Result<()> {
    bed.hook("update-status")?;
    for _ in 0..runs {
        let timed = bed.hook("update-status")?;
        outcome.hook.push(timed.dispatch.wall * 1e3);
        outcome.hook_tools = timed.called;
    }
    let empty = bed.shell("for call in 1; do true; done")?;
    let words = "x ".repeat(CALLS);
    let line = format!("for call in {words}; do is-leader > /dev/null; done");
    let many = bed.shell(&line)?;
    let wall = |timed: &Timed| timed.dispatch.wall * 1e3;
    outcome.hook_tool = (wall(&many) - wall(&empty)) / CALLS as f64;
    Ok(())
}

/// Lists a great many backups, which differ from one real backup by their ids, and takes them away again.
pub(super) fn list(bed: &Bed, runs: usize, outcome: &mut Outcome) -> Result<()> {
    let created = bed.action("create-backup", &[])?;
    let id = created.text("backup-id")?;
    let manifest = fs::read_to_string(bed.backup(id).join("manifest.json"))?;
    let facts: Value = serde_json::from_str(&manifest)?;
    let volumes = facts["volumes"].as_array().context("no volumes")?;
    for number in 1..BACKUPS {
        let other = format!("backup-20260102000000{number:06}");
        let directory = bed.backup(&other);
        fs::create_dir_all(&directory)?;
        fs::write(
            directory.join("manifest.json"),
            manifest.replace(id, &other),
        )?;
        fs::write(directory.join("inventory.json.gpg"), "sealed")?;
        for volume in volumes {
            let key = volume["key"].as_str().context("a volume without a key")?;
            let name = key.rsplit('/').next().unwrap_or_default();
            let size = volume["size"].as_u64().context("a volume without a size")?;
            fs::File::create(directory.join(name))?.set_len(size)?;
        }
    }
    for _ in 0..runs {
        let timed = bed.action("list-backups", &[])?;
        let count = timed.text("count")?;
        ensure!(count == BACKUPS.to_string(), "{count} backups were listed");
        outcome.list.push(timed.dispatch.wall);
    }
    outcome.listed = BACKUPS;
    bed.action("delete-backup", &[("backup-id", id)])?;
    for number in 1..BACKUPS {
        fs::remove_dir_all(bed.backup(&format!("backup-20260102000000{number:06}")))?;
    }
    ensure!(bed.shelf().ends_with(demo::SERVER), "not our shelf");
    Ok(())
}
