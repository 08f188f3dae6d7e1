//! What all clones of a bucket have in common.

use super::checksum::Known;
use super::limits::Limits;
use super::pace::Pace;
use super::retries::Retries;
use super::scrutiny::Scrutiny;

/// The pace of a bucket's bytes, its retries, and the ways of its store.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    /// How fast bytes are sent.
    pub(super) upload: Pace,
    /// How fast bytes are received.
    pub(super) download: Pace,
    /// What was tried again.
    pub(super) retries: Retries,
    /// What was learnt of the store's ways.
    pub(super) ways: Known,
    /// Whether the store looks at checksums.
    pub(super) scrutiny: Scrutiny,
}

impl Shared {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            upload: Pace::new(limits.upload_rate),
            download: Pace::new(limits.download_rate),
            retries: Retries::default(),
            ways: Known::default(),
            scrutiny: Scrutiny::default(),
        }
    }
}
