//! What all clones of a bucket have in common.

use super::limits::Limits;
use super::pace::Pace;
use super::retries::Retries;

/// The pace of a bucket's bytes and its retries. It outlives a client that is made anew.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    /// How fast bytes are sent.
    pub(super) upload: Pace,
    /// How fast bytes are received.
    pub(super) download: Pace,
    /// What was tried again.
    pub(super) retries: Retries,
}

impl Shared {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            upload: Pace::new(limits.upload_rate),
            download: Pace::new(limits.download_rate),
            retries: Retries::default(),
        }
    }
}
