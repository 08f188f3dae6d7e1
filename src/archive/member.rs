//! One member of an archive, and the rules it has to keep.

use std::fmt;
use std::io::Read;

use serde::{Deserialize, Serialize};
use tar::EntryType;

use super::ArchiveError;

/// A SHA-256 digest in lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sha256Hex(String);

impl Sha256Hex {
    /// Writes down a finished digest.
    pub fn from_digest(digest: &[u8]) -> Self {
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Display for Sha256Hex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a member is: nothing else is saved or unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A plain file.
    File,
    /// A directory.
    Directory,
}

/// A member that kept the rules.
///
/// The name is relative, has no empty, `.` or `..` part, and no part of it climbs; a directory's name ends in no slash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Name relative to the archive's root, for example `data/homeserver.db`.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes of content.
    pub size: u64,
    /// The nine permission bits and the sticky bit.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// Seconds since 1970 of the last change.
    pub mtime: u64,
    /// Digest of the content; absent for a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Hex>,
}

/// The rule that a refused member breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name starts at the root of the file system.
    #[error("its name is absolute")]
    Absolute,
    /// The name has a part `..`.
    #[error("its name climbs out of the directory")]
    Climbing,
    /// The name has no parts, or bytes that are not UTF-8 or not printable.
    #[error("its name cannot be read")]
    Unreadable,
    /// It is a link.
    #[error("it is a link (symbolic and hard links are not part of a backup)")]
    Link,
    /// It is a device, a FIFO or a socket.
    #[error("it is a device or a FIFO")]
    Device,
    /// It is of a kind that this program does not know, a sparse file for example.
    #[error("it is of the unknown kind {0:?}")]
    UnknownKind(char),
    /// It would run as another user.
    #[error("it has a set-user-id or set-group-id bit")]
    SetId,
}

impl Member {
    /// Reads a member's header and holds it to the rules.
    pub(super) fn judge<R: Read>(entry: &tar::Entry<'_, R>) -> Result<Self, ArchiveError> {
        let name = entry.path_bytes();
        let header = entry.header();
        let judged = || -> Result<_, Refusal> {
            let kind = kind(header.entry_type())?;
            let path = path(&name)?;
            let mode = header.mode().map_err(|_| Refusal::Unreadable)?;
            if kind == Kind::File && mode & 0o6000 != 0 {
                return Err(Refusal::SetId);
            }
            Ok((kind, path, mode & 0o1777))
        };
        let (kind, path, mode) = judged().map_err(|refusal| ArchiveError::Refused {
            name: String::from_utf8_lossy(&name).into_owned(),
            refusal,
        })?;
        Ok(Self {
            path,
            kind,
            size: entry.size(),
            mode,
            uid: header.uid().map_err(ArchiveError::Read)?,
            gid: header.gid().map_err(ArchiveError::Read)?,
            mtime: header.mtime().map_err(ArchiveError::Read)?,
            sha256: None,
        })
    }
}

fn kind(entry_type: EntryType) -> Result<Kind, Refusal> {
    match entry_type {
        EntryType::Regular | EntryType::Continuous => Ok(Kind::File),
        EntryType::Directory => Ok(Kind::Directory),
        EntryType::Link | EntryType::Symlink => Err(Refusal::Link),
        EntryType::Char | EntryType::Block | EntryType::Fifo => Err(Refusal::Device),
        other => Err(Refusal::UnknownKind(char::from(other.as_byte()))),
    }
}

fn path(name: &[u8]) -> Result<String, Refusal> {
    let name = std::str::from_utf8(name).map_err(|_| Refusal::Unreadable)?;
    if name.chars().any(char::is_control) {
        return Err(Refusal::Unreadable);
    }
    if name.starts_with('/') {
        return Err(Refusal::Absolute);
    }
    let parts: Vec<&str> = name
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.contains(&"..") {
        return Err(Refusal::Climbing);
    }
    if parts.is_empty() {
        return Err(Refusal::Unreadable);
    }
    Ok(parts.join("/"))
}
