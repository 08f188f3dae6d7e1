//! `create-backup`.

mod audit;
mod copy;
mod label;
mod memory;
mod plan;
mod source;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use tracing::warn;

use super::force;
use super::ready::{CREATE, Look, Ready, Task};
use super::{Parameters, Results, leading, led, seconds};
use crate::backup::{
    self, BackupId, Catalogue, Claim, Created, Creation, FailedRun, Findings, Label, Monitor,
    Origin, Phase, State, Watcher,
};
use crate::charm::database::{self, Companion};
use crate::charm::failure::{Failure, Kind};
use crate::charm::lease::owning;
use crate::charm::report::reported;
use crate::charm::selection::Selection;
use crate::charm::volume::{self, SNAPSHOT};
use crate::charm::{Charm, PRIVATE, newest, now, sweep};
use crate::synapse;
use crate::synapse::config::DatabaseKind;
use crate::synapse::data::{Audit, AuditError};

pub(super) async fn create(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    leading(charm, charm.leader(CREATE).await?, "create-backup")?;
    let started = now();
    let claim = force::claim(parameters.text("force"), Claim::Own, CREATE)?;
    let mut look = Look::at(charm, Task::Create(claim)).await?;
    let said = label::read(parameters, started).map_err(|wrong| look.findings.push(wrong));
    let asked = (parameters.text("components"), parameters.text("exclude"));
    let selection = Selection::read(charm.application(), &look.options, asked);
    let selection = selection.map_err(|problems| {
        let led = problems.into_iter().map(|problem| problem.led_by(CREATE));
        look.findings.extend(led);
    });
    let (ready, Ok(mut selection), Ok(said)) = (look.ready()?, selection, said) else {
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
        true => copy::room(&ready.volume)?,
        false => 0,
    };
    if parameters.flag("dry-run") {
        return plan::plan(charm, &ready, &selection, copied);
    }
    memory::database(charm, &ready, &selection, copied)?;

    let (monitor, progress) = Monitor::new();
    let id = BackupId::at(started);
    let task = backup::Task {
        name: "create-backup",
        backup: Some(id.clone()),
        progress: Some(progress.clone()),
    };
    let work = async {
        let swept = sweep::sweep(&ready.catalogue).await;
        let created = create_with(
            charm,
            &ready,
            (&selection, said),
            (&id, started, copied),
            &monitor,
        )
        .await;
        if let Err(failure) = &created {
            note(charm, &ready.catalogue, (&id, started), failure).await;
        }
        created.map(|created| (created, swept))
    };
    let held = owning(
        charm,
        &ready.catalogue,
        (task, CREATE),
        claim,
        reported(charm, "backup", progress, work),
    );
    let created = held.await;
    // The copy of the database is of no use to anybody afterwards, whatever came of it.
    volume::remove(&snapshot);
    let (created, swept) = created?;
    let mut results = results(charm, &created, seconds(started, now()));
    if let Some(swept) = swept {
        results.insert("swept".to_owned(), swept);
    }
    if let Some(weakness) = ready.weakness {
        let warnings = results.entry("warnings".to_owned()).or_default();
        *warnings = format!("{warnings}\n{weakness}").trim_start().to_owned();
    }
    Ok(results)
}

