//! What to do about what was found: pure.
//!
//! Every hook decides about the whole state; the hook's name plays no part. Deciding again after the steps were made
//! gives none.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::bucket_relation::Asking;
use super::database::{Choice, DatabaseRelation, choose, request};
use super::observe::Observation;
use super::volume::Volume;
use crate::juju::{RelationId, Status};
use crate::pebble::{Layer, Plan, ServiceStatus};
use crate::synapse::config::{Database, PublicBaseurl, Settings, log_config, old_signing_keys_of};
use crate::synapse::secrets::{self, NewFile};
use crate::synapse::signing_keys::OldSigningKeys;
use crate::synapse::{self, ServerName, layer};

/// One thing to do; the order in which they are decided is the order in which they are made.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Give the data volume to Synapse's user.
    OwnVolume,
    /// Make a directory of the workload, for Synapse's user.
    MakeDirectory(String),
    /// Write a file of the workload.
    WriteFile(NewFile),
    /// Give Pebble the layer.
    AddLayer(Box<Layer>),
    /// Let Pebble start, or start anew, what the plan says.
    Replan,
    /// Let the world in.
    OpenPort(u16),
    /// Write what makes the S3 integrator speak to us.
    AskForBucket(Asking),
    /// Ask a PostgreSQL charm for a database.
    AskForDatabase {
        /// The relation.
        relation: RelationId,
        /// What to write.
        settings: BTreeMap<String, String>,
    },
}

/// What to do, and what keeps Synapse from running as it should.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) steps: Vec<Step>,
    /// What an operator has to change, or what is waited for; `None` when Synapse should now be running.
    pub(super) hindrance: Option<Status>,
}

