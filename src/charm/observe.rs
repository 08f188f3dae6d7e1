//! One look at the world: all reads, no decisions.

use std::path::{Path, PathBuf};

use tracing::debug;

use super::Charm;
use super::bucket_relation::{self, Asking, BackupRelation};
use super::database::{self, DatabaseRelation, Offer};
use super::failure;
use super::volume::Volume;
use crate::juju::{Options, Status, ToolError};
use crate::pebble::{PebbleError, Plan, ServiceInfo};
use crate::synapse::config::DatabaseKind;
use crate::synapse::data;

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
    /// What is to be written so that the S3 integrator speaks to us.
    pub(super) asking: Option<Asking>,
    pub(super) database: DatabaseRelation,
    /// Whether anything of a user is in an SQLite database; looked for only where another one is offered.
    pub(super) inhabited: bool,
    /// What is known of the database that is offered.
    pub(super) offer: Offer,
    /// Why a swap of data that a killed process left open is neither made nor taken back.
    pub(super) unfinished: Option<Status>,
}

/// What Pebble says of the workload.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) plan: Plan,
    pub(super) services: Vec<ServiceInfo>,
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
    // Pebble answers meanwhile.
    let (told, container) = tokio::join!(told(charm), container(charm));
    let (told, container) = (told?, container?);
    let Told {
        options,
        volume,
        database,
        backup,
        asking,
        opened_ports,
    } = told;
    Ok(Observation {
        options,
        inhabited: match (&volume, &container, &database) {
            (_, _, DatabaseRelation::Absent) | (None, ..) | (_, None, _) => false,
            (Some(volume), Some(_), _) => {
                volume.database == Some(DatabaseKind::Sqlite) && inhabited(charm).await
            }
        },
        offer: match (&volume, &container) {
            (Some(volume), Some(_)) => database::offer(charm, volume, &database).await,
            (None, _) | (_, None) => Offer::Fit,
        },
        volume,
        container,
        database,
        opened_ports,
        backup,
        asking,
        unfinished: charm.unfinished.get().cloned(),
    })
}

/// What Juju says.
struct Told {
    options: Options,
    volume: Option<Volume>,
    database: DatabaseRelation,
    backup: BackupRelation,
    asking: Option<Asking>,
    opened_ports: Vec<String>,
}

async fn told(charm: &Charm) -> Result<Told, ObserveError> {
    let backup = async {
        let Some(told) = bucket_relation::Told::read(&charm.tools).await? else {
            return Ok((BackupRelation::Absent, None));
        };
        let understood = told.understood(&charm.tools).await?;
        Ok::<_, ToolError>((understood, told.asking(charm).await?))
    };
    // The agent runs one hook tool at a time; the next ones start meanwhile, which takes as long as running them.
    let (options, volume, database, backup, opened_ports) = tokio::join!(
        charm.options(),
        volume(charm),
        database::relation(charm),
        backup,
        charm.tools.opened_ports(),
    );
    let (backup, asking) = backup?;
    Ok(Told {
        options: options?.clone(),
        volume: volume?,
        database: database?,
        backup,
        asking,
        opened_ports: opened_ports?,
    })
}

pub(super) async fn volume(charm: &Charm) -> Result<Option<Volume>, ObserveError> {
    let here = mount(charm).await?;
    Ok(here.map(|here| Volume::look(here.to_owned())).transpose()?)
}

/// Where the data volume is mounted, once it is; asked for once in a wake-up.
pub(super) async fn mount(charm: &Charm) -> Result<Option<&Path>, ToolError> {
    let asked = charm.mount.get_or_try_init(|| find_mount(charm)).await?;
    Ok(asked.as_deref())
}

async fn find_mount(charm: &Charm) -> Result<Option<PathBuf>, ToolError> {
    let Some(storage) = charm.tools.storage_list(STORAGE).await?.into_iter().next() else {
        return Ok(None);
    };
    // While the storage is on its way, its place may be asked for in vain.
    match charm.tools.storage_location(&storage).await {
        Ok(here) if here.is_dir() => Ok(Some(here)),
        Ok(here) => {
            debug!(%storage, here = %here.display(), "no directory at the place of the storage");
            Ok(None)
        }
        Err(ToolError::Failed { message, .. }) => {
            debug!(%storage, message, "storage has no place yet");
            Ok(None)
        }
        Err(error) => Err(error),
    }
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

/// Whether there is anything in the SQLite database that somebody would miss.
async fn inhabited(charm: &Charm) -> bool {
    match data::inhabited(&charm.client).await {
        Ok(inhabited) => inhabited,
        Err(error) => {
            // Who is not sure keeps what there is.
            debug!(
                error = failure::chain(&error),
                "the database could not be read"
            );
            true
        }
    }
}