/// Leaves word in the bucket of why there is no backup, for whoever looks there later.
async fn note(
    charm: &Charm,
    catalogue: &Catalogue,
    (id, started): (&BackupId, Timestamp),
    failure: &Failure,
) {
    warn!(backup = %id, code = failure.code, "{}", failure.cause());
    let run = FailedRun {
        id: id.clone(),
        started,
        failed: now(),
        unit: charm.context.unit.to_string(),
        code: failure.code.to_owned(),
        reason: charm.log.redacted(failure.cause().to_owned()),
        more: serde_json::Map::new(),
    };
    catalogue
        .note_failure(&run, charm.log.text().into_bytes())
        .await;
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

async fn create_with(
    charm: &Charm,
    ready: &Ready,
    (selection, said): (&Selection, Label),
    (id, started, copied): (&BackupId, Timestamp, u64),
    monitor: &Monitor,
) -> Result<Created, Failure> {
    monitor.enter(Phase::Snapshot, copied);
    let here = &ready.volume.here;
    let copy = match selection.has_database() {
        true => Some(copy::copy(charm, here).await?),
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

    let (source, extent) = source::source(here, selection, copy.as_ref()).map_err(led(CREATE))?;
    let volume_size = memory::volume_size(charm, ready, selection, &extent)?;
    let audit = match &copy {
        Some(copy) if selection.has_media() => Some(audit::begin(charm, copy).await),
        Some(_) | None => None,
    };
    let before = audit::last(&ready.catalogue, ready.server_name.as_str(), started).await;
    let read = Arc::new(AtomicU64::new(0));
    let (described, doubts) = match (&copy, &companion) {
        (Some(copy), _) => (Some(copy.database.clone()), copy.warnings.clone()),
        (None, Some(companion)) => {
            let described = companion.write().map_err(led(CREATE))?;
            (Some(described), companion.warnings())
        }
        (None, None) => (None, Vec::new()),
    };
    let origin = Origin {
        server_name: ready.server_name.to_string(),
        charm_version: env!("CARGO_PKG_VERSION").to_owned(),
        synapse_version: charm.synapse_version().await,
        model: Some(charm.context.model_uuid.clone()),
        unit: Some(charm.context.unit.to_string()),
        said,
        database: described,
        snapshot: copy.map(|copy| copy.made),
        places: selection.places(),
    };
    let creation = Creation {
        client: &charm.client,
        catalogue: &ready.catalogue,
        passphrase: &ready.passphrase,
        id,
        started,
        source: &source,
        origin: &origin,
        volume_size,
        watcher: watcher(&audit, &read),
        log: &|| charm.log.text().into_bytes(),
    };
    let conclude = async |changed: Vec<String>| {
        let changed = files(here, changed);
        let mut warnings = doubts;
        if !changed.is_empty() {
            let what = match changed.len() {
                1 => "1 file changed while it was read".to_owned(),
                count if changed.iter().any(|line| line == backup::MORE) => {
                    format!("more than {} files changed while they were read", count - 1)
                }
                count => format!("{count} files changed while they were read"),
            };
            warnings.push(what);
        }
        let absent = selection.absent(here);
        if !absent.is_empty() {
            warnings.push(format!("not there: {}", absent.join(", ")));
        }
        let content = read.load(Ordering::Relaxed);
        let limit = selection.shrink_warning;
        let shrank = before.as_ref().and_then(|before| {
            let percent = before.shrank(&selection.places(), content, limit)?;
            newest::shrank(here, id, percent);
            Some((percent, &before.id))
        });
        if let Some((percent, before)) = shrank {
            warnings.push(format!("it holds {percent} % less than {before}"));
        }
        let media = match audit {
            Some(audit) => {
                let before = before.and_then(|before| before.media);
                audit::end(audit, before, &mut warnings).await
            }
            None => None,
        };
        Findings {
            media,
            changed,
            warnings,
        }
    };
    backup::create(&creation, conclude, now, monitor)
        .await
        .map_err(led(CREATE))
}

/// Counts what is read, and shows it to the comparison of media and database, where there is one.
fn watcher(audit: &Option<Result<Audit, AuditError>>, read: &Arc<AtomicU64>) -> Watcher {
    let feed = audit.as_ref().and_then(|audit| audit.as_ref().ok());
    let feed = feed.map(Audit::feed);
    let read = Arc::clone(read);
    Arc::new(move |member| {
        read.fetch_add(member.size, Ordering::Relaxed);
        if let Some(feed) = &feed {
            feed.member(member);
        }
        Ok(())
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
