//! One look at the world: all reads, no decisions.

use tracing::debug;

use super::Charm;
use super::volume::Volume;
use crate::juju::{Options, RelationId, ToolError};
use crate::pebble::{PebbleError, Plan, ServiceInfo};
use crate::s3::{Params, Problem};

/// The endpoint that names the bucket.
const BACKUP: &str = "backup";
/// The storage that holds all data.
const STORAGE: &str = "data";

/// What a hook or an action found.
#[derive(Debug)]
pub(super) struct Observation {
    pub(super) options: Options,
    /// The data volume, once it is attached.
    pub(super) volume: Option<Volume>,
    /// The workload, when its Pebble answers.
    pub(super) container: Option<Container>,
    pub(super) opened_ports: Vec<String>,
    pub(super) backup: BackupRelation,
}

/// What Pebble says of the workload.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) plan: Plan,
    pub(super) services: Vec<ServiceInfo>,
}

/// What the S3 integrator has told us.
#[derive(Debug)]
pub(super) enum BackupRelation {
    /// There is no relation.
    Absent,
    /// It has said nothing yet. The older integrators wait to be asked; `asked` is true once that is done, and for a unit
    /// that does not lead, as it may not ask.
    Silent { relation: RelationId, asked: bool },
    /// What it says cannot be used.
    Invalid(Vec<Problem>),
    /// A bucket and the keys to it.
    Ready(Params),
}

/// Why the world could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum ObserveError {
    #[error("failed to ask juju")]
    Juju(#[from] ToolError),
    #[error("failed to ask pebble")]
    Pebble(#[from] PebbleError),
    #[error("failed to read the data volume")]
    Volume(#[from] std::io::Error),
}

pub(super) async fn observe(charm: &Charm) -> Result<Observation, ObserveError> {
    Ok(Observation {
        options: charm.tools.config_get().await?,
        volume: volume(charm).await?,
        container: container(charm).await?,
        opened_ports: charm.tools.opened_ports().await?,
        backup: backup_relation(charm).await?,
    })
}

pub(super) async fn volume(charm: &Charm) -> Result<Option<Volume>, ObserveError> {
    let Some(storage) = charm.tools.storage_list(STORAGE).await?.into_iter().next() else {
        return Ok(None);
    };
    // While the storage is on its way, its place may be asked for in vain.
    let here = match charm.tools.storage_location(&storage).await {
        Ok(here) if here.is_dir() => here,
        Ok(here) => {
            debug!(%storage, here = %here.display(), "no directory at the place of the storage");
            return Ok(None);
        }
        Err(ToolError::Failed { message, .. }) => {
            debug!(%storage, message, "storage has no place yet");
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Some(Volume::look(here)?))
}

async fn container(charm: &Charm) -> Result<Option<Container>, ObserveError> {
    let asked = async {
        let plan = charm.client.plan().await?;
        let services = charm.client.services(&[]).await?;
        Ok(Container { plan, services })
    };
    match asked.await {
        Ok(container) => Ok(Some(container)),
        Err(error @ PebbleError::CannotConnect { .. }) => {
            debug!(%error, "the workload does not answer");
            Ok(None)
        }
        Err(error) if PebbleError::is_connection(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads what the S3 integrator has told us.
pub(super) async fn backup_relation(charm: &Charm) -> Result<BackupRelation, ToolError> {
    let Some(relation) = charm.tools.relation_ids(BACKUP).await?.into_iter().next() else {
        return Ok(BackupRelation::Absent);
    };
    let told = match charm.tools.relation_app(&relation).await? {
        Some(provider) => charm.tools.relation_get(&relation, &provider).await?,
        None => crate::juju::Databag::default(),
    };
    // Libraries keep books under `data` before they say anything.
    if told.as_map().keys().all(|key| key == "data") {
        let asked = match charm.tools.is_leader().await? {
            true => charm
                .tools
                .relation_get(&relation, charm.application())
                .await?
                .get("bucket")
                .is_some(),
            false => true,
        };
        return Ok(BackupRelation::Silent { relation, asked });
    }
    Ok(match Params::parse(told.as_map()) {
        Ok(params) => BackupRelation::Ready(params),
        Err(problems) => BackupRelation::Invalid(problems),
    })
}
