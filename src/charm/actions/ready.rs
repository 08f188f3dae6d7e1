//! What a backup and a restore need before they begin, looked for at once, so that all that is wrong is told together.

use std::sync::Arc;

use super::led;
use crate::backup::{Catalogue, Claim};
use crate::charm::failure::{Failure, Kind};
use crate::charm::observe::{self, Container, Observation};
use crate::charm::passphrases::Passphrases;
use crate::charm::volume::Volume;
use crate::charm::{Charm, owner, store};
use crate::juju::Options;
use crate::openpgp::Passphrase;
use crate::pebble::ServiceStatus;
use crate::synapse::config::DatabaseKind;
use crate::synapse::{self, ServerName};

/// The Python charm's leading phrase for whatever goes wrong with a backup.
pub(super) const CREATE: &str = "Error Creating Backup.";
/// And for a restore.
pub(super) const RESTORE: &str = "Error Restoring Backup.";

/// What to do about whatever passes by itself.
const LATER: &str = "wait until the unit is active, then try again";

/// Which action needs it.
#[derive(Clone, Copy)]
pub(super) enum Task {
    Create(Claim),
    Restore,
}

impl Task {
    /// The Python charm's leading phrases: for anything, and for the S3 configuration.
    pub(super) fn leads(self) -> (&'static str, &'static str) {
        match self {
            Self::Create(_) => (
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

/// What was found of what an action needs, and what is wrong with the rest.
pub(super) struct Look {
    pub(super) options: Options,
    pub(super) catalogue: Option<Catalogue>,
    /// What a new backup is sealed with, or an old one may open with; none when that is a finding.
    pub(super) passphrases: Vec<Arc<Passphrase>>,
    /// What is to be said of the strength of the first.
    pub(super) weakness: Option<String>,
    pub(super) volume: Option<Volume>,
    pub(super) server_name: Option<ServerName>,
    pub(super) database: Lives,
    /// What Pebble says of Synapse, when the workload answers.
    pub(super) service: Option<&'static str>,
    pub(super) findings: Vec<Failure>,
    lead: &'static str,
}

/// What both actions need, checked.
pub(super) struct Ready {
    pub(super) catalogue: Catalogue,
    /// What a new backup is sealed with; one of those below.
    pub(super) passphrase: Arc<Passphrase>,
    /// What a backup may be opened with.
    pub(super) passphrases: Vec<Arc<Passphrase>>,
    /// What is to be said of its strength.
    pub(super) weakness: Option<String>,
    pub(super) volume: Volume,
    pub(super) server_name: ServerName,
    pub(super) database: Lives,
}

/// Where the server has its database.
pub(super) struct Lives {
    pub(super) kind: DatabaseKind,
    /// The application that gives it, if one does.
    pub(super) provider: Option<String>,
}

impl Look {
    /// Looks at everything.
    pub(super) async fn at(charm: &Charm, task: Task) -> Result<Self, Failure> {
        let (lead, store_lead) = task.leads();
        let seen = observe::observe(charm).await.map_err(led(lead))?;
        let mut findings = Vec::new();
        let mut note = |failure: Failure| findings.push(failure);

        let catalogue = match store::catalogue(charm, &seen.backup).await {
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
        if let (Task::Create(Claim::Own | Claim::Check), Some(catalogue)) = (task, &catalogue) {
            let me = owner::me(charm, seen.volume.as_ref(), &seen.options);
            if let Err(error) = catalogue.owned_by(&me).await {
                note(owner::refused(&error).led_by(lead));
            }
        }
        let known = Passphrases::resolve(charm, &seen.options).await;
        let weakness = known.weakness.clone();
        let passphrases = match task {
            Task::Create(_) => known.current.map(|current| vec![current]),
            Task::Restore => known.opening(),
        };
        let passphrases = passphrases.unwrap_or_else(|flaw| {
            note(flaw.failure.or_led_by(lead));
            Vec::new()
        });
        for (found, code, cause) in [
            (
                seen.container.is_some(),
                "container-not-ready",
                "the container synapse is not ready",
            ),
            (
                seen.volume.is_some(),
                "storage-not-ready",
                "the storage data is not attached",
            ),
        ] {
            if !found {
                note(Failure::new(Kind::Waiting, code, cause, LATER).led_by(lead));
            }
        }
        if let Some(unfinished) = &seen.unfinished {
            let cause = unfinished.message().to_owned();
            let failure = Failure::new(Kind::Operator, "restore-unfinished", cause, UNFINISHED);
            note(failure.led_by(lead));
        }
        let server_name = server_name(&seen, task);
        if seen.volume.is_some() && server_name.is_none() {
            let cause = "there is no database on the volume: Synapse has never started here";
            let hint = format!(
                "run juju config {} server_name=<domain>, and wait until the unit is active",
                charm.application()
            );
            let failure = Failure::new(Kind::Waiting, "synapse-never-started", cause, hint);
            note(failure.led_by(lead));
        }
        Ok(Self {
            database: lives(&seen),
            service: seen.container.as_ref().map(service),
            options: seen.options,
            catalogue,
            passphrases,
            weakness,
            volume: seen.volume,
            server_name,
            findings,
            lead,
        })
    }

    /// All of it, if nothing is wrong.
    pub(super) fn ready(self) -> Result<Ready, Failure> {
        let lead = self.lead;
        match (
            self.catalogue,
            self.passphrases.first().cloned(),
            self.volume,
            self.server_name,
        ) {
            (Some(catalogue), Some(passphrase), Some(volume), Some(server_name))
                if self.findings.is_empty() =>
            {
                Ok(Ready {
                    catalogue,
                    passphrase,
                    passphrases: self.passphrases,
                    weakness: self.weakness,
                    volume,
                    server_name,
                    database: self.database,
                })
            }
            _ => Err(Failure::all(self.findings).unwrap_or_else(|| {
                Failure::new(Kind::Waiting, "not-ready", "the unit is not ready", LATER)
                    .led_by(lead)
            })),
        }
    }
}

/// What Pebble says of Synapse.
fn service(container: &Container) -> &'static str {
    let mut services = container.services.iter();
    match services.find(|service| service.name == synapse::SERVICE) {
        Some(service) => match service.current {
            ServiceStatus::Active => "runs",
            ServiceStatus::Inactive => "does not run",
            ServiceStatus::Backoff => "ends again and again",
            ServiceStatus::Error => "has failed",
            ServiceStatus::Unknown => "is in a state that this charm does not know",
        },
        None => "was not started yet",
    }
}

/// What helps when a swap stays open.
const UNFINISHED: &str =
    "mend what it names; the next hook tries again, at the latest in a few minutes";

/// Where the database is, or is to be.
fn lives(seen: &Observation) -> Lives {
    let provider = seen.database.provider().map(str::to_owned);
    let offered = match provider {
        Some(_) => DatabaseKind::Postgres,
        None => DatabaseKind::Sqlite,
    };
    let there = seen.volume.as_ref().and_then(|volume| volume.database);
    let kind = there.unwrap_or(offered);
    Lives { kind, provider }
}

/// The server that lives here, or is to.
fn server_name(seen: &Observation, task: Task) -> Option<ServerName> {
    let served = seen
        .volume
        .as_ref()
        .and_then(|volume| volume.server_name.clone());
    match task {
        Task::Create(_) => served,
        // All may be lost: then the server is the one that the operator named.
        Task::Restore => {
            served.or_else(|| ServerName::parse(seen.options.text("server_name")?).ok())
        }
    }
}
