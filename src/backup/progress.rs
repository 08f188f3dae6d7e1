//! What a long run tells while it goes on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looks whether everything needed is there.
    Checking,
    /// Takes a consistent copy of the database.
    Snapshot,
    /// Reads, seals and uploads.
    Uploading,
    /// Writes the inventory and the manifest.
    Committing,
    /// Compares what an earlier run has staged with the inventory.
    Rechecking,
    /// Downloads and opens, to see whether all is as it was written.
    Verifying,
    /// Looks into the database.
    LookingIn,
    /// Starts the service on the staged data where nobody sees it.
    Rehearsing,
    /// Downloads, opens and unpacks into staging.
    Staging,
    /// Replaces the keys of backups.
    Rotating,
    /// Puts the staged data into its place.
    Swapping,
    /// Waits until the service answers.
    Starting,
    /// Puts back what a swap had moved.
    TakingBack,
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Checking => "checking",
            Self::Snapshot => "copying the database",
            Self::Uploading => "uploading",
            Self::Committing => "committing",
            Self::Rechecking => "checking what is already here",
            Self::Verifying => "downloading and checking",
            Self::LookingIn => "checking the database",
            Self::Rehearsing => "starting the service offline on it",
            Self::Staging => "downloading and verifying",
            Self::Rotating => "replacing keys",
            Self::Swapping => "swapping",
            Self::Starting => "starting the service",
            Self::TakingBack => "putting everything back",
        })
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Bytes of archive so far in this phase.
    pub bytes: u64,
    /// Bytes expected in this phase; 0 when they cannot be counted.
    pub total: u64,
}

impl Progress {
    /// How much of this phase is done, where it can be counted.
    pub fn percent(&self) -> Option<u8> {
        let percent = self.bytes.saturating_mul(100).checked_div(self.total)?;
        Some(u8::try_from(percent).unwrap_or(100).min(100))
    }
}

/// Where a run tells how far it has come; whoever listens looks as often as it likes.
#[derive(Debug, Clone)]
pub struct Monitor {
    progress: watch::Sender<Progress>,
    bytes: Arc<AtomicU64>,
}

impl Monitor {
    /// Makes a monitor and the end to listen at.
    pub fn new() -> (Self, watch::Receiver<Progress>) {
        let (progress, receiver) = watch::channel(Progress {
            phase: Phase::Checking,
            bytes: 0,
            total: 0,
        });
        let bytes = Arc::default();
        (Self { progress, bytes }, receiver)
    }

    /// A new phase begins, with `total` bytes to go.
    pub fn enter(&self, phase: Phase, total: u64) {
        self.bytes.store(0, Ordering::Relaxed);
        self.progress.send_replace(Progress {
            phase,
            bytes: 0,
            total,
        });
    }

    /// So many more bytes are done.
    pub fn add(&self, bytes: u64) {
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.progress.send_modify(|progress| progress.bytes = bytes);
    }
}
