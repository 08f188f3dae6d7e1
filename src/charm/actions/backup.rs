//! `create-backup` and `restore-backup`.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::listing::{absent, parse_id};
use super::{Results, leading, led};
use crate::backup::{
    self, BackupId, Catalogue, Created, Creation, Database, Monitor, Origin, Phase, Restored,
    Source, SourceRoot, State,
};
use crate::charm::failure::{self, Failure, Kind};
use crate::charm::report::reported;
use crate::charm::volume::{self, Volume};
use crate::charm::{Charm, PRIVATE, STARTING, now, observe, store};
use crate::openpgp::Passphrase;
use crate::synapse::{self, ServerName, data};

const CREATE: &str = "Error Creating Backup.";
const RESTORE: &str = "Error Restoring Backup.";
/// Room that must stay free on the volume beside the copy of the database.
const RESERVE: u64 = 16 * 1024 * 1024;

/// What both actions need, checked.
struct Ready {
    catalogue: Catalogue,
    passphrase: Arc<Passphrase>,
    volume: Volume,
    server_name: ServerName,
}

/// Checks everything at once and tells all that is wrong.
async fn ready(
    charm: &Charm,
    lead: &'static str,
    store_lead: &'static str,
) -> Result<Ready, Failure> {
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
    let server_name = observation
        .volume
        .as_ref()
        .and_then(|volume| volume.server_name.clone());
    if observation.volume.is_some() && server_name.is_none() {
        let hint = format!(
            "run juju config {} server_name=<domain>, and wait until the unit is active",
            charm.application()
        );
        note(waiting(
            "synapse-never-started",
            "Synapse has never started here",
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

pub(super) async fn create(charm: &Charm) -> Result<Results, Failure> {
    leading(charm, charm.leader(CREATE).await?, "create-backup")?;
    let started = now();
    let lead = "Wrong S3 configuration on create backup action. Check S3 integration.";
    let ready = ready(charm, CREATE, lead).await?;
    let copied = room_for_copy(&ready.volume)?;

    let (monitor, progress) = Monitor::new();
    let created = reported(
        charm,
        "backup",
        progress,
        create_with(charm, &ready, started, copied, &monitor),
    )
    .await;
    // The copy of the database is of no use to anybody afterwards, whatever came of it.
    volume::remove(&ready.volume.here.join(PRIVATE).join("snapshot"));
    let Created { manifest, retries } = created?;

    let warnings = manifest.warnings.join("\n");
    let mut results = Results::from([
        ("result".to_owned(), "correct".to_owned()),
        ("backup-id".to_owned(), manifest.id.to_string()),
        ("state".to_owned(), state(manifest.state).to_owned()),
        ("size".to_owned(), manifest.size.to_string()),
        ("content".to_owned(), manifest.content.to_string()),
        ("files".to_owned(), manifest.members.to_string()),
        ("seconds".to_owned(), seconds(started, now())),
        ("retries".to_owned(), retries.to_string()),
    ]);
    if !warnings.is_empty() {
        results.insert("warnings".to_owned(), warnings);
    }
    Ok(results)
}

fn state(state: State) -> &'static str {
    match state {
        State::Finished => "finished",
        State::FinishedWithWarnings => "finished with warnings",
    }
}

fn seconds(started: Timestamp, ended: Timestamp) -> String {
    format!("{:.1}", ended.duration_since(started).as_secs_f64())
}

/// The copy of the database lies on the data volume for a while; gives its size.
fn room_for_copy(volume: &Volume) -> Result<u64, Failure> {
    let size = data::database_size(&volume.here)
        .map_err(led(CREATE))?
        .unwrap_or_default();
    let available = volume.available().map_err(led(CREATE))?;
    if size + RESERVE <= available {
        return Ok(size);
    }
    let cause = format!(
        "the copy of the database needs {} bytes on the data volume, and {available} are free",
        size + RESERVE
    );
    Err(Failure::new(
        Kind::Operator,
        "no-space",
        cause,
        "give the storage data more room",
    )
    .led_by(CREATE))
}

async fn create_with(
    charm: &Charm,
    ready: &Ready,
    started: Timestamp,
    copied: u64,
    monitor: &Monitor,
) -> Result<Created, Failure> {
    monitor.enter(Phase::Snapshot, copied);
    let here = &ready.volume.here;
    // Below its root the copy has the very path that the database has below `/`, and so the same member name.
    let root = format!("{}/{PRIVATE}/snapshot", synapse::DATA);
    let place = here
        .join(PRIVATE)
        .join("snapshot")
        .join(relative(synapse::DATA));
    volume::remove(&here.join(PRIVATE).join("snapshot"));
    volume::own_directories(here, &place).map_err(led(CREATE))?;
    let copy = format!("{root}{}/homeserver.db", synapse::DATA);
    let snapshot = data::snapshot(&charm.client, &copy)
        .await
        .map_err(led(CREATE))?;

    let base = relative(synapse::DATA);
    let saved = data::saved(here).map_err(led(CREATE))?;
    let (content, members) = volume::measure(here, &saved).map_err(led(CREATE))?;
    let source = Source {
        roots: vec![
            SourceRoot {
                directory: root,
                paths: vec![format!("{base}/homeserver.db")],
            },
            SourceRoot {
                directory: "/".to_owned(),
                paths: saved
                    .iter()
                    .map(|path| Path::new(base).join(path).display().to_string())
                    .collect(),
            },
        ],
        user_id: synapse::UID,
        group_id: synapse::GID,
        content: content + snapshot.size,
        members: members + 1,
    };
    let origin = Origin {
        server_name: ready.server_name.to_string(),
        charm_version: env!("CARGO_PKG_VERSION").to_owned(),
        synapse_version: charm.synapse_version().await,
        database: Some(Database {
            kind: "sqlite".to_owned(),
            schema_version: snapshot.schema_version,
            schema_compat_version: snapshot.schema_compat_version,
        }),
    };
    let creation = Creation {
        client: &charm.client,
        catalogue: &ready.catalogue,
        passphrase: &ready.passphrase,
        id: &BackupId::at(started),
        started,
        source: &source,
        origin: &origin,
    };
    backup::create(&creation, now, monitor)
        .await
        .map_err(led(CREATE))
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

pub(super) async fn restore(charm: &Charm, id: &str) -> Result<Results, Failure> {
    leading(charm, charm.leader(RESTORE).await?, "restore-backup")?;
    let id = parse_id(id)?;
    let started = now();
    let lead = "Wrong S3 configuration on restore backup action. Check S3 integration.";
    let ready = ready(charm, RESTORE, lead).await?;
    let place = backup::Place {
        here: ready.volume.here.clone(),
        there: synapse::DATA.to_owned(),
        private: PRIVATE,
        user_id: synapse::UID,
        group_id: synapse::GID,
        replaced: data::replaced,
        service: synapse::SERVICE.to_owned(),
        server_name: ready.server_name.to_string(),
    };
    let (monitor, progress) = Monitor::new();
    let healthy = async || {
        charm
            .healthy(STARTING)
            .await
            .map_err(|error| failure::chain(&error))
    };
    let work = backup::restore(
        &charm.client,
        &ready.catalogue,
        &ready.passphrase,
        &id,
        &place,
        healthy,
        &monitor,
    );
    let restored = reported(charm, "restore", progress, work).await;
    let Restored {
        manifest,
        replaced,
        downtime,
    } = restored.map_err(|error| absent(&error).unwrap_or_else(|| led(RESTORE)(error)))?;

    let mut results = Results::from([
        ("result".to_owned(), "correct".to_owned()),
        ("backup-id".to_owned(), id.to_string()),
        ("backup-finished".to_owned(), manifest.finished.to_string()),
        ("content".to_owned(), manifest.content.to_string()),
        ("files".to_owned(), manifest.members.to_string()),
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
