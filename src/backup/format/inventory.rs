//! The sealed inventory: every member of a backup, written and read as a stream.
//!
//! A server has as many members as it has media files, so neither side ever holds them all. Instead of comparing member
//! by member, a digest over the members in their order stands at the end: the restore digests what it unpacks
//! the same way, and the two must be equal.

mod read;

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Database, FormatError, VERSION, Volume, check_place, check_preamble};
use crate::archive::{Member, Sha256Hex};
use crate::backup::{BackupId, Scope};

const FORMAT: &str = "synapse-operator-inventory";

/// What the inventory says before it comes to the members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::backup) struct InventoryHeader {
    /// The backup's name.
    pub id: BackupId,
    /// The Matrix server it is a backup of.
    pub server_name: String,
    /// Version of Synapse that ran, when it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synapse_version: Option<String>,
    /// The database in it, or that it goes with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    /// The parts of the data directory that it was made of.
    pub places: Scope,
}

/// What the inventory says behind the members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backup) struct Closing {
    /// The archives that the members are in, in their order.
    pub volumes: Vec<Volume>,
    /// What changed while it was read, by name.
    pub notes: Vec<String>,
    /// What is wrong with the media, by name.
    pub media: Option<MediaFindings>,
    /// Digest of the manifest's very bytes.
    pub manifest: Sha256Hex,
}

/// What is wrong with the media of a backup, by name; no more of each than a page takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaFindings {
    /// Media that the database knows and that have no file.
    #[serde(default)]
    pub missing: Vec<String>,
    /// Files that no row of the database knows.
    #[serde(default)]
    pub surplus: Vec<String>,
    /// Files of another length or digest than the database says.
    #[serde(default)]
    pub wrong: Vec<String>,
}

/// A digest over members in their order.
#[derive(Default)]
pub(in crate::backup) struct MemberDigest {
    digest: Sha256,
    members: u64,
    content: u64,
}

/// What a digest over members came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backup) struct Members {
    /// How many.
    pub count: u64,
    /// Bytes of file contents.
    pub content: u64,
    /// SHA-256 over the members' JSON, a line each.
    pub sha256: Sha256Hex,
}

/// Writes an inventory while the archive passes.
pub(in crate::backup) struct InventoryWriter<W: Write> {
    out: W,
    members: MemberDigest,
}

/// An inventory that was read to its end.
///
/// Its volumes' names are plain file names, each another one, and its volumes hold as many members and bytes of content
/// as it lists. Its members' names keep the rules of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backup) struct Inventory {
    /// The backup's name.
    pub id: BackupId,
    /// The Matrix server it is a backup of.
    pub server_name: String,
    /// Version of Synapse that ran, when it was known.
    pub synapse_version: Option<String>,
    /// The database in it, or that it goes with.
    pub database: Option<Database>,
    /// The parts of the data directory that it was made of.
    pub places: Scope,
    /// What the members come to.
    pub members: Members,
    /// The archives they are in.
    pub volumes: Vec<Volume>,
    /// What changed while it was read, by name.
    pub notes: Vec<String>,
    /// What is wrong with the media, by name.
    pub media: Option<MediaFindings>,
    /// Digest of the bytes of the manifest that it was sealed with.
    pub manifest: Sha256Hex,
}

impl MemberDigest {
    /// Adds the next member and returns its JSON.
    pub(in crate::backup) fn add(&mut self, member: &Member) -> io::Result<Vec<u8>> {
        let line = serde_json::to_vec(member)?;
        self.digest.update(&line);
        self.digest.update(b"\n");
        self.members += 1;
        self.content = self.content.saturating_add(member.size);
        Ok(line)
    }

    pub(in crate::backup) fn finish(self) -> Members {
        Members {
            count: self.members,
            content: self.content,
            sha256: Sha256Hex::from_digest(&self.digest.finalize()),
        }
    }
}

impl<W: Write> InventoryWriter<W> {
    /// Begins an inventory.
    pub(in crate::backup) fn begin(mut out: W, header: &InventoryHeader) -> io::Result<Self> {
        #[derive(Serialize)]
        struct Opening<'a> {
            format: &'static str,
            version: u32,
            #[serde(flatten)]
            header: &'a InventoryHeader,
        }
        let opening = serde_json::to_string(&Opening {
            format: FORMAT,
            version: VERSION,
            header,
        })?;
        // The document stays open: its closing brace is written by `finish`.
        write!(
            out,
            "{},\n\"members\":[",
            opening.strip_suffix('}').unwrap_or(&opening)
        )?;
        let members = MemberDigest::default();
        Ok(Self { out, members })
    }

    /// Notes one member.
    pub(in crate::backup) fn add(&mut self, member: &Member) -> io::Result<()> {
        let separator: &[u8] = if self.members.members == 0 {
            b"\n"
        } else {
            b",\n"
        };
        let line = self.members.add(member)?;
        self.out.write_all(separator)?;
        self.out.write_all(&line)
    }

    /// Ends the inventory; gives back what it was written to.
    pub(in crate::backup) fn finish(mut self, closing: &Closing) -> io::Result<W> {
        let members = std::mem::take(&mut self.members).finish();
        write!(self.out, "\n]")?;
        self.field("volumes", &closing.volumes)?;
        if !closing.notes.is_empty() {
            self.field("notes", &closing.notes)?;
        }
        if let Some(media) = &closing.media {
            self.field("media", media)?;
        }
        self.field("members-sha256", &members.sha256)?;
        self.field("manifest-sha256", &closing.manifest)?;
        writeln!(self.out, "}}")?;
        Ok(self.out)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> io::Result<()> {
        let value = serde_json::to_string(value)?;
        write!(self.out, ",\n\"{name}\":{value}")
    }
}

impl Inventory {
    /// Reads the inventory of backup `id` in constant memory, and shows each member as it comes.
    ///
    /// What is shown counts for nothing before the inventory was read to its end, and its message too.
    pub(in crate::backup) fn read(
        source: impl Read,
        id: &BackupId,
        each: impl FnMut(&Member),
    ) -> Result<Self, FormatError> {
        let malformed = |source| FormatError::Malformed {
            document: "inventory",
            source,
        };
        let document = read::document(source, each).map_err(malformed)?;
        check_preamble("inventory", FORMAT, &document.format, document.version)?;
        let inventory = document.inventory;
        check_place("inventory", &inventory.id, id)?;
        let fault = |text| malformed(serde::de::Error::custom(text));
        if document.members_sha256 != inventory.members.sha256 {
            return Err(fault("the digest over the members is not theirs"));
        }
        match inventory.fault() {
            Some(text) => Err(fault(text)),
            None => Ok(inventory),
        }
    }

    /// What is wrong with the volumes, if anything is.
    fn fault(&self) -> Option<&'static str> {
        let mut names = std::collections::BTreeSet::new();
        let (mut members, mut content) = (0_u64, 0_u64);
        for volume in &self.volumes {
            if !volume.is_named_plainly() || !names.insert(volume.name()) {
                return Some("a volume has no name of its own");
            }
            members = members.saturating_add(volume.members);
            content = content.saturating_add(volume.content);
        }
        let listed = (self.members.count, self.members.content);
        ((members, content) != listed).then_some("the volumes hold other members than it lists")
    }
}
