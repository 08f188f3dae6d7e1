//! `create-backup`.

use std::path::Path;

use jiff::Timestamp;

use super::ready::{CREATE, Look, Ready, Task};
use super::{Results, leading, led, seconds};
use crate::backup::{
    self, BackupId, Created, Creation, Database, Monitor, Origin, Phase, Source, SourceRoot, State,
};
use crate::charm::failure::{Failure, Kind};
use crate::charm::lease::{Without, holding};
use crate::charm::report::reported;
use crate::charm::volume::{self, SNAPSHOT, Volume};
use crate::charm::{Charm, PRIVATE, now};
use crate::synapse::{self, data};

/// Room that must stay free on the volume beside the copy of the database.
const RESERVE: u64 = 16 * 1024 * 1024;

pub(super) async fn create(charm: &Charm) -> Result<Results, Failure> {
    leading(charm, charm.leader(CREATE).await?, "create-backup")?;
    let started = now();
    let ready = Look::at(charm, Task::Create).await?.ready()?;
    let snapshot = ready.volume.here.join(PRIVATE).join(SNAPSHOT);
    // What a killed run left would be counted as taken.
    volume::remove(&snapshot);
    let copied = room_for_copy(&ready.volume)?;

    let (monitor, progress) = Monitor::new();
    let work = create_with(charm, &ready, started, copied, &monitor);
    let held = holding(
        charm,
        &ready.catalogue,
        ("create-backup", CREATE),
        Without::Fail,
        reported(charm, "backup", progress, work),
    );
    let created = held.await;
    // The copy of the database is of no use to anybody afterwards, whatever came of it.
    volume::remove(&snapshot);
    let Created { manifest, retries } = created?;

    let warnings: Vec<String> = [
        manifest.warnings.clone(),
        ready.weakness.into_iter().collect(),
    ]
    .concat();
    let warnings = warnings.join("\n");
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

/// The copy of the database lies on the data volume for a while; gives its size.
fn room_for_copy(volume: &Volume) -> Result<u64, Failure> {
    let size = data::database_size(&volume.here)
        .map_err(led(CREATE))?
        .unwrap_or_default();
    let available = volume.room().map_err(led(CREATE))?.bytes;
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
    let root = format!("{}/{PRIVATE}/{SNAPSHOT}", synapse::DATA);
    let place = here
        .join(PRIVATE)
        .join(SNAPSHOT)
        .join(relative(synapse::DATA));
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
