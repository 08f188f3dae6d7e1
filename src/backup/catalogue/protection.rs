//! The mark that a backup is not to be deleted.
//!
//! It is an object of its own, as the manifest is never changed. Its presence counts and not what is in it: that is for
//! people to read.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::standing::printable;
use super::{BackupId, Catalogue, CatalogueError, PROTECTED, store};
use crate::s3::S3Error;

/// The document is small; a larger object is none.
const LIMIT: usize = 16 * 1024;
/// The most characters of a reason.
const REASON: usize = 200;

/// Who protects a backup, and why, as far as that can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Protection {
    /// Since when.
    pub since: Option<Timestamp>,
    /// The unit that was told so.
    pub unit: String,
    /// Why, in the words of whoever said so.
    pub reason: String,
}

impl fmt::Display for Protection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.since {
            Some(since) => {
                let since = since.strftime("%Y-%m-%d %H:%M:%S UTC");
                write!(formatter, "since {since} by {}", self.unit)?;
            }
            None => formatter.write_str("by somebody")?,
        }
        match self.reason.as_str() {
            "" => Ok(()),
            reason => write!(formatter, " ({reason})"),
        }
    }
}

impl Protection {
    /// The same, short enough and without anything that would spoil a line.
    fn plain(self) -> Self {
        Self {
            unit: printable(&self.unit, 80),
            reason: printable(&self.reason, REASON),
            ..self
        }
    }
}

impl Catalogue {
    /// Protects a backup, or says anew why it is.
    pub async fn protect(
        &self,
        id: &BackupId,
        protection: Protection,
    ) -> Result<(), CatalogueError> {
        // Texts and a time: that cannot fail.
        let text = serde_json::to_vec_pretty(&protection.plain()).unwrap_or_default();
        let key = Self::key(id, PROTECTED);
        let written = self.bucket().put(&key, Bytes::from(text)).await;
        written.map(drop).map_err(store("protect the backup"))
    }

    /// Takes the protection from a backup; one that has none is left as it is.
    pub async fn unprotect(&self, id: &BackupId) -> Result<(), CatalogueError> {
        let key = Self::key(id, PROTECTED);
        let deletion = self.bucket().delete(std::slice::from_ref(&key)).await;
        let deletion = deletion.map_err(store("take the protection away"))?;
        match deletion.failed.into_iter().next() {
            None => Ok(()),
            Some(kept) => Err(CatalogueError::Undeleted {
                key: kept.key,
                code: kept.code,
            }),
        }
    }

    /// Who protects a backup, if anybody does.
    pub async fn protection(&self, id: &BackupId) -> Result<Option<Protection>, CatalogueError> {
        let failed = store("look whether the backup is protected");
        let object = match self.bucket().get(&Self::key(id, PROTECTED)).await {
            Err(S3Error::NotFound { .. }) => return Ok(None),
            object => object.map_err(&failed)?,
        };
        let bytes = match object.collect(LIMIT).await {
            Err(S3Error::TooLarge { .. }) => Vec::new(),
            bytes => bytes.map_err(&failed)?,
        };
        let read: Protection = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Some(read.plain()))
    }
}
