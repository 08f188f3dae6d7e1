//! What a backup and a restore need before they begin, checked at once, so that all that is wrong is told together.

use std::sync::Arc;

use super::led;
use crate::backup::Catalogue;
use crate::charm::failure::{Failure, Kind};
use crate::charm::volume::Volume;
use crate::charm::{Charm, observe, store};
use crate::openpgp::Passphrase;
use crate::synapse::ServerName;

/// The Python charm's leading phrase for whatever goes wrong with a backup.
pub(super) const CREATE: &str = "Error Creating Backup.";
/// And for a restore.
pub(super) const RESTORE: &str = "Error Restoring Backup.";

/// Which action needs it.
#[derive(Clone, Copy)]
pub(super) enum Task {
    Create,
    Restore,
}

impl Task {
    /// The Python charm's leading phrases: for anything, and for the S3 configuration.
    pub(super) fn leads(self) -> (&'static str, &'static str) {
        match self {
            Self::Create => (
                CREATE,
                "Wrong S3 configuration on create backup action. Check S3 integration.",
            ),
            Self::Restore => (
                RESTORE,
                "Wrong S3 configuration on restore backup action. Check S3 integration.",
            ),
        }
    }
}

/// What both actions need, checked.
pub(super) struct Ready {
    pub(super) catalogue: Catalogue,
    pub(super) passphrase: Arc<Passphrase>,
    pub(super) volume: Volume,
    pub(super) server_name: ServerName,
}

/// Checks everything at once and tells all that is wrong.
pub(super) async fn ready(charm: &Charm, task: Task) -> Result<Ready, Failure> {
    let (lead, store_lead) = task.leads();
    let observation = observe::observe(charm).await.map_err(led(lead))?;
    let mut findings = Vec::new();
    let mut note = |failure: Failure| findings.push(failure);

    let catalogue = match store::catalogue(charm, &observation.backup) {
        Ok(catalogue) => match store::probe(charm, &catalogue).await {
            Ok(()) => Some(catalogue),
            Err(failure) => {
                note(failure.led_by(store_lead));
                None
            }
        },
        Err(failure) => {
            note(failure.led_by(store_lead));
            None
        }
    };
    let passphrase = charm
        .passphrase(&observation.options)
        .map_err(&mut note)
        .ok();
    let waiting =
        |code, cause: &str, hint: &str| Failure::new(Kind::Waiting, code, cause, hint).led_by(lead);
    let later = "wait until the unit is active, then try again";
    if observation.container.is_none() {
        note(waiting(
            "container-not-ready",
            "the container synapse is not ready",
            later,
        ));
    }
    if observation.volume.is_none() {
        note(waiting(
            "storage-not-ready",
            "the storage data is not attached",
            later,
        ));
    }
    let served = observation
        .volume
        .as_ref()
        .and_then(|volume| volume.server_name.clone());
    let wanted = || ServerName::parse(observation.options.text("server_name")?).ok();
    let server_name = match task {
        Task::Create => served,
        // All may be lost: then the server is the one that the operator named.
        Task::Restore => served.or_else(wanted),
    };
    let cut_off = observation
        .volume
        .as_ref()
        .is_some_and(|volume| volume.cut_off);
    if let (Task::Create, true) = (task, cut_off) {
        let cause = "a restore was cut off, so the data here may be half of two servers";
        let hint = format!(
            "juju run {}/leader restore-backup backup-id=...",
            charm.application()
        );
        note(Failure::new(Kind::Operator, "restore-cut-off", cause, hint).led_by(lead));
    }
    if observation.volume.is_some() && server_name.is_none() {
        let hint = format!(
            "run juju config {} server_name=<domain>, and wait until the unit is active",
            charm.application()
        );
        note(waiting(
            "synapse-never-started",
            "there is no database on the volume: Synapse has never started here",
            &hint,
        ));
    }
    match (catalogue, passphrase, observation.volume, server_name) {
        (Some(catalogue), Some(passphrase), Some(volume), Some(server_name))
            if findings.is_empty() =>
        {
            Ok(Ready {
                catalogue,
                passphrase: Arc::new(passphrase),
                volume,
                server_name,
            })
        }
        _ => Err(Failure::all(findings)
            .unwrap_or_else(|| waiting("not-ready", "the unit is not ready", later))),
    }
}
