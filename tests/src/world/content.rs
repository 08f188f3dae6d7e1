//! What a server holds that its users would miss: the same before and after, or not.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::World;
use crate::parts;

const PROGRAM: &str = include_str!("content.py");
const DATABASE: &str = "homeserver.db";

/// A digest of all that a restore replaces: keys, secrets, media, and the database by what is in its tables.
///
/// What Synapse changes by itself, such as when something was last used, is not in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    files: BTreeMap<String, String>,
    tables: BTreeMap<String, String>,
}

impl Content {
    /// Reads a data directory. Whether Synapse runs on it makes no difference, and it is left as it is.
    pub fn of(data: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(data).context("failed to list the data")? {
            let path = entry?.path();
            let name = name(&path);
            if name.ends_with(".signing.key") || name.ends_with(".secret") {
                files.insert(name, digest(&path)?);
            }
        }
        let media = data.join("media");
        if media.is_dir() {
            for entry in fs::read_dir(&media)? {
                let path = entry?.path();
                if name(&path).starts_with("local_") {
                    below(&path, &name(&path), &mut files)?;
                }
            }
        }
        let tables = match data.join(DATABASE).exists() {
            true => tables(data)?,
            false => BTreeMap::new(),
        };
        Ok(Self { files, tables })
    }

    /// What differs from another, by name.
    pub fn difference(&self, other: &Self) -> Vec<String> {
        let all = |content: &Self| {
            let entries = content.files.iter().chain(&content.tables);
            let entries = entries.map(|(name, digest)| (name.clone(), digest.clone()));
            entries.collect::<BTreeMap<String, String>>()
        };
        let (ours, theirs) = (all(self), all(other));
        let names = ours.keys().chain(theirs.keys());
        let mut names: Vec<String> = names
            .filter(|name| ours.get(*name) != theirs.get(*name))
            .cloned()
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |entries: &BTreeMap<String, String>| {
            let mut digest = Sha256::new();
            for (name, entry) in entries {
                digest.update(format!("{name} {entry}\n"));
            }
            hex(&digest.finalize())[..8].to_owned()
        };
        let (files, tables) = (whole(&self.files), whole(&self.tables));
        write!(
            formatter,
            "{} files {files}, database {tables}",
            self.files.len()
        )
    }
}

impl World {
    /// What a unit's server holds now.
    pub fn content(&self, unit: &str) -> Result<Content> {
        Content::of(&self.data(unit)?)
    }
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn below(directory: &Path, called: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let called = format!("{called}/{}", name(&path));
        match path.is_dir() {
            true => below(&path, &called, files)?,
            false => drop(files.insert(called, digest(&path)?)),
        }
    }
    Ok(())
}

fn tables(data: &Path) -> Result<BTreeMap<String, String>> {
    // While somebody has the database open there is a file of shared memory, and reading beside him changes nothing.
    // Else a reader would leave files of its own there, so it reads a copy.
    let copy = match data.join(format!("{DATABASE}-shm")).exists() {
        true => None,
        false => Some(copy(data)?),
    };
    let directory = copy.as_ref().map_or(data, TempDir::path);
    let mut python = Command::new(parts::synapse()?.join("bin/python3"))
        .args(["-B", "-"])
        .arg(directory.join(DATABASE))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("failed to start Python")?;
    python
        .stdin
        .take()
        .context("no standard input")?
        .write_all(PROGRAM.as_bytes())?;
    let output = python.wait_with_output()?;
    ensure!(
        output.status.success(),
        "the database in {} cannot be read: {}",
        data.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("an answer that is no JSON")
}

fn copy(data: &Path) -> Result<TempDir> {
    let copy = tempfile::tempdir()?;
    for file in [DATABASE.to_owned(), format!("{DATABASE}-wal")] {
        match fs::copy(data.join(&file), copy.path().join(&file)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("failed to copy {file}"));
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(copy)
}

fn digest(path: &Path) -> Result<String> {
    let content = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(hex(&Sha256::digest(content)))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