/// Why nothing could be decided.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecideError {
    #[error("failed to write the configuration down")]
    Yaml(#[from] serde_yaml::Error),
    #[error("the system has no randomness")]
    Random(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Decides. `fill` fills a buffer with randomness, for secrets that are missing.
pub(super) fn decide<E: std::error::Error + Send + Sync + 'static>(
    application: &str,
    seen: &Observation,
    fill: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<Decision, DecideError> {
    let mut steps = Vec::new();
    if let Some(asking) = &seen.asking {
        steps.push(Step::AskForBucket(asking.clone()));
    }
    if let DatabaseRelation::Silent {
        relation,
        asked: false,
        ..
    } = &seen.database
    {
        steps.push(Step::AskForDatabase {
            relation: relation.clone(),
            settings: request(),
        });
    }
    let port = format!("{}/tcp", synapse::PORT);
    if !seen.opened_ports.contains(&port) {
        steps.push(Step::OpenPort(synapse::PORT));
    }

    let on_volume = seen
        .volume
        .as_ref()
        .and_then(|volume| volume.server_name.clone());
    let (settings, mut complaint) = settings(application, seen, on_volume);
    let Some(mut settings) = settings else {
        return Ok(Decision {
            steps,
            hindrance: complaint,
        });
    };
    let Some(volume) = &seen.volume else {
        let hindrance = complaint.or(Some(Status::waiting(
            "waiting for storage data to be attached",
        )));
        return Ok(Decision { steps, hindrance });
    };
    let Some(container) = &seen.container else {
        let hindrance = complaint.or(Some(Status::waiting("waiting for the container synapse")));
        return Ok(Decision { steps, hindrance });
    };

    if let Some(unfinished) = &seen.unfinished {
        // Part of this server and part of another may lie there: neither may run, and nothing is written.
        let hindrance = Some(unfinished.clone());
        return Ok(Decision { steps, hindrance });
    }

    match choose(
        application,
        volume.database,
        seen.inhabited,
        &seen.offer,
        &seen.database,
    ) {
        Choice::Run(database, status) => {
            settings.database = database;
            complaint = complaint.or(status);
        }
        Choice::Leave(status) => {
            let hindrance = complaint.or(Some(status));
            return Ok(Decision { steps, hindrance });
        }
    }

    workload(&mut steps, volume, &settings, fill)?;
    let wanted = layer::layer(&settings.homeserver_yaml()?, &log_config()?);
    let running = |name: &str| {
        let service = container
            .services
            .iter()
            .find(|service| service.name == name);
        service.is_some_and(|service| service.current == ServiceStatus::Active)
    };
    if !covers(&container.plan, &wanted) {
        steps.push(Step::AddLayer(Box::new(wanted)));
        steps.push(Step::Replan);
    } else if !running(synapse::SERVICE) {
        steps.push(Step::Replan);
    }
    Ok(Decision {
        steps,
        hindrance: complaint,
    })
}

/// What the operator wants Synapse to be, as far as it can be had, and what is wrong with it.
///
/// Once there is data, its server name stays, whatever the option says, and Synapse goes on running under it.
fn settings(
    application: &str,
    seen: &Observation,
    served: Option<ServerName>,
) -> (Option<Settings>, Option<Status>) {
    let mut complaint = None;
    let server_name = match (
        seen.options
            .text("server_name")
            .filter(|name| !name.is_empty()),
        served,
    ) {
        (None, served) => {
            let text = format!("set server_name: juju config {application} server_name=<domain>");
            complaint = Some(Status::blocked(text));
            served
        }
        (Some(text), served) => match (ServerName::parse(text), served) {
            (Ok(wanted), Some(served)) if wanted != served => {
                let text = format!(
                    "server_name cannot change: juju config {application} server_name={served}"
                );
                complaint = Some(Status::blocked(text));
                Some(served)
            }
            (Ok(wanted), _) => Some(wanted),
            (Err(error), served) => {
                complaint = Some(Status::blocked(format!("server_name is invalid: {error}")));
                served
            }
        },
    };
    let public_baseurl = match seen
        .options
        .text("public_baseurl")
        .filter(|url| !url.is_empty())
    {
        None => None,
        Some(url) => match PublicBaseurl::parse(url) {
            Ok(url) => Some(url),
            Err(error) => {
                complaint.get_or_insert_with(|| {
                    Status::blocked(format!("public_baseurl is invalid: {error}"))
                });
                None
            }
        },
    };
    let settings = server_name.map(|server_name| Settings {
        server_name,
        public_baseurl,
        report_stats: seen.options.flag("report_stats").unwrap_or(false),
        old_signing_keys: old_signing_keys(seen),
        // Chosen once the volume is there.
        database: Database::Sqlite,
    });
    (settings, complaint)
}

/// The keys that the server no longer signs with: nobody but its own configuration knows them.
fn old_signing_keys(seen: &Observation) -> OldSigningKeys {
    let volume = seen.volume.as_ref();
    let configuration = volume.and_then(|volume| volume.configuration.as_ref());
    configuration
        .and_then(|text| old_signing_keys_of(text.expose_secret()).ok())
        .unwrap_or_default()
}

/// The volume's owner, and the files that Synapse needs on it.
fn workload<E: std::error::Error + Send + Sync + 'static>(
    steps: &mut Vec<Step>,
    volume: &Volume,
    settings: &Settings,
    fill: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<(), DecideError> {
    if !volume.owned {
        steps.push(Step::OwnVolume);
    }
    if !volume
        .names
        .iter()
        .any(|name| synapse::MEDIA.ends_with(&format!("/{name}")))
    {
        steps.push(Step::MakeDirectory(synapse::MEDIA.to_owned()));
    }
    let existing: Vec<&str> = volume.names.iter().map(String::as_str).collect();
    let missing = secrets::missing(&settings.server_name, &existing, fill);
    let missing = missing.map_err(|error| DecideError::Random(Box::new(error)))?;
    steps.extend(missing.into_iter().map(Step::WriteFile));
    for (path, wanted, there) in [
        (
            synapse::LOG_CONFIG,
            log_config()?,
            volume.log_configuration.as_deref(),
        ),
        (
            synapse::CONFIG,
            settings.homeserver_yaml()?,
            volume
                .configuration
                .as_ref()
                .map(ExposeSecret::expose_secret),
        ),
    ] {
        if there != Some(wanted.as_str()) {
            steps.push(Step::WriteFile(configuration(path, wanted)));
        }
    }
    Ok(())
}

fn configuration(path: &str, contents: String) -> NewFile {
    NewFile {
        path: path.to_owned(),
        contents: SecretString::from(contents),
        mode: 0o640,
        user_id: synapse::UID,
        group_id: synapse::GID,
    }
}

/// Whether the plan has everything that the layer has.
fn covers(plan: &Plan, layer: &Layer) -> bool {
    layer
        .services
        .iter()
        .all(|(name, service)| plan.services.get(name) == Some(service))
        && layer
            .checks
            .iter()
            .all(|(name, check)| plan.checks.get(name) == Some(check))
}

#[cfg(test)]
mod tests;
