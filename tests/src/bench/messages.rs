//! One large OpenPGP message, sealed by `dispatch` and opened by `gpg`, and the other way.
//!
//! The message is a backup's volume. `gpg` opens it and seals the same bytes again; then the documents of the backup are
//! made to name the new message, which anybody can do who has the passphrase, and `dispatch` restores it.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::peer::{end_agent, gpg};
use super::process::{self, Reading};

const VOLUME: &str = "volume-0001.tar.gpg";
const INVENTORY: &str = "inventory.json.gpg";
const MANIFEST: &str = "manifest.json";

/// How `gpg` fared with a backup's volume.
pub(super) struct Resealed {
    /// Bytes of plaintext.
    pub(super) bytes: u64,
    /// Opening what `dispatch` had sealed.
    pub(super) opened: Reading,
    /// Sealing it again.
    pub(super) sealed: Reading,
}

/// Puts a backup into `gpg`'s hands: its volume and inventory are what `gpg` sealed, with these options, afterwards.
pub(super) fn reseal(
    backup: &Path,
    scratch: &Path,
    passphrase: &str,
    options: &[&str],
) -> Result<Resealed> {
    fs::create_dir_all(scratch)?;
    fs::set_permissions(scratch, Permissions::from_mode(0o700))?;
    fs::write(scratch.join("passphrase"), format!("{passphrase}\n"))?;
    let resealed = Hands {
        backup,
        scratch,
        options,
    }
    .reseal();
    end_agent(scratch);
    fs::remove_dir_all(scratch)?;
    resealed
}

struct Hands<'a> {
    backup: &'a Path,
    scratch: &'a Path,
    options: &'a [&'a str],
}

impl Hands<'_> {
    fn reseal(&self) -> Result<Resealed> {
        let (tar, list) = (
            self.scratch.join("volume.tar"),
            self.scratch.join("inventory.json"),
        );
        let opened = self.gpg(&["-d"], &self.object(VOLUME), &tar)?;
        let sealed = self.symmetric(&tar, VOLUME)?;
        let volume = facts(&self.object(VOLUME))?;

        self.gpg(&["-d"], &self.object(INVENTORY), &list)?;
        rewrite(&list, |inventory| name_volume(inventory, &volume))?;
        self.symmetric(&list, INVENTORY)?;
        let inventory = facts(&self.object(INVENTORY))?;
        rewrite(&self.object(MANIFEST), |manifest| {
            name_volume(manifest, &volume);
            name(&mut manifest["inventory"], &inventory);
            manifest["size"] = json!(volume.0 + inventory.0);
        })?;
        Ok(Resealed {
            bytes: fs::metadata(&tar)?.len(),
            opened,
            sealed,
        })
    }

    fn object(&self, name: &str) -> PathBuf {
        self.backup.join(name)
    }

    fn symmetric(&self, plain: &Path, object: &str) -> Result<Reading> {
        self.gpg(
            &[self.options, &["--symmetric"]].concat(),
            plain,
            &self.object(object),
        )
    }

    /// Runs `gpg` from one file into another.
    fn gpg(&self, arguments: &[&str], from: &Path, into: &Path) -> Result<Reading> {
        let began = Instant::now();
        let mut command = gpg(self.scratch);
        command
            .args(arguments)
            .stdin(Stdio::from(File::open(from)?))
            .stdout(Stdio::from(fresh(into)?));
        let child = command.spawn().context("failed to start gpg")?;
        let readings = process::await_all(began, &mut [("gpg", child)])?;
        readings.first().copied().context("gpg was not timed")
    }
}

/// Size and digest of a file.
fn facts(path: &Path) -> Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut digest, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => {
                digest.update(&buffer[..read]);
                size += read as u64;
            }
        }
    }
    let hex = digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok((size, hex))
}

fn name_volume(document: &mut Value, facts: &(u64, String)) {
    name(&mut document["volumes"][0], facts);
}

fn name(entry: &mut Value, (size, sha256): &(u64, String)) {
    entry["size"] = json!(size);
    entry["sha256"] = json!(sha256);
}

fn rewrite(path: &Path, change: impl FnOnce(&mut Value)) -> Result<()> {
    let mut document = serde_json::from_slice(&fs::read(path)?)?;
    change(&mut document);
    Ok(fresh(path)?.write_all(&serde_json::to_vec(&document)?)?)
}

/// A new file in the place of an old one: the server had noted the old one's checksum with it.
fn fresh(path: &Path) -> Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(File::create(path)?),
    }
}
