//! Backups that nobody made: real ones with an archive in them that their maker would never have written.
//!
//! They are sealed with the right passphrase by the real `gpg`, and their inventory and manifest name what is in the bucket,
//! so that a reader has no reason to refuse them but what is in the archive.

mod member;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use self::member::Member;
use crate::parts;

/// The one volume of a forged backup: the readers do not mind what lies in which.
const VOLUME: &str = "volume-0001.tar.gpg";
const INVENTORY: &str = "inventory.json.gpg";
const MANIFEST: &str = "manifest.json";

/// A workshop that has a real backup, opened.
#[derive(Debug)]
pub struct Forge {
    home: PathBuf,
    /// The directory of the bucket in which backups lie.
    shelf: PathBuf,
    id: String,
    inventory: Value,
    manifest: Value,
    /// The members of the real archives, one after the other, without an end mark.
    members: Vec<u8>,
    made: u64,
}

/// The two documents of a forged backup, to be made to lie.
#[derive(Debug)]
pub struct Documents {
    /// The inventory, before it is sealed. Its digest over the members is made afterwards.
    pub inventory: Value,
    /// The manifest.
    pub manifest: Value,
}

impl Forge {
    /// Opens a real backup in a directory of a bucket; `home` is for the files of `gpg`, and goes with the world.
    pub fn open(home: &Path, shelf: &Path, id: &str, passphrase: &str) -> Result<Self> {
        parts::machine_program("gpg", "gnupg")?;
        fs::create_dir_all(home)?;
        fs::set_permissions(home, fs::Permissions::from_mode(0o700))?;
        fs::write(home.join("passphrase"), format!("{passphrase}\n"))?;
        let mut forge = Self {
            home: home.to_owned(),
            shelf: shelf.to_owned(),
            id: id.to_owned(),
            inventory: Value::Null,
            manifest: serde_json::from_slice(&fs::read(shelf.join(id).join(MANIFEST))?)?,
            members: Vec::new(),
            made: 0,
        };
        let read = |name: &str| fs::read(shelf.join(id).join(name));
        let inventory = forge.gpg(&["--decrypt"], &read(INVENTORY)?)?;
        forge.inventory = serde_json::from_slice(&inventory)?;
        let volumes = forge.manifest["volumes"].as_array();
        let keys = volumes.into_iter().flatten();
        let keys: Vec<_> = keys.map(|volume| volume["key"].clone()).collect();
        for key in keys {
            let key = key.as_str().context("a volume without a key")?;
            let mut members = forge.gpg(&["--decrypt"], &fs::read(shelf.join(key))?)?;
            members.truncate(member::end_of_members(&members)?);
            forge.members.append(&mut members);
        }
        ensure!(!forge.members.is_empty(), "the backup has no volume");
        Ok(forge)
    }

    /// Makes a backup of all that is in the real one, and of these members after it.
    pub fn with(&mut self, members: &[Member]) -> Result<String> {
        let mut archive = self.members.clone();
        members
            .iter()
            .for_each(|member| member.append(&mut archive));
        archive.extend([0; 1024]);
        self.make(members, &archive, |_| ())
    }

    /// Makes a backup whose archive is these bytes, after all that is in the real one. Its inventory lists these members too.
    pub fn with_bytes(&mut self, members: &[Member], bytes: &[u8]) -> Result<String> {
        let archive = [&self.members[..], bytes].concat();
        self.make(members, &archive, |_| ())
    }

    /// Makes a backup whose documents say something else.
    pub fn lying(&mut self, lie: impl FnOnce(&mut Documents)) -> Result<String> {
        let archive = [&self.members[..], &[0; 1024]].concat();
        self.make(&[], &archive, lie)
    }

