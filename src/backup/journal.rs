//! The journal of a swap: what is being put in the place of what, and how far that has come.
//!
//! It lies in the private directory while a swap is open, and is renewed before each step. Whoever finds one that is not
//! his own finds the work of a process that was killed, and [`Journal::resolution`] says what becomes of it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::previous::TreeId;
use super::{BackupId, Scope};

const NAME: &str = "journal.json";
/// What is written before it gets its name.
const NEW: &str = "journal.json.new";
/// The version that this program writes, and the only one it reads.
const VERSION: u32 = 2;
/// A journal names some ten places; a larger file is none.
const LIMIT: u64 = 1024 * 1024;

/// What an operator asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// To put a backup in the place of the data.
    Restore(BackupId),
    /// To put back the data that this backup had replaced.
    Rollback(BackupId),
}

/// One step of a swap, in the order in which they are made; the last two are the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    /// Stop the service.
    Stop,
    /// Move what is live to the tree that is kept.
    MoveOut,
    /// Move what is new to where it lives.
    MoveIn,
    /// Mend in the new data what only its age makes wrong.
    FixUp,
    /// Start the service on it, and see that it works.
    Start,
    /// Let go of everything that nobody can ask for any more.
    Close,
    /// Stop the service, and move everything to where it was.
    TakeBack,
    /// Start the service on what it had before.
    Restart,
}

/// Where what is new lies before it is moved in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Incoming {
    /// In the staging directory.
    Staging,
    /// In a tree that was kept.
    Kept(TreeId),
}

/// What becomes of a swap whose process was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolution {
    /// It is carried to its end.
    Finish,
    /// Everything is put back to where it was.
    Undo,
}

/// A swap, as it stands on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Journal {
    version: u32,
    /// What was asked for.
    pub(super) operation: Operation,
    /// The parts of the data directory that are swapped.
    pub(super) scope: Scope,
    /// When the service was about to be stopped.
    pub(super) began: Timestamp,
    /// The tree that takes what is replaced.
    pub(super) kept: TreeId,
    /// Where what is new comes from.
    pub(super) incoming: Incoming,
    /// The step that is being made, or was to be made next.
    pub(super) step: Step,
    /// How often somebody tried to finish it after its process was killed.
    pub(super) attempts: u32,
    /// What was live, relative to the data directory; not known before the service has stopped.
    pub(super) out: Option<Vec<String>>,
}

