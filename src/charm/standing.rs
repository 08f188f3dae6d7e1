//! How things stand after the steps were made: what runs, what answers, and the unit's status.

use std::time::Duration;

use tracing::debug;

use super::bucket_relation::BackupRelation;
use super::failure::{self, Failure};
use super::observe::Observation;
use super::passphrases::Passphrases;
use super::swaps::keep_hours;
use super::volume::Volume;
use super::{Charm, newest, owner, retention, store};
use crate::backup::{Kept, Operation};
use crate::juju::{Options, Status, UnitName};

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
    /// What an operator should know of backups, though it hinders nothing now: fragments.
    pub(super) notes: Vec<String>,
    /// What the last restore or rollback has replaced, as long as it is kept.
    pub(super) kept: Option<Kept>,
    /// Whether little room is left on the data volume.
    pub(super) crowded: bool,
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
    // One that has just been started is asked for its version when it answers; one that runs, at once.
    let early = async {
        match runs && !started {
            true => charm.synapse_version().await,
            false => None,
        }
    };
    let (health, early, (backup, foreign)) = tokio::join!(health, early, place(charm, seen));
    let version = match &health {
        Some(Ok(())) if early.is_some() => early,
        Some(Ok(())) => charm.synapse_version().await,
        Some(Err(reason)) => {
            debug!(reason, "Synapse does not answer");
            None
        }
        None => None,
    };
    let mut notes = notes(charm, seen, backup.is_none()).await;
    notes.extend(foreign);
    Standing {
        health,
        version,
        backup,
        notes,
        kept: None,
        crowded: seen.volume.as_ref().is_some_and(crowded),
    }
}

/// What is to be said of the passphrases, where there is a place for backups.
async fn notes(charm: &Charm, seen: &Observation, reachable: bool) -> Vec<String> {
    if matches!(seen.backup, BackupRelation::Absent) {
        return Vec::new();
    }
    let passphrases = Passphrases::resolve(charm, &seen.options).await;
    let mut notes = passphrases.notes();
    notes.extend(newest::note(charm, seen, &passphrases, reachable).await);
    notes
}

/// What is wrong with the place for backups; and whose the backups there are, if they are somebody else's.
async fn place(
    charm: &Charm,
    seen: &Observation,
) -> (Option<(&'static str, Failure)>, Option<String>) {
    if matches!(seen.backup, BackupRelation::Absent) {
        return (None, None);
    }
    match store::catalogue(charm, &seen.backup).await {
        Err(failure) => (Some((INVALID, failure)), None),
        Ok(catalogue) => match store::probe(charm, &catalogue).await {
            Err(failure) => (Some((INACCESSIBLE, failure)), None),
            Ok(()) => {
                let me = owner::me(charm, seen.volume.as_ref(), &seen.options);
                let other = owner::other(&catalogue, &me).await;
                (None, other.map(|owner| format!("path belongs to {owner}")))
            }
        },
    }
}

/// Whether so little of the data volume is free that Synapse may soon miss it: a tenth, but never more than this.
fn crowded(volume: &Volume) -> bool {
    const ENOUGH: u64 = 4 * 1024 * 1024 * 1024;
    let room = volume.room();
    room.is_ok_and(|room| room.bytes < (room.total / 10).min(ENOUGH))
}

/// The unit's status: what hinders Synapse first, then what hinders backups, then what an operator should know.
pub(super) fn status(
    unit: &UnitName,
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
    let hours = match keep_hours(options) {
        Ok(hours) => hours,
        Err(problem) => return Status::blocked(problem),
    };
    if let Err((option, problem)) = retention::policy(options) {
        return Status::blocked(format!("{option}: {problem}"));
    }
    let kept = standing.kept.as_ref();
    let mut told: Vec<String> = kept
        .map(|kept| way_back(unit, kept, hours, standing.crowded))
        .into_iter()
        .collect();
    if !standing.notes.is_empty() {
        told.push(format!("Backup: {}", standing.notes.join("; ")));
    }
    Status::active(told.join("; "))
}

/// What an operator should know as long as there is a way back.
fn way_back(unit: &UnitName, kept: &Kept, hours: u32, crowded: bool) -> String {
    if crowded {
        return format!("low space: juju run {unit} confirm-restore frees what it replaced");
    }
    let until = kept.until(hours).strftime("%Y-%m-%d %H:%M UTC").to_string();
    match &kept.operation {
        Operation::Restore(backup) => format!("restored {backup}, undo possible until {until}"),
        Operation::Rollback(backup) => {
            format!("restore of {backup} undone, redo possible until {until}")
        }
    }
}