    fn make(
        &mut self,
        members: &[Member],
        archive: &[u8],
        lie: impl FnOnce(&mut Documents),
    ) -> Result<String> {
        self.made += 1;
        let id = format!("backup-20260101{:012}", self.made);
        let mut documents = Documents {
            inventory: self.inventory.clone(),
            manifest: self.manifest.clone(),
        };
        documents.inventory["id"] = json!(id);
        documents.manifest["id"] = json!(id);
        let list = documents.inventory["members"].as_array_mut();
        let list = list.context("an inventory without members")?;
        list.extend(members.iter().map(Member::listed));
        let count = list.len();
        let sizes = list.iter().filter_map(|member| member["size"].as_u64());
        let content: u64 = sizes.sum();

        let volume = self.gpg(&["--symmetric"], archive)?;
        let key_packet = key_packet(&volume)?;
        let entry = json!({
            "key": format!("{id}/{VOLUME}"),
            "size": volume.len(),
            "key-packet": key_packet,
            "sha256": hex(&volume[key_packet..]),
            "members": count,
            "content": content,
        });
        documents.inventory["volumes"] = json!([entry]);
        let fields = [
            ("volumes", json!([entry])),
            ("inventory", json!(format!("{id}/{INVENTORY}"))),
            ("size", json!(volume.len())),
            ("members", json!(count)),
            ("content", json!(content)),
        ];
        for (name, value) in fields {
            documents.manifest[name] = value;
        }
        lie(&mut documents);
        let manifest = serde_json::to_vec_pretty(&documents.manifest)?;
        documents.inventory["manifest-sha256"] = json!(hex(&manifest));
        let inventory = self.gpg(&["--symmetric"], written(&documents.inventory)?.as_bytes())?;

        let place = self.shelf.join(&id);
        fs::create_dir(&place).with_context(|| format!("failed to make {}", place.display()))?;
        fs::write(place.join(VOLUME), volume)?;
        fs::write(place.join(INVENTORY), inventory)?;
        fs::write(place.join(MANIFEST), manifest)?;
        Ok(id)
    }

    /// The name of the real backup.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn gpg(&self, words: &[&str], input: &[u8]) -> Result<Vec<u8>> {
        let mut gpg = Command::new("gpg")
            .env("GNUPGHOME", &self.home)
            .args(["--batch", "--yes", "--quiet", "--no-symkey-cache"])
            .args(["--cipher-algo", "AES256", "-z", "0"])
            .args(["--pinentry-mode", "loopback", "--passphrase-file"])
            .arg(self.home.join("passphrase"))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("failed to start gpg")?;
        let mut stdin = gpg.stdin.take().context("no standard input")?;
        let fed = std::thread::scope(|scope| {
            let feeding = scope.spawn(move || stdin.write_all(input));
            let output = gpg.wait_with_output();
            (feeding.join(), output)
        });
        let output = fed.1?;
        ensure!(
            output.status.success(),
            "gpg failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(output.stdout)
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        // gpg leaves an agent running for its home.
        let _ = Command::new("gpgconf")
            .env("GNUPGHOME", &self.home)
            .args(["--kill", "gpg-agent"])
            .output();
    }
}

/// The length of the packet at the head of a message, which holds what the passphrase opens: `gpg` writes its length in one
/// byte, in the old way or the new one.
pub(crate) fn key_packet(message: &[u8]) -> Result<usize> {
    match message {
        [0x8c | 0xc3, length @ 0..=191, ..] => Ok(2 + usize::from(*length)),
        _ => bail!("a message without a key packet: {:?}", message.get(..2)),
    }
}

/// The inventory as the format has it: a member a line, and a digest over the lines.
fn written(inventory: &Value) -> Result<String> {
    let mut head = inventory.clone();
    let fields = head
        .as_object_mut()
        .context("an inventory that is no object")?;
    let members = fields.remove("members").unwrap_or_default();
    let volumes = fields.remove("volumes").unwrap_or_default();
    fields.remove("members-sha256");
    let members = members.as_array().context("an inventory without members")?;
    let lines: Vec<String> = members.iter().map(member::line).collect();
    let digested: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let head = serde_json::to_string(&head)?;
    Ok(format!(
        "{},\n\"members\":[\n{}\n],\n\"volumes\":{volumes},\n\"members-sha256\":\"{}\"}}\n",
        head.strip_suffix('}').unwrap_or(&head),
        lines.join(",\n"),
        hex(digested.as_bytes())
    ))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
