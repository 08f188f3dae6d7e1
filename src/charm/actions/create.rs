//! `create-backup`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::ready::{CREATE, Look, Ready, Task};
use super::{Parameters, Results, leading, led, seconds};
use crate::backup::{
    self, BackupId, Created, Creation, Database, Findings, Group, Monitor, Origin, Phase, Source,
    SourceRoot, State, Tally,
};
use crate::charm::database::Companion;
use crate::charm::failure::{Failure, Kind};
use crate::charm::lease::{Without, holding};
use crate::charm::report::{reported, size};
use crate::charm::selection::Selection;
use crate::charm::volume::{self, SNAPSHOT, Volume};
use crate::charm::{Charm, PRIVATE, database, now};
use crate::synapse::config::DatabaseKind;
use crate::synapse::{self, data};

/// Room that must stay free on the volume beside the copy of the database.
const RESERVE: u64 = 16 * 1024 * 1024;

pub(super) async fn create(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    leading(charm, charm.leader(CREATE).await?, "create-backup")?;
    let started = now();
    let mut look = Look::at(charm, Task::Create).await?;
    let components = parameters.text("components");
    let selection = Selection::read(charm.application(), &look.options, components);
    let selection = selection.map_err(|problems| {
        let led = problems.into_iter().map(|problem| problem.led_by(CREATE));
        look.findings.extend(led);
    });
    let (ready, Ok(mut selection)) = (look.ready()?, selection) else {
        return Err(Failure::new(
            Kind::Fault,
            "not-ready",
            "the unit is not ready",
            "try again",
        ));
    };
    if ready.database.kind == DatabaseKind::Postgres {
        let left = selection.without_database(ready.database.provider.as_deref());
        left.map_err(|failure| failure.led_by(CREATE))?;
    }
    let snapshot = ready.volume.here.join(PRIVATE).join(SNAPSHOT);
    // What a killed run left would be counted as taken.
    volume::remove(&snapshot);
    let copied = match selection.has_database() {
        true => room_for_copy(&ready.volume)?,
        false => 0,
    };
    if parameters.flag("dry-run") {
        return plan(&ready, &selection, copied);
    }

    let (monitor, progress) = Monitor::new();
    let work = create_with(charm, &ready, &selection, started, copied, &monitor);
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
    Ok(results(charm, &created?, seconds(started, now())))
}

fn results(charm: &Charm, created: &Created, seconds: String) -> Results {
    let Created {
        manifest,
        changed,
        retries,
    } = created;
    let mut results = Results::from([
        ("result".to_owned(), "correct".to_owned()),
        ("backup-id".to_owned(), manifest.id.to_string()),
        ("state".to_owned(), state(manifest.state).to_owned()),
        ("size".to_owned(), manifest.size.to_string()),
        ("content".to_owned(), manifest.content.to_string()),
        ("files".to_owned(), manifest.members.to_string()),
        ("volumes".to_owned(), manifest.volumes.len().to_string()),
        ("seconds".to_owned(), seconds),
        ("retries".to_owned(), retries.to_string()),
    ]);
    let mut tell = |key: &str, text: String| results.insert(key.to_owned(), text);
    if !manifest.warnings.is_empty() {
        tell("warnings", manifest.warnings.join("\n"));
    }
    if let Some(companion) = manifest.database.as_ref().and_then(Companion::read) {
        let recipe = companion.recipe(&charm.context.unit, manifest.id.as_str());
        tell("database-recipe", recipe);
    }
    if !changed.is_empty() {
        tell("changed", changed.join("\n"));
    }
    if let Some(slowest) = manifest
        .snapshot
        .as_ref()
        .and_then(|made| made.slowest_request)
    {
        tell("slowest-request-ms", slowest.to_string());
    }
    results
}

fn state(state: State) -> &'static str {
    match state {
        State::Finished => "finished",
        State::FinishedWithWarnings => "finished with warnings",
    }
}

