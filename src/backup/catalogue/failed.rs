//! What a run that failed leaves in the bucket, and what any run logged.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::timeout;
use tracing::warn;

use super::standing::{printable, told};
use super::{BackupId, Catalogue, CatalogueError, FAILED, RUN_LOG, store};
use crate::backup::FormatError;
use crate::backup::format::{check_place, check_preamble};
use crate::s3::S3Error;

const FORMAT: &str = "synapse-operator-failure";
const VERSION: u32 = 1;
/// The document is small; a larger object is none.
const LIMIT: usize = 64 * 1024;
/// The most characters of a reason.
const REASON: usize = 2000;
/// The most bytes of a log.
const LOG: usize = 512 * 1024;
/// How long writing each of the two may take: they are told to whoever looks later, and whoever waits now knows already.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why a backup was not made, in the words that its operator was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FailedRun {
    /// The backup that there would be.
    pub id: BackupId,
    /// When its run began.
    pub started: Timestamp,
    /// When it failed.
    pub failed: Timestamp,
    /// The unit.
    pub unit: String,
    /// A stable word for what went wrong.
    pub code: String,
    /// What went wrong. It lies in clear: no secret may be in it.
    pub reason: String,
    /// Fields of a later minor version.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Document<T> {
    format: String,
    version: u32,
    #[serde(flatten)]
    run: T,
}

/// What every document says of itself first.
#[derive(Deserialize)]
struct Preamble {
    format: String,
    version: u32,
}

impl FailedRun {
    pub(in crate::backup) fn read(bytes: &[u8], id: &BackupId) -> Result<Self, FormatError> {
        let malformed = |source| FormatError::Malformed {
            document: "failure",
            source,
        };
        let preamble: Preamble = serde_json::from_slice(bytes).map_err(malformed)?;
        check_preamble("failure", FORMAT, &preamble.format, preamble.version)?;
        let document: Document<Self> = serde_json::from_slice(bytes).map_err(malformed)?;
        check_place("failure", &document.run.id, id)?;
        let mut run = document.run;
        run.reason = printable(&run.reason, REASON);
        run.unit = printable(&run.unit, 80);
        run.code = printable(&run.code, 80);
        Ok(run)
    }

    fn write(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut run = self.clone();
        run.reason = printable(&run.reason, REASON);
        serde_json::to_vec_pretty(&Document {
            format: FORMAT.to_owned(),
            version: VERSION,
            run,
        })
    }
}

impl Catalogue {
    /// Lays what a run logged beside its backup, if the store takes it soon.
    ///
    /// The log lies in clear: no secret may be in it.
    pub async fn put_log(&self, id: &BackupId, mut log: Vec<u8>) {
        log.truncate(LOG);
        self.lay(id, RUN_LOG, log).await;
    }

    /// Says in the bucket why a backup was not made, and lays the log beside it, if the store takes them soon.
    ///
    /// To be called after everything else of that backup was discarded.
    pub async fn note_failure(&self, run: &FailedRun, log: Vec<u8>) {
        let failed = async {
            match run.write() {
                Ok(text) => self.lay(&run.id, FAILED, text).await,
                Err(error) => warn!(backup = %run.id, %error, "the failure cannot be written down"),
            }
        };
        tokio::join!(failed, self.put_log(&run.id, log));
    }

    async fn lay(&self, id: &BackupId, name: &str, text: Vec<u8>) {
        let key = Self::key(id, name);
        match timeout(PATIENCE, self.bucket().put(&key, Bytes::from(text))).await {
            Ok(Ok(_)) => (),
            Ok(Err(error)) => warn!(key, error = told(&error), "not written"),
            Err(_) => warn!(key, "not written: the store does not answer"),
        }
    }

    /// Reads why a backup was not made; nothing when nobody can tell.
    pub(super) async fn failure(&self, id: &BackupId) -> Result<Option<FailedRun>, CatalogueError> {
        let failed = store("read why a backup failed");
        let bytes = match self.bucket().get(&Self::key(id, FAILED)).await {
            Err(S3Error::NotFound { .. }) => return Ok(None),
            object => object.map_err(&failed)?.collect(LIMIT).await,
        };
        let bytes = match bytes {
            Err(S3Error::TooLarge { .. }) => Vec::new(),
            bytes => bytes.map_err(&failed)?,
        };
        let read = FailedRun::read(&bytes, id);
        Ok(read
            .inspect_err(|error| warn!(backup = %id, error = told(error), "no readable failure"))
            .ok())
    }
}
