//! The part of the story in which backups are kept, pruned and protected.

use anyhow::{Result, ensure};

use super::{Story, expect, field};

impl Story<'_> {
    /// Makes a few more backups, and deletes those that a policy does not keep.
    pub(super) fn prune(&self) -> Result<()> {
        let on_leader = |words: &[&str]| self.juju(&[&["run", "synapse/leader"], words].concat());
        let made = |words: &[&str]| field(&on_leader(words)?, "backup-id");
        self.head("Make a few more, one of them to be kept");
        let kept = made(&["create-backup", "label=before the upgrade", "tags=manual"])?;
        let kept = format!("backup-id={kept}");
        on_leader(&[
            "protect-backup",
            &kept,
            "reason=until the upgrade is through",
        ])?;
        let surplus = made(&["create-backup"])?;
        made(&["create-backup"])?;

        self.head("Keep the right ones");
        self.juju(&["config", "synapse", "backup_retention=last=1"])?;
        let plan = on_leader(&["prune-backups", "dry-run=true"])?;
        for reason in ["protected", "no rule keeps it", "the newest, last=1"] {
            expect(&plan, reason)?;
        }
        expect(&on_leader(&["prune-backups"])?, "deleted:")?;
        let left = on_leader(&["list-backups", "order=newest", "format=table"])?;
        ensure!(
            !left.contains(&surplus),
            "{surplus} was not pruned:\n{left}"
        );
        expect(&left, "before the upgrade")?;
        on_leader(&["delete-backup", "backup-id=latest"])?;
        on_leader(&["unprotect-backup", &kept])?;
        on_leader(&["delete-backup", &kept]).map(drop)
    }
}
