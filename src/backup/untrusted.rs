//! The documents that lie in a bucket, as bytes of any kind: for the fuzz targets in `tests/fuzz`, and for the test that
//! plays their corpus. It is in no program.

use jiff::Timestamp;

use super::catalogue::{FailedRun, is_ours};
use super::format::Inventory;
use super::proof::read_any as read_proof;
use super::{BackupId, Manifest, Owner, lease};

/// The backup whose documents the seeds are.
const ID: &str = "backup-20261121120405000678";

fn id() -> Option<BackupId> {
    BackupId::parse(ID).ok()
}

/// A clear manifest.
pub fn manifest(bytes: &[u8]) {
    let Some(id) = id() else { return };
    if let Ok(manifest) = Manifest::read(bytes, &id) {
        assert_eq!(manifest.id, id);
        for volume in &manifest.volumes {
            assert!(is_ours(&volume.key), "{}", volume.key);
        }
        assert!(manifest.write().is_ok());
    }
}

/// An inventory, once its message was opened.
pub fn inventory(bytes: &[u8]) {
    let Some(id) = id() else { return };
    let mut shown = 0_u64;
    if let Ok(inventory) = Inventory::read(bytes, &id, |_| shown += 1) {
        assert_eq!((&inventory.id, inventory.members.count), (&id, shown));
        for volume in &inventory.volumes {
            assert!(is_ours(&volume.key), "{}", volume.key);
        }
    }
}

/// The small documents: lease, owner, proof, failure.
pub fn document(bytes: &[u8]) {
    let Some(id) = id() else { return };
    lease::read_any(bytes, Timestamp::UNIX_EPOCH);
    if let Ok(owner) = Owner::read(bytes) {
        let shown = owner.to_string();
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        assert!(shown.chars().count() < 500, "{}", shown.len());
    }
    read_proof(bytes, &id);
    if let Ok(run) = FailedRun::read(bytes, &id) {
        assert!(run.reason.chars().count() <= 2001 && run.unit.chars().count() <= 81);
    }
}

/// A name that a listing shows.
pub fn key(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(id) = BackupId::parse(&text) {
        assert_eq!(id.as_str(), text);
    }
    if is_ours(&text) {
        assert!(
            text.starts_with("backup-") && !text.contains("/../") && text.matches('/').count() <= 1
        );
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::path::Path;

    /// Plays the seeds of a fuzz target.
    fn play(target: &str, read: fn(&[u8])) {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        let mut played = 0;
        for entry in fs::read_dir(seeds.join(target)).unwrap() {
            read(&fs::read(entry.unwrap().path()).unwrap());
            played += 1;
        }
        assert!(played > 2, "{target} has {played} seeds");
    }

    #[test]
    fn seeds_of_the_fuzz_targets_are_read_without_a_panic() {
        play("manifest", super::manifest);
        play("inventory", super::inventory);
        play("document", super::document);
        play("key", super::key);
    }
}
