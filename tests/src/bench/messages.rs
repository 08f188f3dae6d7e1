//! One large OpenPGP message, sealed by `dispatch` and opened by `gpg`, and the other way.
//!
//! The message is a backup's largest volume. `gpg` opens it and seals the same bytes again; then the documents of the backup are
//! made to name the new message, which anybody can do who has the passphrase, and `dispatch` restores it.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::peer::{end_agent, gpg};
use super::process::{self, Reading};
use crate::forge::key_packet;

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
        let mut manifest = read(&self.object(MANIFEST))?;
        let (at, name) = largest(&manifest)?;
        let opened = self.gpg(&["-d"], &self.object(&name), &tar)?;
        let sealed = self.symmetric(&tar, &name)?;
        let volume = Facts::of(&self.object(&name))?;
        volume.tell(&mut manifest["volumes"][at]);
        let volumes = manifest["volumes"].as_array().into_iter().flatten();
        let size: u64 = volumes.filter_map(|volume| volume["size"].as_u64()).sum();
        manifest["size"] = json!(size);
        let manifest = serde_json::to_vec(&manifest)?;
        fresh(&self.object(MANIFEST))?.write_all(&manifest)?;

        self.gpg(&["-d"], &self.object(INVENTORY), &list)?;
        let mut inventory = read(&list)?;
        volume.tell(&mut inventory["volumes"][at]);
        inventory["manifest-sha256"] = json!(hex(&Sha256::digest(&manifest)));
        fresh(&list)?.write_all(&serde_json::to_vec(&inventory)?)?;
        self.symmetric(&list, INVENTORY)?;
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

/// What the documents say of a volume's object.
struct Facts {
    size: u64,
    key_packet: usize,
    sha256: String,
}

impl Facts {
    fn of(path: &Path) -> Result<Self> {
        let mut file = File::open(path)?;
        let mut head = [0; 2];
        file.read_exact(&mut head)?;
        let key_packet = key_packet(&head)?;
        file.seek(SeekFrom::Start(key_packet as u64))?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => digest.update(&buffer[..read]),
            }
        }
        Ok(Self {
            size: file.metadata()?.len(),
            key_packet,
            sha256: hex(&digest.finalize()),
        })
    }

    fn tell(&self, entry: &mut Value) {
        entry["size"] = json!(self.size);
        entry["key-packet"] = json!(self.key_packet);
        entry["sha256"] = json!(self.sha256);
    }
}

/// The largest volume of a backup: its number in the list, and the name of its object.
fn largest(manifest: &Value) -> Result<(usize, String)> {
    let volumes = manifest["volumes"].as_array().context("no volumes")?;
    let sizes = volumes.iter().map(|volume| volume["size"].as_u64());
    let largest = sizes.enumerate().max_by_key(|(_, size)| *size);
    let (at, _) = largest.context("no volume")?;
    let key = volumes[at]["key"].as_str();
    let (_, name) = key.and_then(|key| key.split_once('/')).context("no key")?;
    Ok((at, name.to_owned()))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// A new file in the place of an old one: the server had noted the old one's checksum with it.
fn fresh(path: &Path) -> Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(File::create(path)?),
    }
}
