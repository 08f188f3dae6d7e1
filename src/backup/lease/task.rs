//! What a lease is taken for, and what others learn of it.

use jiff::Timestamp;
use tokio::sync::watch;

use super::document::Document;
use crate::backup::{BackupId, Progress};

/// The most characters that are shown of a word which somebody else wrote into the bucket.
const WORD: usize = 80;

/// What somebody wants to do under a lease.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its name, as in `create-backup`.
    pub name: &'static str,
    /// The backup it is about, if it is about one.
    pub backup: Option<BackupId>,
    /// Where it tells how far it has come; each renewal of the lease passes that on.
    pub progress: Option<watch::Receiver<Progress>>,
}

impl From<&'static str> for Task {
    fn from(name: &'static str) -> Self {
        Self {
            name,
            backup: None,
            progress: None,
        }
    }
}

/// Who works under a live lease, at what, and how far it has come.
///
/// All of it was read in the bucket: words are short and printable, and that is all that is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtWork {
    /// The unit, as in `synapse/0`.
    pub unit: String,
    /// The UUID of its model.
    pub model: String,
    /// The model as people know it: its name, or its UUID.
    pub model_shown: String,
    /// What it does, as in `create-backup`.
    pub task: String,
    /// The backup it is about, if it is about one.
    pub backup: Option<BackupId>,
    /// When it began.
    pub since: Timestamp,
    /// What it was doing when it was last heard of.
    pub phase: Option<String>,
    /// How much of that was done, in percent.
    pub percent: Option<u8>,
}

impl Document {
    /// Who works, unless the lease has ended by itself.
    pub(super) fn at_work(&self, now: Timestamp) -> Option<AtWork> {
        let id = self.backup_id.as_deref();
        (!self.has_ended(now)).then(|| AtWork {
            unit: word(&self.holder),
            model: word(&self.model),
            model_shown: word(self.model_shown()),
            task: word(&self.task),
            backup: id.and_then(|id| BackupId::parse(id).ok()),
            since: self.since,
            phase: self.phase.as_deref().map(word),
            percent: self.percent.map(|percent| percent.min(100)),
        })
    }
}

/// A word of somebody else's, made fit to be shown.
fn word(text: &str) -> String {
    let printable = text.chars().filter(|letter| !letter.is_control());
    printable.take(WORD).collect()
}