/// What a backup would take, with sizes; nothing is written.
fn plan(ready: &Ready, selection: &Selection, copied: u64) -> Result<Results, Failure> {
    let here = &ready.volume.here;
    let mut components: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut order = Vec::new();
    for part in &selection.parts {
        let name = part.component();
        let paths = selection.paths(here, part).map_err(led(CREATE))?;
        let mut found = selection.measure(here, &paths).map_err(led(CREATE))?;
        if *part == data::Part::Database {
            found = Tally {
                members: 1,
                content: copied,
            };
        }
        if !order.contains(&name) {
            order.push(name);
        }
        let tally = components.entry(name).or_default();
        tally.members += found.members;
        tally.content += found.content;
    }
    let mut lines: Vec<String> = order
        .iter()
        .map(|name| {
            let Tally { members, content } = components[name];
            format!(
                "{name:<12}  {:>10}  {members} files and directories",
                size(content)
            )
        })
        .collect();
    let content: u64 = components.values().map(|tally| tally.content).sum();
    lines.push(format!("{:<12}  {:>10}", "together", size(content)));
    lines.extend(
        selection
            .absent(here)
            .iter()
            .map(|absent| format!("not there: {absent}")),
    );
    let mut results = Results::from([
        ("result".to_owned(), "ready".to_owned()),
        ("plan".to_owned(), lines.join("\n")),
        ("content".to_owned(), content.to_string()),
        ("needs-on-volume".to_owned(), copied.to_string()),
    ]);
    for (name, tally) in components {
        results.insert(
            format!("components.{name}.content"),
            tally.content.to_string(),
        );
        results.insert(
            format!("components.{name}.files"),
            tally.members.to_string(),
        );
    }
    Ok(results)
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
    selection: &Selection,
    started: Timestamp,
    copied: u64,
    monitor: &Monitor,
) -> Result<Created, Failure> {
    monitor.enter(Phase::Snapshot, copied);
    let here = &ready.volume.here;
    let base = relative(synapse::DATA);
    let copy = match selection.has_database() {
        true => Some(copy_database(charm, here).await?),
        false => None,
    };

    let companion = match ready.database.kind {
        DatabaseKind::Sqlite => None,
        // Before the media, as the copy: so every row of it finds its file.
        DatabaseKind::Postgres => {
            let asked = database::companion(charm, ready.database.provider.clone()).await;
            Some(asked.map_err(|failure| failure.led_by(CREATE))?)
        }
    };

    let mut first = Group {
        roots: Vec::new(),
        tally: Tally::default(),
    };
    if let Some(copy) = &copy {
        first.roots.push(SourceRoot {
            directory: copy.root.clone(),
            paths: vec![format!("{base}/homeserver.db")],
        });
        first.tally = Tally {
            members: 1,
            content: copy.size,
        };
    }
    let (mut media, mut extra) = (Vec::new(), Vec::new());
    let mut small = Vec::new();
    for part in &selection.parts {
        let paths = selection.paths(here, part).map_err(led(CREATE))?;
        match part {
            data::Part::Media | data::Part::RemoteMedia | data::Part::MediaId(_) => {
                media.extend(paths);
            }
            data::Part::Extra(_) => extra.extend(paths),
            data::Part::Keys | data::Part::Config | data::Part::Database => small.extend(paths),
        }
    }
    let mut groups = vec![first];
    for (number, paths) in [small, media, extra].into_iter().enumerate() {
        if paths.is_empty() {
            continue;
        }
        let tally = selection.measure(here, &paths).map_err(led(CREATE))?;
        let root = SourceRoot {
            directory: "/".to_owned(),
            paths: paths
                .iter()
                .map(|path| Path::new(base).join(path).display().to_string())
                .collect(),
        };
        match number {
            0 => {
                groups[0].tally.members += tally.members;
                groups[0].tally.content += tally.content;
                groups[0].roots.push(root);
            }
            _ => groups.push(Group {
                roots: vec![root],
                tally,
            }),
        }
    }
    groups.retain(|group| !group.roots.is_empty());
    let source = Source {
        groups,
        exclude: selection.patterns(base),
        user_id: synapse::UID,
        group_id: synapse::GID,
        component: |path| {
            let below = path.strip_prefix(relative(synapse::DATA)).unwrap_or(path);
            data::component(Path::new(below.trim_start_matches('/')))
        },
    };
    let origin = Origin {
        server_name: ready.server_name.to_string(),
        charm_version: env!("CARGO_PKG_VERSION").to_owned(),
        synapse_version: charm.synapse_version().await,
        model: Some(charm.context.model_uuid.clone()),
        unit: Some(charm.context.unit.to_string()),
        database: match (&copy, &companion) {
            (Some(copy), _) => Some(copy.database.clone()),
            (None, Some(companion)) => Some(companion.write().map_err(led(CREATE))?),
            (None, None) => None,
        },
        snapshot: copy.map(|copy| copy.made),
        places: selection.places(),
    };
    let creation = Creation {
        client: &charm.client,
        catalogue: &ready.catalogue,
        passphrase: &ready.passphrase,
        id: &BackupId::at(started),
        started,
        source: &source,
        origin: &origin,
        volume_size: selection.volume_size,
        watcher: Arc::new(|_| Ok(())),
    };
    let conclude = async |changed: Vec<String>| {
        let changed = files(here, changed);
        let mut warnings = companion
            .as_ref()
            .map_or_else(Vec::new, Companion::warnings);
        if !changed.is_empty() {
            let what = match changed.len() {
                1 => "1 file changed while it was read".to_owned(),
                count => format!("{count} files changed while they were read"),
            };
            warnings.push(what);
        }
        let absent = selection.absent(here);
        if !absent.is_empty() {
            warnings.push(format!("not there: {}", absent.join(", ")));
        }
        Findings {
            media: None,
            changed,
            warnings,
        }
    };
    backup::create(&creation, conclude, now, monitor)
        .await
        .map_err(led(CREATE))
}

