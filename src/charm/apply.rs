//! Does what was decided, in its order, and nothing else.

use std::io;
use std::time::Duration;

use secrecy::ExposeSecret;
use tracing::info;

use super::bucket_relation::Asking;
use super::decide::Step;
use super::{Charm, observe, volume};
use crate::juju::ToolError;
use crate::pebble::{DirOptions, PebbleError, WriteOptions};
use crate::synapse::{GID, UID, layer};

/// How long services may take to stop and start again: Synapse's kill delay, and a margin.
const REPLAN: Duration = Duration::from_secs(90);

/// Why a step could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    #[error("failed to tell juju")]
    Juju(#[from] ToolError),
    #[error("failed to tell pebble")]
    Pebble(#[from] PebbleError),
    #[error("failed to give the data volume to Synapse")]
    Own(#[source] io::Error),
    #[error("failed to look at the data volume")]
    Look(#[source] observe::ObserveError),
}

/// Makes the steps; tells whether Synapse was started or stopped by them.
pub(super) async fn apply(charm: &Charm, steps: Vec<Step>) -> Result<bool, ApplyError> {
    let mut started = false;
    for step in steps {
        match step {
            Step::OwnVolume => {
                let volume = observe::volume(charm).await.map_err(ApplyError::Look)?;
                if let Some(volume) = volume {
                    info!("data volume given to Synapse");
                    volume::own(&volume.here).map_err(ApplyError::Own)?;
                }
            }
            Step::MakeDirectory(path) => {
                let options = DirOptions {
                    mode: 0o750,
                    user_id: Some(UID),
                    group_id: Some(GID),
                    make_parents: true,
                };
                charm.client.make_dir(&path, &options).await?;
            }
            Step::WriteFile(file) => {
                info!(path = file.path, "file written");
                let options = WriteOptions {
                    mode: file.mode,
                    user_id: Some(file.user_id),
                    group_id: Some(file.group_id),
                    make_dirs: false,
                };
                let contents = file.contents.expose_secret().as_bytes();
                charm.client.write(&file.path, contents, &options).await?;
            }
            Step::AddLayer(layer) => charm.client.add_layer(layer::LABEL, &layer).await?,
            Step::Replan => {
                info!("services started as planned");
                charm.client.replan(REPLAN).await?;
                started = true;
            }
            Step::OpenPort(port) => charm.tools.open_port(port).await?,
            Step::AskForBucket(Asking { relation, settings }) => {
                let keys = settings.keys().map(String::as_str);
                let keys = keys.collect::<Vec<_>>().join(" ");
                info!(%relation, keys, "asked for a bucket");
                charm.tools.relation_set_app(&relation, &settings).await?;
            }
            Step::AskForDatabase { relation, settings } => {
                info!(%relation, "database asked for");
                charm.tools.relation_set_app(&relation, &settings).await?;
            }
        }
    }
    Ok(started)
}
