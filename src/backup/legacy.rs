//! Backups of the Python charm: one object each, which lists nothing and says nothing of itself.
//!
//! ```text
//! <path>/<backup-id>     tar -c /data/*.key /data/homeserver.db* <media>/local_* | gpg --symmetric
//! ```
//!
//! What an inventory would say has to be found out by reading the whole object. A restore does that first, and then treats
//! the backup like any other: the second download, which is unpacked, has to be the same object with the same members.
//! The room does not know what the names in such an archive mean; that is handed in as a [`Heritage`].

mod restore;
mod sealed;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::spawn_blocking;

use super::format::{MemberDigest, Members, Tally};
use super::pipe::{Counter, PipeReader, PipeWriter, broken, pipe};
use super::stage::{cause, joined, open};
use super::{BackupId, Catalogue, CatalogueError, Monitor, Phase, RestoreError};
use crate::archive::{self, Dialect, Kind, Member, Refusal, Sha256Hex};
use crate::openpgp::{Authenticated, Passphrase};

pub use restore::restore_checked;
pub(super) use sealed::narrow;

/// Files at the top of the data directory whose names are kept; that charm saved a handful.
const NAMED: usize = 64;

/// What a member of such a backup is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It is of this part of a data directory.
    Part(&'static str),
    /// That charm saved it, and nobody needs it.
    Spare,
}

/// What the names in the Python charm's archives mean; whoever owns the data directory knows.
#[derive(Debug, Clone, Copy)]
pub struct Heritage {
    /// What a member of this name is good for; `None` for what that charm never saved.
    pub of: fn(&str) -> Option<Use>,
    /// Directories that now lie elsewhere: what such a name begins with, and what it begins with today.
    pub moved: &'static [(&'static str, &'static str)],
}

impl Heritage {
    /// The name that a member has today.
    pub(super) fn today(&self, name: &str) -> String {
        let moved = |(from, to): &(&str, &str)| Some(format!("{to}{}", name.strip_prefix(from)?));
        let today = self.moved.iter().find_map(moved);
        today.unwrap_or_else(|| name.to_owned())
    }
}

/// A backup of the Python charm that was read to its authenticated end.
#[derive(Debug)]
pub struct Surveyed {
    /// Its name.
    pub id: BackupId,
    /// When the store took it; that charm noted no time but that in the name, which is local.
    pub written: Option<Timestamp>,
    /// Bytes of the object.
    pub size: u64,
    /// What it holds of each part.
    pub parts: BTreeMap<&'static str, Tally>,
    /// Names of the files that lie at the top of the data directory.
    pub files: Vec<String>,
    sha256: Sha256Hex,
    members: Members,
    message: Authenticated,
    passphrase: usize,
    heritage: Heritage,
}

impl Surveyed {
    /// Files and directories in it.
    pub fn members(&self) -> u64 {
        self.members.count
    }

    /// Bytes of file contents in it.
    pub fn content(&self) -> u64 {
        self.members.content
    }
}

/// What is learned from the members as they pass.
#[derive(Default)]
struct Notes {
    parts: BTreeMap<&'static str, Tally>,
    files: Vec<String>,
    digest: MemberDigest,
}

/// Looks for a backup of the Python charm: its size, and when it was written.
pub(super) async fn find(
    catalogue: &Catalogue,
    id: &BackupId,
) -> Result<(u64, Option<Timestamp>), RestoreError> {
    let found = catalogue.bucket().stat(id.as_str()).await;
    let found = found.map_err(|source| RestoreError::Download {
        key: id.to_string(),
        source,
    })?;
    match found {
        Some(object) => Ok((object.size, object.modified)),
        None => Err(CatalogueError::Absent(id.clone()).into()),
    }
}

/// Reads a backup of the Python charm whole, and changes nothing.
pub async fn survey(
    catalogue: &Catalogue,
    passphrases: &[Arc<Passphrase>],
    id: &BackupId,
    heritage: Heritage,
    monitor: &Monitor,
) -> Result<Surveyed, RestoreError> {
    let (size, written) = find(catalogue, id).await?;
    monitor.enter(Phase::Verifying, size);
    let (out, sealed) = pipe();
    let (opened_out, opened) = pipe();
    let passphrases = passphrases.to_vec();
    let opening = spawn_blocking(move || open(sealed, opened_out, &passphrases, u64::MAX));
    let noting = spawn_blocking(move || note(opened, heritage));
    let (downloaded, opened, noted) = tokio::join!(
        download(catalogue, id, out, monitor),
        joined(opening),
        joined(noting),
    );
    let ((size, sha256), (message, passphrase), notes) = match (downloaded, opened, noted) {
        (Ok(object), Ok(opened), Ok(notes)) => (object, opened, notes),
        (downloaded, opened, noted) => {
            let of_it = |error: RestoreError| error.of(id.as_str());
            let (opened, noted) = (opened.err().map(of_it), noted.err().map(of_it));
            return Err(cause([downloaded.err(), opened, noted]));
        }
    };
    Ok(Surveyed {
        id: id.clone(),
        written,
        size,
        parts: notes.parts,
        files: notes.files,
        sha256,
        members: notes.digest.finish(),
        message,
        passphrase,
        heritage,
    })
}

/// Walks the archive to its end.
fn note(mut opened: PipeReader, heritage: Heritage) -> Result<Notes, RestoreError> {
    let mut notes = Notes::default();
    let admit = |member: &Member| match (heritage.of)(&member.path) {
        Some(Use::Part(_) | Use::Spare) => Ok(true),
        None => Err(Refusal::Outside),
    };
    let walked = archive::pass_in(Dialect::Foreign, &mut opened, io::sink(), admit, |member| {
        notes.add(&member, heritage)
    });
    if walked.is_err() {
        // What the message says counts only after its end was checked: a forged one is told as forged.
        let _ = io::copy(&mut opened, &mut io::sink());
    }
    walked?;
    Ok(notes)
}

impl Notes {
    fn add(&mut self, member: &Member, heritage: Heritage) -> io::Result<()> {
        self.digest.add(member)?;
        if let Some(Use::Part(part)) = (heritage.of)(&member.path) {
            let share = self.parts.entry(part).or_default();
            share.members += 1;
            share.content = share.content.saturating_add(member.size);
        }
        if let Some((_, name)) = member.path.split_once('/')
            && member.kind == Kind::File
            && !name.contains('/')
            && self.files.len() < NAMED
        {
            self.files.push(name.to_owned());
        }
        Ok(())
    }
}

/// Downloads the object into a pipe; gives its size and digest.
async fn download(
    catalogue: &Catalogue,
    id: &BackupId,
    mut out: PipeWriter,
    monitor: &Monitor,
) -> Result<(u64, Sha256Hex), RestoreError> {
    let failed = |source| RestoreError::Download {
        key: id.to_string(),
        source,
    };
    let mut counter = Counter::default();
    let mut body = catalogue
        .bucket()
        .fetch(id.as_str())
        .await
        .map_err(failed)?;
    while let Some(piece) = body.chunk().await.map_err(failed)? {
        counter.count(&piece);
        monitor.add(piece.len() as u64);
        if !out.send(piece).await {
            return Err(RestoreError::Stream(broken()));
        }
    }
    out.end().await;
    Ok(counter.finish())
}