/// Why there is a journal that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system failed.
    #[error("failed to read the journal of a restore")]
    Read(#[source] io::Error),
    /// It is not what this program writes.
    #[error("journal of a restore is not understood")]
    Malformed(#[source] serde_json::Error),
    /// Another version of this program wrote it.
    #[error("journal of a restore has version {0}, and this charm reads {VERSION}")]
    Version(u32),
    /// It names a place outside the data directory.
    #[error("journal of a restore names {0:?}, which is no place in the data directory")]
    Place(String),
}

impl Journal {
    /// A swap that has not begun.
    pub(super) fn new(
        operation: Operation,
        scope: Scope,
        began: Timestamp,
        incoming: Incoming,
    ) -> Self {
        Self {
            version: VERSION,
            operation,
            scope,
            began,
            kept: TreeId::at(began),
            incoming,
            step: Step::Stop,
            attempts: 0,
            out: None,
        }
    }

    /// Whether a swap is open below the private directory.
    pub(super) fn is_there(private: &Path) -> bool {
        private.join(NAME).exists()
    }

    /// Reads the journal below the private directory; `None` when no swap is open.
    pub(super) fn read(private: &Path) -> Result<Option<Self>, JournalError> {
        let path = private.join(NAME);
        let text = match fs::metadata(&path).and_then(|found| match found.len() > LIMIT {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => fs::read(&path),
        }) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(JournalError::Read(error)),
        };
        let journal: Self = serde_json::from_slice(&text).map_err(JournalError::Malformed)?;
        if journal.version != VERSION {
            return Err(JournalError::Version(journal.version));
        }
        let inside = |name: &String| {
            let mut parts = Path::new(name).components();
            !name.is_empty() && parts.all(|part| matches!(part, std::path::Component::Normal(_)))
        };
        match journal.out.iter().flatten().find(|name| !inside(name)) {
            Some(name) => Err(JournalError::Place(name.clone())),
            None => Ok(Some(journal)),
        }
    }

    /// Writes it in one piece: whoever reads finds this one or the one before, also after the power failed.
    pub(super) fn write(&self, private: &Path) -> io::Result<()> {
        let new = private.join(NEW);
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&new, private.join(NAME))?;
        File::open(private)?.sync_all()
    }

    /// Removes what a process has left that was killed while it wrote a first journal.
    pub(super) fn remove_unwritten(private: &Path) -> io::Result<()> {
        match private.join(NEW).exists() {
            true => Self::remove(private),
            false => Ok(()),
        }
    }

    /// Removes it: the swap has come to its end.
    pub(super) fn remove(private: &Path) -> io::Result<()> {
        for name in [NEW, NAME] {
            match fs::remove_file(private.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => (),
            }
        }
        File::open(private)?.sync_all()
    }

    /// What becomes of it when its process is gone.
    ///
    /// As long as something of the old data may be live, the old data is what everybody knows to work. Once all that is
    /// new is in its place, it is finished, but tried only once: it may be what killed the process.
    pub(super) fn resolution(&self) -> Resolution {
        match self.step {
            Step::Stop | Step::MoveOut | Step::MoveIn => Resolution::Undo,
            Step::FixUp | Step::Start if self.attempts == 0 => Resolution::Finish,
            Step::FixUp | Step::Start => Resolution::Undo,
            Step::Close => Resolution::Finish,
            Step::TakeBack | Step::Restart => Resolution::Undo,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn journal() -> Journal {
        let began = "2026-11-21T12:04:05Z".parse().unwrap();
        let backup = BackupId::parse("backup-20261121120000000000").unwrap();
        Journal::new(
            Operation::Restore(backup),
            Scope::default(),
            began,
            Incoming::Staging,
        )
    }

    #[test]
    fn every_step_is_finished_or_undone() {
        let mut told = String::new();
        for step in [
            Step::Stop,
            Step::MoveOut,
            Step::MoveIn,
            Step::FixUp,
            Step::Start,
            Step::Close,
            Step::TakeBack,
            Step::Restart,
        ] {
            let resolutions = [0, 1, 2].map(|attempts| {
                let journal = Journal {
                    step,
                    attempts,
                    ..journal()
                };
                format!("{:?}", journal.resolution())
            });
            told += &format!("{step:?}: {}\n", resolutions.join(", "));
        }
        insta::assert_snapshot!(told, @r"
        Stop: Undo, Undo, Undo
        MoveOut: Undo, Undo, Undo
        MoveIn: Undo, Undo, Undo
        FixUp: Finish, Undo, Undo
        Start: Finish, Undo, Undo
        Close: Finish, Finish, Finish
        TakeBack: Undo, Undo, Undo
        Restart: Undo, Undo, Undo
        ");
    }

    #[test]
    fn journal_is_read_as_it_was_written_and_gone_when_removed() {
        let directory = tempfile::tempdir().unwrap();
        let private = directory.path();
        assert_eq!(Journal::read(private).unwrap(), None);
        let mut journal = journal();
        journal.write(private).unwrap();
        journal.step = Step::MoveIn;
        journal.out = Some(vec!["media/local_content".to_owned()]);
        journal.write(private).unwrap();
        assert_eq!(Journal::read(private).unwrap(), Some(journal));
        // What a process leaves that is killed while it writes the next one.
        fs::write(private.join(NEW), "{").unwrap();
        assert!(Journal::read(private).unwrap().is_some());
        Journal::remove(private).unwrap();
        assert_eq!(Journal::read(private).unwrap(), None);
        assert_eq!(fs::read_dir(private).unwrap().count(), 0);
    }

    #[test]
    fn journal_that_is_not_ours_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let refuse = |text: String| {
            fs::write(directory.path().join(NAME), text).unwrap();
            Journal::read(directory.path()).unwrap_err().to_string()
        };
        let good = serde_json::to_string(&journal()).unwrap();
        insta::assert_snapshot!(refuse("{".to_owned()), @"journal of a restore is not understood");
        let newer = good.replace("\"version\":2", "\"version\":3");
        insta::assert_snapshot!(refuse(newer), @"journal of a restore has version 3, and this charm reads 2");
        for place in ["../etc", "/etc", "media/../../x", ""] {
            let out = format!("\"out\":[{place:?}]");
            let text = refuse(good.replace("\"out\":null", &out));
            assert!(
                text.ends_with("which is no place in the data directory"),
                "{text}"
            );
        }
    }
}
