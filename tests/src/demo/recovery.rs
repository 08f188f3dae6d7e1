//! A backup opened by hand, as `docs/how-to/recover-by-hand.md` says: with stock `gpg` and `tar` and nothing of ours.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::parts;
use crate::pod::Pod;
use crate::world::World;

/// A place with a passphrase and a keyring of its own.
#[derive(Debug)]
pub(super) struct Recovery<'a> {
    world: &'a World,
    directory: PathBuf,
}

/// What was recovered: names as in `data/homeserver.db`, and digests.
pub(super) type Recovered = BTreeMap<String, String>;

impl<'a> Recovery<'a> {
    /// Prepares a directory that holds the passphrase.
    pub(super) fn begin(world: &'a World, passphrase: &str) -> Result<Self> {
        parts::machine_program("gpg", "gnupg")?;
        let directory = world.path("recovery");
        for room in ["gnupg", "root"] {
            fs::create_dir_all(directory.join(room))?;
        }
        fs::set_permissions(directory.join("gnupg"), fs::Permissions::from_mode(0o700))?;
        fs::write(directory.join("passphrase"), format!("{passphrase}\n"))?;
        Ok(Self { world, directory })
    }

    /// Fetches, decrypts and unpacks a backup, and returns what was in it, each file as its inventory promises.
    pub(super) fn unpack(&self, backup: &Path) -> Result<Recovered> {
        self.run(&["cp", "-r", &backup.display().to_string(), "backup"])?;
        let volumes = volumes(&self.directory.join("backup"))?;
        ensure!(!volumes.is_empty(), "the backup has no volume");
        for volume in &volumes {
            // Two steps and no pipe: gpg writes before it knows that the message is whole.
            self.decrypt(&format!("backup/{volume}.gpg"), volume)?;
            self.run(&["tar", "-x", "-C", "root", "-f", volume])?;
        }
        self.decrypt("backup/inventory.json.gpg", "inventory.json")?;
        let inventory: Value =
            serde_json::from_slice(&fs::read(self.directory.join("inventory.json"))?)?;
        let promised = promised(&inventory);
        let found = digests(&self.directory.join("root"))?;
        ensure!(
            promised == found,
            "the inventory promises {promised:?}, recovered was {found:?}"
        );
        Ok(found)
    }

    /// Compares what was recovered with what the pod has now, file by file; the live database alone has changed since.
    pub(super) fn compare(&self, recovered: &Recovered, pod: &Pod) -> Result<()> {
        let data = pod.workload_host_path(Path::new("/data"));
        for name in recovered
            .keys()
            .filter(|name| !name.ends_with("homeserver.db"))
        {
            let live = data.join(name.strip_prefix("data/").unwrap_or(name));
            let live = fs::read(&live)
                .with_context(|| format!("{} is not on the server", live.display()))?;
            ensure!(
                live == fs::read(self.directory.join("root").join(name))?,
                "{name} differs from the server's"
            );
        }
        for needed in ["homeserver.db", ".signing.key", "media/local_content/"] {
            ensure!(
                recovered.keys().any(|name| name.contains(needed)),
                "no {needed} among {:?}",
                recovered.keys()
            );
        }
        let live = digests(&data.join("media"))?;
        let lost: Vec<_> = live
            .keys()
            .filter(|name| !recovered.contains_key(&format!("data/media/{name}")))
            .collect();
        ensure!(lost.is_empty(), "the backup lacks media: {lost:?}");
        Ok(())
    }

    fn decrypt(&self, message: &str, output: &str) -> Result<()> {
        self.run(&[
            "gpg",
            "--homedir",
            "gnupg",
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase-file",
            "passphrase",
            "--output",
            output,
            "--decrypt",
            message,
        ])
    }

    fn run(&self, words: &[&str]) -> Result<()> {
        self.world.run(&self.directory, words)?.success().map(drop)
    }
}

impl Drop for Recovery<'_> {
    fn drop(&mut self) {
        // gpg leaves an agent running for its home.
        let home = self.directory.join("gnupg");
        let _ = std::process::Command::new("gpgconf")
            .arg("--homedir")
            .arg(home)
            .args(["--kill", "gpg-agent"])
            .output();
    }
}

/// The names of the volumes, decrypted, in order.
fn volumes(backup: &Path) -> Result<Vec<String>> {
    let mut volumes = Vec::new();
    for entry in fs::read_dir(backup)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        volumes.extend(
            name.strip_suffix(".gpg")
                .filter(|name| name.starts_with("volume-"))
                .map(str::to_owned),
        );
    }
    volumes.sort();
    Ok(volumes)
}

/// The digests of all plain files that an inventory lists.
fn promised(inventory: &Value) -> Recovered {
    let members = inventory["members"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    members
        .iter()
        .filter_map(|member| {
            Some((
                member["path"].as_str()?.to_owned(),
                member["sha256"].as_str()?.to_owned(),
            ))
        })
        .collect()
}

/// The digests of all files below a directory.
fn digests(top: &Path) -> Result<Recovered> {
    let mut found = Recovered::new();
    let mut directories = vec![top.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)
            .with_context(|| format!("failed to list {}", directory.display()))?
        {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                let digest = Sha256::digest(fs::read(entry.path())?);
                let name = entry
                    .path()
                    .strip_prefix(top)?
                    .to_string_lossy()
                    .into_owned();
                found.insert(
                    name,
                    digest.iter().map(|byte| format!("{byte:02x}")).collect(),
                );
            } else {
                bail!("{} is neither file nor directory", entry.path().display());
            }
        }
    }
    Ok(found)
}
