//! A charm archive read back, as Juju's reader and unpacker would meet it.

use std::io::{Cursor, Read};

use anyhow::{Context, Result, ensure};
use zip::ZipArchive;

/// The most that one member may hold, far above any charm of ours.
const MEMBER_LIMIT: u64 = 256 << 20;

/// One file of the archive.
#[derive(Debug)]
pub struct Member {
    /// The name as it stands in the zip directory, not cleaned.
    pub name: String,
    /// The mode with its file type bits, or nothing when the archive was not made by unix.
    pub mode: Option<u32>,
    /// What the file holds; for a symbolic link, its target.
    pub contents: Vec<u8>,
    /// The time of last modification, as year, month, day, hour, minute, second.
    pub modified: Option<(u16, u8, u8, u8, u8, u8)>,
}

impl Member {
    /// The permission bits, without the file type.
    pub fn permissions(&self) -> Option<u32> {
        self.mode.map(|mode| mode & 0o7777)
    }

    /// The bits that tell what kind of file this is.
    pub(super) fn kind(&self) -> u32 {
        self.mode.unwrap_or(0) & 0o170_000
    }
}

/// All members of a charm archive, in the order of the zip directory.
#[derive(Debug)]
pub struct Archive {
    members: Vec<Member>,
}

impl Archive {
    /// Reads a whole archive from memory.
    pub fn read(bytes: &[u8]) -> Result<Archive> {
        let mut zip = ZipArchive::new(Cursor::new(bytes)).context("not a zip archive")?;
        let mut members = Vec::with_capacity(zip.len());
        for index in 0..zip.len() {
            let file = zip.by_index(index).context("unreadable zip member")?;
            let name = file
                .name()
                .context("unreadable name of a zip member")?
                .into_owned();
            let mode = file.unix_mode();
            let modified = file.last_modified().map(|t| {
                (
                    t.year(),
                    t.month(),
                    t.day(),
                    t.hour(),
                    t.minute(),
                    t.second(),
                )
            });
            let mut contents = Vec::new();
            file.take(MEMBER_LIMIT + 1)
                .read_to_end(&mut contents)
                .with_context(|| format!("unreadable zip member {name}"))?;
            ensure!(
                contents.len() as u64 <= MEMBER_LIMIT,
                "{name} holds more than {MEMBER_LIMIT} bytes"
            );
            members.push(Member {
                name,
                mode,
                contents,
                modified,
            });
        }
        Ok(Archive { members })
    }

    /// The member of exactly this name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// All members.
    pub fn members(&self) -> &[Member] {
        &self.members
    }
}
