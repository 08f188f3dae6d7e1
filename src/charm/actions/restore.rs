//! `restore-backup`.

use super::listing::{absent, parse_id};
use super::ready::{RESTORE, Task, ready};
use super::{Results, leading, led, seconds};
use crate::backup::{self, Monitor, Restored};
use crate::charm::failure::{self, Failure};
use crate::charm::report::reported;
use crate::charm::{Charm, PRIVATE, STARTING, Swap, now};
use crate::synapse::{self, data};

pub(super) async fn restore(charm: &Charm, id: &str) -> Result<Results, Failure> {
    leading(charm, charm.leader(RESTORE).await?, "restore-backup")?;
    let id = parse_id(id)?;
    let started = now();
    let ready = ready(charm, Task::Restore).await?;
    let place = backup::Place {
        here: ready.volume.here.clone(),
        there: synapse::DATA.to_owned(),
        private: PRIVATE,
        user_id: synapse::UID,
        group_id: synapse::GID,
        replaced: data::replaced,
        permitted: |_| true,
        service: synapse::SERVICE.to_owned(),
        server_name: ready.server_name.to_string(),
    };
    let (monitor, progress) = Monitor::new();
    let bring_up = async || {
        let brought_up = charm.bring_up(Swap::Own).await;
        brought_up.map_err(|error| failure::chain(&error))?;
        let healthy = charm.healthy(STARTING).await;
        healthy.map_err(|error| failure::chain(&error))
    };
    let work = backup::restore(
        &charm.client,
        &ready.catalogue,
        &ready.passphrase,
        &id,
        &place,
        bring_up,
        &monitor,
    );
    let restored = reported(charm, "restore", progress, work).await;
    let Restored {
        finished,
        members,
        content,
        replaced,
        downtime,
    } = restored.map_err(|error| absent(&error).unwrap_or_else(|| led(RESTORE)(error)))?;

    let mut results = Results::from([
        ("result".to_owned(), "correct".to_owned()),
        ("backup-id".to_owned(), id.to_string()),
        ("backup-finished".to_owned(), finished.to_string()),
        ("content".to_owned(), content.to_string()),
        ("files".to_owned(), members.to_string()),
        ("seconds".to_owned(), seconds(started, now())),
        (
            "seconds-down".to_owned(),
            format!("{:.1}", downtime.as_secs_f64()),
        ),
    ]);
    if let Some(replaced) = replaced {
        let note = format!(
            "what was there before is kept in {replaced} of the workload until the next restore"
        );
        results.insert("replaced".to_owned(), note);
    }
    Ok(results)
}
