//! What a database knows of one local medium, put into another database.

use std::time::Duration;

use serde::Deserialize;

use super::MediaId;
use super::python::{AskError, ask};
use crate::pebble;

const PROGRAM: &str = concat!(include_str!("database.py"), include_str!("media_rows.py"));
/// A few rows; a disk may be slow to sync.
const DEADLINE: Duration = Duration::from_secs(120);

/// What was done to the rows of a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MediaRows {
    /// Whether the one database knows the medium at all; if it does not, nothing was done to the other.
    pub known: bool,
    /// Whether the other one knew it already.
    pub replaced: bool,
    /// How many thumbnails of it there are now; those that were known before are not.
    pub thumbnails: u64,
    /// Whether it is in quarantine: it was when it was saved, or a moderator has put it there since.
    pub quarantined: bool,
}

/// The rows are not known to be right. All was done or nothing; doing it again is safe.
#[derive(Debug, thiserror::Error)]
#[error("failed to put the rows of a medium into the database")]
pub struct MediaRowsError(#[source] AskError);

impl MediaRowsError {
    /// The end of what the program wrote on its standard error.
    pub fn stderr(&self) -> &str {
        self.0.stderr()
    }
}

/// Copies all rows of a local medium from one SQLite database into another, both by their path in the workload, in one
/// transaction. What the other one had of that medium is replaced.
///
/// Synapse may use neither meanwhile. Columns that only one of the two has are left out.
pub async fn put_media_rows(
    client: &pebble::Client,
    from: &str,
    into: &str,
    media: &MediaId,
) -> Result<MediaRows, MediaRowsError> {
    let media = media.to_string();
    ask(client, PROGRAM, &[from, into, &media], DEADLINE)
        .await
        .map_err(MediaRowsError)
}
