//! Looks again at volumes that an earlier run has staged: every file must be what the sealed inventory lists.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::ledger::Ledger;
use super::tree::open_beneath;
use crate::archive::{Kind, Member, Sha256Hex};
use crate::backup::format::{MemberDigest, Volume};
use crate::backup::pipe::PIECE;

/// Why what is staged cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Difference {
    /// A member is missing, or cannot be looked at.
    #[error("{path} cannot be read")]
    Unread {
        path: String,
        #[source]
        source: io::Error,
    },
    /// A member is there and is another one.
    #[error("{path} has another {what} than the inventory lists")]
    Other { path: String, what: &'static str },
    /// There are other files than those of the members.
    #[error("{found} files are there, and the inventory lists {expected}")]
    Surplus { expected: u64, found: u64 },
}

/// The members of the volumes that are whole, compared one by one as the inventory passes.
pub(super) struct Recheck {
    ledger: Ledger,
    whole: std::vec::IntoIter<Volume>,
    current: Option<Volume>,
    /// Members of the current volume that are still to come.
    left: u64,
    files: u64,
    digest: MemberDigest,
    difference: Option<Difference>,
    progress: mpsc::Sender<u64>,
    buffer: Vec<u8>,
}

impl Recheck {
    /// Gets ready for the first of the inventory's volumes; bytes that were read are told to `progress`.
    pub(super) fn new(ledger: Ledger, progress: mpsc::Sender<u64>) -> Self {
        let whole = ledger.whole().to_vec().into_iter();
        Self {
            ledger,
            whole,
            current: None,
            left: 0,
            files: 0,
            digest: MemberDigest::default(),
            difference: None,
            progress,
            buffer: vec![0; PIECE],
        }
    }

    /// Compares the inventory's next member with what is staged; those of other volumes are let pass.
    pub(super) fn member(&mut self, member: &Member) {
        while self.left == 0 {
            let Some(volume) = self.whole.next() else {
                return;
            };
            self.left = volume.members;
            self.current = Some(volume);
        }
        self.left -= 1;
        if self.difference.is_none() {
            self.difference = self.compare(member).err();
        }
    }

    /// All volumes that are whole are as the inventory lists them, and nothing else is there; gives their digest.
    pub(super) fn finish(self) -> Result<MemberDigest, Difference> {
        if let Some(difference) = self.difference {
            return Err(difference);
        }
        let census = self.ledger.census();
        let census = census.map_err(|source| Difference::Unread {
            path: "staging".to_owned(),
            source,
        })?;
        let found = census.files + census.others;
        if found != self.files {
            return Err(Difference::Surplus {
                expected: self.files,
                found,
            });
        }
        Ok(self.digest)
    }

    fn compare(&mut self, member: &Member) -> Result<(), Difference> {
        let unread = |source| Difference::Unread {
            path: member.path.clone(),
            source,
        };
        let file = self.open(&member.path).map_err(unread)?;
        let metadata = file.metadata().map_err(unread)?;
        let mode = metadata.mode();
        let mut what = None;
        match member.kind {
            Kind::Directory if !metadata.is_dir() => what = Some("kind"),
            // A directory's set-id bits are passed on, and not listed.
            Kind::Directory if mode & 0o1777 != member.mode => what = Some("mode"),
            Kind::Directory => (),
            Kind::File if !metadata.is_file() => what = Some("kind"),
            Kind::File if metadata.len() != member.size => what = Some("size"),
            Kind::File if mode & 0o7777 != member.mode => what = Some("mode"),
            Kind::File => {
                self.files += 1;
                let sha256 = self.digest_of(file).map_err(unread)?;
                if member.sha256 != Some(sha256) {
                    what = Some("content");
                }
            }
        }
        if let Some(what) = what {
            let path = member.path.clone();
            return Err(Difference::Other { path, what });
        }
        self.digest
            .add(member)
            .map(drop)
            .map_err(|source| Difference::Unread {
                path: member.path.clone(),
                source,
            })
    }

    fn open(&self, path: &str) -> io::Result<File> {
        let Some(volume) = &self.current else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let [apart, joined] = self.ledger.roots(volume);
        match open_beneath(&apart, path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => open_beneath(&joined, path),
            opened => opened,
        }
    }

    fn digest_of(&mut self, mut file: File) -> io::Result<Sha256Hex> {
        let mut digest = Sha256::new();
        loop {
            let read = match file.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            digest.update(&self.buffer[..read]);
            // Whoever told of it may be gone; the work goes on.
            self.progress.blocking_send(read as u64).ok();
        }
        Ok(Sha256Hex::from_digest(&digest.finalize()))
    }
}
