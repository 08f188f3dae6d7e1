//! How things stand after the steps were made: what runs, what answers, and the unit's status.

use std::time::Duration;

use tracing::debug;

use super::failure::{self, Failure};
use super::observe::{BackupRelation, Observation};
use super::{Charm, store};
use crate::juju::{Options, Status};

/// How long a hook waits for a Synapse that it has just started. A slower one is told by its check.
const PATIENCE: Duration = Duration::from_secs(30);
const INVALID: &str = "Backup: S3 configuration is invalid";
const INACCESSIBLE: &str = "Backup: S3 bucket does not exist or cannot be accessed";

/// What was found after the steps.
#[derive(Debug)]
pub(super) struct Standing {
    /// Whether Synapse answers; what it says instead when not. `None` when it is not supposed to run.
    pub(super) health: Option<Result<(), String>>,
    /// The version of Synapse, when it answers.
    pub(super) version: Option<String>,
    /// What is wrong with the place for backups, under the Python charm's leading phrase.
    pub(super) backup: Option<(&'static str, Failure)>,
    /// Whether there is a place for backups at all.
    pub(super) related: bool,
}

pub(super) async fn look(charm: &Charm, seen: &Observation, started: bool) -> Standing {
    let runs = seen.container.is_some() && seen.volume.is_some();
    let patience = if started { PATIENCE } else { Duration::ZERO };
    let health = async {
        match runs {
            true => Some(
                charm
                    .healthy(patience)
                    .await
                    .map_err(|error| failure::chain(&error)),
            ),
            false => None,
        }
    };
    let (health, backup) = tokio::join!(health, place(charm, &seen.backup));
    let version = match &health {
        Some(Ok(())) => charm.synapse_version().await,
        Some(Err(reason)) => {
            debug!(reason, "Synapse does not answer");
            None
        }
        None => None,
    };
    Standing {
        health,
        version,
        backup,
        related: !matches!(seen.backup, BackupRelation::Absent),
    }
}

/// What is wrong with the place for backups.
async fn place(charm: &Charm, relation: &BackupRelation) -> Option<(&'static str, Failure)> {
    if matches!(relation, BackupRelation::Absent) {
        return None;
    }
    match store::catalogue(charm, relation) {
        Err(failure) => Some((INVALID, failure)),
        Ok(catalogue) => {
            let failure = store::probe(charm, &catalogue).await.err()?;
            Some((INACCESSIBLE, failure))
        }
    }
}

/// The unit's status: what hinders Synapse first, then what hinders backups.
pub(super) fn status(
    application: &str,
    options: &Options,
    hindrance: Option<Status>,
    standing: &Standing,
) -> Status {
    if let Some(hindrance) = hindrance {
        return hindrance;
    }
    match &standing.health {
        Some(Ok(())) => (),
        Some(Err(_)) | None => return Status::waiting("waiting for Synapse to answer"),
    }
    match &standing.backup {
        Some((_, failure)) if failure.kind == failure::Kind::Waiting => {
            return Status::waiting(format!("Backup: {}", failure.cause()));
        }
        Some((lead, failure)) => return Status::blocked(format!("{lead}: {}", failure.cause())),
        None => (),
    }
    let passphrase = options
        .text("backup_passphrase")
        .is_some_and(|text| !text.is_empty());
    if standing.related && !passphrase {
        return Status::active(format!(
            "Backup: juju config {application} backup_passphrase=<passphrase>"
        ));
    }
    Status::active("")
}