/// The consistent copy of the database.
struct Copy {
    /// Below this directory of the workload it has the very path that the database has below `/`.
    root: String,
    size: u64,
    database: Database,
    made: backup::Snapshot,
}

async fn copy_database(charm: &Charm, here: &Path) -> Result<Copy, Failure> {
    let root = format!("{}/{PRIVATE}/{SNAPSHOT}", synapse::DATA);
    let place = here
        .join(PRIVATE)
        .join(SNAPSHOT)
        .join(relative(synapse::DATA));
    volume::own_directories(here, &place).map_err(led(CREATE))?;
    let copy = format!("{root}{}/homeserver.db", synapse::DATA);
    let began = now();
    let snapshot = data::snapshot(&charm.client, &copy)
        .await
        .map_err(led(CREATE))?;
    let took = now().duration_since(began).as_millis();
    Ok(Copy {
        root,
        size: snapshot.size,
        database: Database {
            kind: "sqlite".to_owned(),
            schema_version: snapshot.schema_version,
            schema_compat_version: snapshot.schema_compat_version,
            ..Database::default()
        },
        made: backup::Snapshot {
            size: snapshot.size,
            milliseconds: u64::try_from(took).unwrap_or_default(),
            slowest_request: None,
            check: "integrity".to_owned(),
        },
    })
}

/// The names of files that `tar` says have changed, of its lines.
///
/// It says the same of a directory in which something was made meanwhile: that is no concern of what was read.
fn files(here: &Path, lines: Vec<String>) -> Vec<String> {
    let is_directory = |line: &String| {
        let named = line.strip_prefix("tar: ").unwrap_or(line);
        let path = named.split_once(": ").map_or(named, |(path, _)| path);
        let path = path.strip_prefix(relative(synapse::DATA)).unwrap_or(path);
        here.join(path.trim_start_matches('/')).is_dir()
    };
    lines
        .into_iter()
        .filter(|line| !is_directory(line))
        .collect()
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}
