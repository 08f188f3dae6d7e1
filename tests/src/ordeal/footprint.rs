//! What must stay as it is when nothing is done to a server: cheap to look at, however often.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::scene::{Scene, UNIT};
use crate::pod::Process;

/// What Synapse and the charm themselves change while nothing is done to the server.
const LIVELY: [&str; 2] = ["homeserver.db", "homeserver.log"];

/// A running Synapse, and every file of its data by inode, size and time; what Synapse writes all the time only by inode.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Footprint {
    synapse: Process,
    files: BTreeMap<String, (u64, u64, i64)>,
}

impl Scene {
    /// Looks at the server.
    pub(super) fn footprint(&self) -> Result<Footprint> {
        let mut files = BTreeMap::new();
        collect(&self.world.data(UNIT)?, &mut files)?;
        // Made by the first restore, and kept; and volumes that were whole, for the next restore.
        let kept = |path: &str| {
            path.ends_with("/.synapse-operator") || path.contains("/.synapse-operator/staging")
        };
        files.retain(|path, _| !kept(path));
        Ok(Footprint {
            synapse: self.world.synapse(UNIT)?,
            files,
        })
    }

    /// Puts a file into the bucket in the place of what was there, or takes it away, as nobody can who goes through the
    /// store: it keeps no checksum of it.
    pub(super) fn lay_down(&self, path: &Path, bytes: Option<&[u8]>) -> Result<()> {
        if path.exists() {
            fs::remove_file(path)?;
        }
        if let Some(bytes) = bytes {
            fs::write(path, bytes).with_context(|| path.display().to_string())?;
        }
        self.store()?.forget_checksum(path);
        Ok(())
    }
}

fn collect(directory: &Path, files: &mut BTreeMap<String, (u64, u64, i64)>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        // Of the database's own helpers even the inode is Synapse's affair.
        if name.starts_with("homeserver.db-") {
            continue;
        }
        let facts = entry.metadata()?;
        let seen = match LIVELY.contains(&name.as_ref()) {
            true => (facts.ino(), 0, 0),
            false if facts.is_dir() => (facts.ino(), 0, 0),
            false => (facts.ino(), facts.size(), facts.mtime()),
        };
        files.insert(path.display().to_string(), seen);
        if facts.is_dir() {
            collect(&path, files)?;
        }
    }
    Ok(())
}
