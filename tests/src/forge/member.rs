//! Members of tar archives, written byte by byte: no program that means well would write some of them.

use anyhow::{Result, bail};
use serde_json::{Value, json};

/// Synapse's number in the stock image.
const OWNER: u64 = 991;

/// One member, as it stands in the archive and as the inventory lists it.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its kind as tar writes it: `0` a file, `5` a directory, `2` a symbolic link, and so on.
    pub kind: u8,
    /// Where it points, for links.
    pub target: String,
    /// Its mode.
    pub mode: u32,
    /// What it holds.
    pub content: Vec<u8>,
    /// The size that its header claims.
    pub claims: u64,
}

impl Member {
    /// A plain file.
    pub fn file(name: &str, content: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            kind: b'0',
            target: String::new(),
            mode: 0o600,
            content: content.to_vec(),
            claims: content.len() as u64,
        }
    }

    /// A member of another kind, which points somewhere or not.
    pub fn of_kind(kind: u8, name: &str, target: &str) -> Self {
        Self {
            kind,
            target: target.to_owned(),
            ..Self::file(name, b"")
        }
    }

    /// The same with another mode.
    #[must_use]
    pub fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    /// The same, claiming another size.
    #[must_use]
    pub fn claiming(self, claims: u64) -> Self {
        Self { claims, ..self }
    }

    /// Writes it at the end of an archive.
    pub fn append(&self, archive: &mut Vec<u8>) {
        archive.extend(self.header());
        archive.extend(&self.content);
        let padded = archive.len().next_multiple_of(512);
        archive.resize(padded, 0);
    }

    /// Its header alone, in the format of GNU tar.
    pub fn header(&self) -> [u8; 512] {
        let mut header = [0; 512];
        put(&mut header[..100], self.name.as_bytes());
        put(
            &mut header[100..108],
            format!("{:07o}", self.mode).as_bytes(),
        );
        put(&mut header[108..116], format!("{OWNER:07o}").as_bytes());
        put(&mut header[116..124], format!("{OWNER:07o}").as_bytes());
        match format!("{:011o}", self.claims) {
            octal if octal.len() == 11 => put(&mut header[124..136], octal.as_bytes()),
            // Too large for digits: in binary, as GNU tar does.
            _ => {
                header[124] = 0x80;
                header[128..136].copy_from_slice(&self.claims.to_be_bytes());
            }
        }
        put(&mut header[136..148], b"15200000000");
        header[148..156].fill(b' ');
        header[156] = self.kind;
        put(&mut header[157..257], self.target.as_bytes());
        put(&mut header[257..265], b"ustar  ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        put(&mut header[148..156], format!("{sum:06o}\0 ").as_bytes());
        header
    }

    /// What the inventory says of it. The inventory has no word for most of what is forged: it says that it is a file.
    pub(super) fn listed(&self) -> Value {
        let directory = self.kind == b'5';
        let mut entry = json!({
            "path": self.name.trim_end_matches('/'),
            "kind": if directory { "directory" } else { "file" },
            "size": self.claims,
            "mode": self.mode & 0o1777,
            "uid": OWNER,
            "gid": OWNER,
            "mtime": 0o15_200_000_000_u64,
        });
        if !directory {
            entry["sha256"] = json!(super::hex(&self.content));
        }
        entry
    }
}

fn put(field: &mut [u8], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

/// A member of an inventory as it is written: its keys have an order, over which the digest goes.
pub(super) fn line(member: &Value) -> String {
    let keys = [
        "path", "kind", "size", "mode", "uid", "gid", "mtime", "sha256",
    ];
    let fields = keys.iter().filter_map(|key| {
        let value = member.get(key)?;
        Some(format!("\"{key}\":{value}"))
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// Where the members of an archive end and its end mark begins.
pub(super) fn end_of_members(archive: &[u8]) -> Result<usize> {
    let mut at = 0;
    while let Some(header) = archive.get(at..at + 512) {
        if header.iter().all(|byte| *byte == 0) {
            return Ok(at);
        }
        let digits = String::from_utf8_lossy(&header[124..135]).into_owned();
        let Ok(size) = usize::from_str_radix(digits.trim_matches(['\0', ' ']), 8) else {
            bail!("a member at {at} has the size {digits:?}");
        };
        at += 512 + size.next_multiple_of(512);
    }
    bail!("an archive without an end mark")
}
