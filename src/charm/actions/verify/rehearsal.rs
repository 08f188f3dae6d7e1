//! Starts Synapse on what was unpacked of a backup, offline, and compares what it then has with what was saved.

use std::collections::BTreeMap;
use std::time::Duration;

use super::database::{look, same_rows};
use crate::backup::{RestoreError, Sealed};
use crate::charm::{Charm, failure};
use crate::synapse::ServerName;
use crate::synapse::data::Checked;
use crate::synapse::rehearsal::rehearse;

/// How long Synapse may take until it answers: a database of some years ago is brought to the new schema first.
const DEADLINE: Duration = Duration::from_secs(3600);
/// What a start of Synapse never changes, whatever it tidies up.
const LASTING: [&str; 5] = [
    "events",
    "event_json",
    "local_media_repository",
    "rooms",
    "users",
];

/// Starts Synapse on an unpacked data directory, as the workload sees it, and stops it; gives the database as it was
/// before.
pub(super) async fn start(
    charm: &Charm,
    sealed: &Sealed,
    there: &str,
) -> Result<Checked, RestoreError> {
    let before = look(charm, sealed, there).await?;
    // A backup of the Python charm does not say whose it is, and its database may.
    let named = ServerName::parse(sealed.server_name()).ok();
    let Some(name) = before.server_name.clone().or(named) else {
        let cause = "the backup does not tell whose it is".to_owned();
        return Err(RestoreError::Unlooked(cause));
    };
    let rehearsed = rehearse(&charm.client, there, &name, DEADLINE).await;
    let rehearsed = rehearsed.map_err(|error| {
        let cause = failure::chain(&error);
        match error.is_about_the_data() {
            true => RestoreError::Rehearsal(cause),
            false => RestoreError::Unlooked(cause),
        }
    })?;
    tracing::info!(
        server = %name, version = rehearsed.version, seconds = rehearsed.seconds,
        made_up = rehearsed.made_up.len(), "synapse worked on the backup"
    );
    let lasting = before.rows.clone().into_iter();
    let lasting: BTreeMap<String, u64> = lasting
        .filter(|(table, _)| LASTING.contains(&table.as_str()))
        .collect();
    same_rows(&lasting, &rehearsed.database.rows).map_err(RestoreError::Rehearsal)?;
    Ok(before)
}
