//! How a backup stands, judged from what is in the bucket.

use std::error::Error;

use jiff::Timestamp;

use super::sight::Sight;
use super::{BackupId, Catalogue, FailedRun, INVENTORY, Manifest};
use crate::backup::{AtWork, State};

/// The name of the task under which a backup is made.
const MAKING: &str = "create-backup";

/// How a backup stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is whole, as far as the listing shows.
    Finished,
    /// The same, and some of its files changed while they were read, or something else is to be known.
    FinishedWithWarnings,
    /// Somebody makes it right now.
    InProgress(AtWork),
    /// Its run failed, and could still say why.
    Failed {
        /// Why.
        reason: String,
        /// When; unknown when what the run left cannot be read.
        at: Option<Timestamp>,
    },
    /// Its run ended without a word.
    Interrupted,
    /// It was finished, and something of it is missing or not what it was.
    Damaged {
        /// What.
        what: String,
    },
    /// The Python charm made it, as one object.
    Legacy,
}

/// What was read of a backup, beside what the listing shows.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Its manifest, or what is wrong with it; nothing when it has none.
    pub(super) manifest: Option<Result<Manifest, String>>,
    /// What its failed run left; nothing when it left nothing, or nothing that can be read.
    pub(super) failure: Option<FailedRun>,
}

impl Standing {
    /// Whether the backup may be restored, as far as the listing shows.
    pub fn is_finished(&self) -> bool {
        match self {
            Self::Finished | Self::FinishedWithWarnings | Self::Legacy => true,
            Self::InProgress(_)
            | Self::Failed { .. }
            | Self::Interrupted
            | Self::Damaged { .. } => false,
        }
    }

    /// Whether another look could find better, because something has happened since the listing was made.
    pub(super) fn is_doubtful(&self) -> bool {
        match self {
            Self::Interrupted | Self::Damaged { .. } => true,
            Self::Finished
            | Self::FinishedWithWarnings
            | Self::InProgress(_)
            | Self::Failed { .. }
            | Self::Legacy => false,
        }
    }

    /// Judges; nothing when there is no backup of this name.
    pub(super) fn of(
        id: &BackupId,
        sight: &Sight,
        reading: &Reading,
        at_work: Option<&AtWork>,
        size_of: impl Fn(&str) -> Option<u64>,
    ) -> Option<Self> {
        let making = at_work.filter(|work| work.task == MAKING && work.backup.as_ref() == Some(id));
        Some(match &reading.manifest {
            Some(Ok(manifest)) => match damage(id, sight, manifest, size_of) {
                Some(what) => Self::Damaged { what },
                None => match manifest.state {
                    State::Finished => Self::Finished,
                    State::FinishedWithWarnings => Self::FinishedWithWarnings,
                },
            },
            Some(Err(what)) => Self::Damaged { what: what.clone() },
            None if sight.flat.is_some() => Self::Legacy,
            None => match (&reading.failure, making) {
                (Some(failure), _) => Self::Failed {
                    reason: failure.reason.clone(),
                    at: Some(failure.failed),
                },
                (None, Some(work)) => Self::InProgress(work.clone()),
                (None, None) if sight.failed => Self::Failed {
                    reason: "what it left to say so cannot be read".to_owned(),
                    at: None,
                },
                (None, None) if sight.objects == 0 => return None,
                (None, None) => Self::Interrupted,
            },
        })
    }
}

/// What is missing of a backup, or has another size than it had, if anything.
fn damage(
    id: &BackupId,
    sight: &Sight,
    manifest: &Manifest,
    size_of: impl Fn(&str) -> Option<u64>,
) -> Option<String> {
    // An object of another backup is named in full.
    let own = format!("{id}/");
    let mut found = Vec::new();
    if !sight.inventory || manifest.inventory != Catalogue::key(id, INVENTORY) {
        found.push(format!("{INVENTORY} is missing"));
    }
    for volume in &manifest.volumes {
        let key = &volume.key;
        let name = key.strip_prefix(&own).unwrap_or(key);
        match size_of(key) {
            Some(size) if size == volume.size => (),
            Some(size) => found.push(format!(
                "{name} has {size} bytes, and {} when it was written",
                volume.size
            )),
            None => found.push(format!("{name} is missing")),
        }
    }
    let more = found.len().saturating_sub(1);
    let first = found.into_iter().next()?;
    Some(match more {
        0 => first,
        more => format!("{first}, and {more} more"),
    })
}

/// An error and its causes, in one line that is fit for a table.
pub(super) fn told(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    printable(&text, 300)
}

/// A text that may be somebody else's, made fit to be shown.
pub(in crate::backup) fn printable(text: &str, most: usize) -> String {
    let spaced = text.chars().map(|letter| match letter.is_control() {
        true => ' ',
        false => letter,
    });
    spaced.take(most).collect()
}
