//! One member of an archive, and the rules it has to keep.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Dialect;
use super::header::Header;

/// A SHA-256 digest in lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sha256Hex(String);

impl Sha256Hex {
    /// Digests some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_digest(&Sha256::digest(bytes))
    }

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
    /// Seconds since 1970 of the last change; before that, in two's complement.
    pub mtime: u64,
    /// Digest of the content; absent for a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Hex>,
}

/// The rule that a refused member breaks.
///
/// The first ones concern what is unpacked where. From [`Refusal::Pax`] on they concern how it is written: two programs
/// might read it in two ways, and the one that judges is not the one that unpacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name starts at the root of the file system.
    #[error("its name is absolute")]
    Absolute,
    /// The name has a part `..`.
    #[error("its name climbs out of the directory")]
    Climbing,
    /// The name has a part that is empty or `.`.
    #[error("its name has a part that leads nowhere")]
    Idle,
    /// The name is empty, or has bytes that are not UTF-8 or not printable.
    #[error("its name cannot be read")]
    Unreadable,
    /// The name is longer than any that a file system takes.
    #[error("its name is too long")]
    LongName,
    /// The name is none of those that a backup gives to its members.
    #[error("it lies outside the places that a backup has")]
    Outside,
    /// There are more members, or more bytes, than there should be.
    #[error("it is more than the inventory lists")]
    Surplus,
    /// It is a link.
    #[error("it is a link (symbolic and hard links are not part of a backup)")]
    Link,
    /// It is a device, a FIFO or a socket.
    #[error("it is a device or a FIFO")]
    Device,
    /// It is a file with holes, whose size and content are not what its header says.
    #[error("it is a sparse file")]
    Sparse,
    /// It is of a kind that this program does not know.
    #[error("it is of the unknown kind {0:?}")]
    UnknownKind(char),
    /// It would run as another user.
    #[error("it has a set-user-id or set-group-id bit")]
    SetId,
    /// It has a pax header: records that may overrule the header, or those of all members that follow.
    #[error("it has a pax header, which an archive of GNU tar's own format has not")]
    Pax,
    /// Its header is of another format, or uses fields that GNU tar leaves empty.
    #[error("its header is not of GNU tar's own format")]
    Format,
    /// The sum over its header is another one.
    #[error("its header has a wrong checksum")]
    Checksum,
    /// A number in its header is not plainly one, or is too large.
    #[error("its {0} is not a plain number")]
    Number(&'static str),
    /// It is a file that ends in a slash, or a directory with content.
    #[error("its kind does not go with its name and size")]
    Mismatched,
    /// Two long names stand before one header.
    #[error("it has two names")]
    TwoNames,
    /// A long name is followed by the end of the archive.
    #[error("it has a name and no header")]
    Headless,
}

impl Member {
    /// Holds a member of this kind and name to the rules.
    pub(super) fn judge(
        dialect: Dialect,
        kind: Kind,
        name: &[u8],
        header: &Header<'_>,
    ) -> Result<Self, Refusal> {
        let name = dialect.relative(name);
        let slash = name.len() > 1 && name.ends_with(b"/");
        let path = path(name)?;
        let fits = match kind {
            Kind::File => !slash,
            Kind::Directory => header.size == 0,
        };
        if !fits {
            return Err(Refusal::Mismatched);
        }
        if kind == Kind::File && header.mode & 0o6000 != 0 {
            return Err(Refusal::SetId);
        }
        Ok(Self {
            path,
            kind,
            size: header.size,
            mode: header.mode & 0o1777,
            uid: header.uid,
            gid: header.gid,
            mtime: header.mtime.cast_unsigned(),
            sha256: None,
        })
    }

    /// Whether a member that was read from elsewhere is one that an archive could have had.
    pub fn keeps_the_rules(&self) -> bool {
        let digested = match self.kind {
            Kind::File => self.sha256.is_some(),
            Kind::Directory => self.sha256.is_none() && self.size == 0,
        };
        let named = path(self.path.as_bytes()).is_ok_and(|path| path == self.path);
        digested && named && self.mode & !0o1777 == 0
    }
}

/// The name without the slash at a directory's end.
fn path(name: &[u8]) -> Result<String, Refusal> {
    let name = std::str::from_utf8(name).map_err(|_| Refusal::Unreadable)?;
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Refusal::Unreadable);
    }
    if name.starts_with('/') {
        return Err(Refusal::Absolute);
    }
    let path = name.strip_suffix('/').unwrap_or(name);
    for part in path.split('/') {
        match part {
            ".." => return Err(Refusal::Climbing),
            "" | "." => return Err(Refusal::Idle),
            _ => (),
        }
    }
    Ok(path.to_owned())
}
