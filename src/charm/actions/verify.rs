//! `verify-backup`.

mod database;
mod rehearsal;

use std::path::Path;

use jiff::Timestamp;
use tracing::warn;

use super::backup_id::{absent, chosen};
use super::legacy::{self, Opened};
use super::preflight::volumes;
use super::{Parameters, Results, led, reach, seconds};
use crate::archive::Sha256Hex;
use crate::backup::{
    BackupId, Catalogue, Level, Monitor, Place, Proof, Scope, Sealed, Verdict, Verification,
};
use crate::charm::failure::{Failure, Kind};
use crate::charm::passphrases::Passphrases;
use crate::charm::report::reported;
use crate::charm::swaps::{parts, place};
use crate::charm::volume::SCRATCH;
use crate::charm::{Charm, bucket_relation, failure, now, observe, owner};
use crate::openpgp::OpenError;
use crate::synapse;
use crate::synapse::data::Part;

pub(super) const LEAD: &str = "Error verifying backup.";
const STORE_LEAD: &str = "Wrong S3 configuration on verify backup action. Check S3 integration.";
/// What an operator wants to know first when a verification has failed.
const UNCHANGED: &str = "Nothing was changed.";
/// Failures that are the backup's own; all others say nothing about it.
const BROKEN: [&str; 8] = [
    "archive-refused",
    "backup-damaged",
    "backup-unreadable",
    "database-damaged",
    "decryption-failed",
    "rehearsal-failed",
    "volume-missing",
    "volume-size",
];

pub(super) async fn verify(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    let verified = verify_with(charm, parameters).await;
    verified.map_err(|failure| failure.followed_by(UNCHANGED))
}

async fn verify_with(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    let started = now();
    let id = chosen(charm, parameters, (LEAD, STORE_LEAD)).await?;
    let (level, word) = level(parameters.text("level"))?;
    let options = charm.options().await.map_err(led(LEAD))?;
    let passphrases = Passphrases::resolve(charm, options).await.opening();
    let passphrases = passphrases.map_err(|flaw| flaw.failure.or_led_by(LEAD))?;
    let relation = bucket_relation::backup_relation(charm)
        .await
        .map_err(led(LEAD))?;
    let catalogue = reach(charm, &relation, STORE_LEAD).await?;
    let failed = |error| {
        let known = legacy::failure(&error, LEAD).or_else(|| absent(&error));
        known.unwrap_or_else(|| led(LEAD)(error))
    };
    let opened = legacy::opened(charm, "verify", (&catalogue, &passphrases), &id, None).await;
    let Opened { sealed, old } = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let wrong = failure::within::<OpenError>(&error);
            let locked = matches!(wrong, Some(OpenError::WrongPassphrase));
            let failure = failed(error);
            if !locked {
                note_unopened(charm, &catalogue, &id, (level, started), &failure).await;
            }
            return Err(failure);
        }
    };

    let database: Scope = [Part::Database.to_string()].into_iter().collect();
    let held = parts(sealed.places()).contains(&Part::Database);
    if level == Level::Rehearse && !held {
        let cause = format!("{id} holds no SQLite database, so Synapse cannot be started on it");
        let hint = "verify with level=full";
        let failure = Failure::new(Kind::Operator, "part-absent", cause, hint);
        return Err(failure.led_by(LEAD));
    }
    let scratch = scratch(charm, level, &sealed).await?;
    let (monitor, progress) = Monitor::new();
    let verification = Verification {
        client: &charm.client,
        catalogue: &catalogue,
        passphrases: &passphrases,
        place: &scratch,
        looked_into: held.then_some(&database),
        monitor: &monitor,
    };
    let mut found = None;
    let work = async {
        match level {
            // One of the Python charm was read to open it, and without a database nothing of it is left to look into.
            Level::Full if old.is_some() && !held => Vec::new(),
            Level::Quick => verification.quick(&sealed).await,
            Level::Full => {
                let look = async |there: &str| {
                    found = Some(database::look(charm, &sealed, there).await?);
                    Ok(())
                };
                verification.full(&sealed, look).await
            }
            Level::Rehearse => {
                let start = async |there: &str| {
                    found = Some(rehearsal::start(charm, &sealed, there).await?);
                    Ok(())
                };
                // What is staged is given away, and this one is asked afterwards.
                let keys = (&catalogue, passphrases.as_slice());
                match legacy::opened(charm, "verify", keys, &id, None).await {
                    Ok(staged) => verification.rehearse(staged.sealed, start).await,
                    Err(error) => vec![error],
                }
            }
        }
    };
    let findings = reported(charm, "verify", progress, work).await;
    let failures: Vec<Failure> = findings.into_iter().map(failed).collect();
    let noted = note(charm, &catalogue, &sealed, (level, started), &failures).await;
    if let Some(failure) = Failure::all(failures) {
        return Err(failure);
    }
    let mut results = results(&sealed, level, held);
    if let Some(old) = &old {
        results.extend(old.told(found.as_ref()));
        let checked = old.checked(&sealed, found.is_some()) + rehearsed(level);
        results.insert("checked".to_owned(), checked);
    }
    let mut tell = |key: &str, text: String| results.insert(key.to_owned(), text);
    tell("result", "correct".to_owned());
    tell("backup-id", id.to_string());
    tell("level", word.to_owned());
    tell("seconds", seconds(started, now()));
    if let Err(cause) = noted {
        tell(
            "note",
            format!("the proof could not be kept beside the backup: {cause}"),
        );
    }
    Ok(results)
}

fn results(sealed: &Sealed, level: Level, database: bool) -> Results {
    let (volumes, members) = (volumes(sealed), sealed.members());
    let looked = if database { ", the database" } else { "" };
    let started = rehearsed(level);
    let checked = match level {
        Level::Quick => format!("passphrase, sealed inventory, presence and size of {volumes}"),
        Level::Full | Level::Rehearse => format!(
            "passphrase, sealed inventory, seal of {volumes}, names, sizes and SHA-256 of {members} files and directories{looked}{started}"
        ),
    };
    Results::from([
        ("checked".to_owned(), checked),
        ("backup-finished".to_owned(), sealed.finished().to_string()),
        ("content".to_owned(), sealed.content().to_string()),
        ("files".to_owned(), members.to_string()),
    ])
}

/// What a rehearsal has shown besides.
fn rehearsed(level: Level) -> &'static str {
    match level {
        Level::Rehearse => ", the start of Synapse on all of it",
        Level::Quick | Level::Full => "",
    }
}

/// Where something may be unpacked for a look, once there is room for it.
async fn scratch(charm: &Charm, level: Level, sealed: &Sealed) -> Result<Place, Failure> {
    let staging = |place: Place| Place {
        staging: SCRATCH,
        ..place
    };
    if level == Level::Quick {
        // Nothing is written there.
        return Ok(staging(place(Path::new(synapse::DATA))));
    }
    let Some(volume) = observe::volume(charm).await.map_err(led(LEAD))? else {
        let cause = "the storage data is not attached, and the database is to be checked there";
        let hint = "wait until the unit is active, or verify with level=quick";
        return Err(Failure::new(Kind::Waiting, "storage-not-ready", cause, hint).led_by(LEAD));
    };
    let needed = match level {
        Level::Quick | Level::Full => {
            let components = &sealed.manifest().components;
            let database = components.get(Part::Database.component());
            database.map_or(0, |tally| tally.content)
        }
        Level::Rehearse => sealed.content(),
    };
    let available = volume.room().map_err(led(LEAD))?.bytes;
    if needed > available {
        let cause = format!(
            "what is looked into needs {needed} bytes on the data volume, and {available} are free"
        );
        let hint = "give the storage data more room, or verify with level=quick";
        return Err(Failure::new(Kind::Operator, "no-space", cause, hint).led_by(LEAD));
    }
    Ok(staging(place(&volume.here)))
}

/// Keeps beside the backup what was found out.
async fn note(
    charm: &Charm,
    catalogue: &Catalogue,
    sealed: &Sealed,
    (level, started): (Level, Timestamp),
    failures: &[Failure],
) -> Result<(), String> {
    // The Python charm's backups are one object each, and stay that.
    if sealed.is_legacy() {
        return Ok(());
    }
    let own = |failure: &&Failure| BROKEN.contains(&failure.code);
    let findings: Vec<String> = failures
        .iter()
        .filter(own)
        .map(|failure| charm.log.redacted(failure.cause().to_owned()))
        .collect();
    // A store that failed meanwhile has proven nothing, one way or the other.
    if findings.len() < failures.len() && findings.is_empty() {
        return Ok(());
    }
    let proof = proof(charm, (level, started), findings);
    let about = (sealed.id(), sealed.manifest_digest());
    keep(charm, catalogue, about, proof).await
}

async fn keep(
    charm: &Charm,
    catalogue: &Catalogue,
    (id, manifest): (&BackupId, &Sha256Hex),
    proof: Proof,
) -> Result<(), String> {
    let noted = async {
        let owned = owner::check(charm, catalogue).await;
        owned.map_err(|failure| failure.cause().to_owned())?;
        let noted = catalogue.note_proof(id, manifest, proof).await;
        noted.map_err(|error| failure::chain(&error))
    };
    let noted = noted.await;
    noted.inspect_err(|cause| warn!(%cause, "the proof could not be kept"))
}

/// The same, for a backup whose inventory could not even be opened.
async fn note_unopened(
    charm: &Charm,
    catalogue: &Catalogue,
    id: &BackupId,
    run: (Level, Timestamp),
    failure: &Failure,
) {
    if !BROKEN.contains(&failure.code) {
        return;
    }
    let Ok((_, digest)) = catalogue.manifest_and_digest(id).await else {
        return;
    };
    let proof = proof(
        charm,
        run,
        vec![charm.log.redacted(failure.cause().to_owned())],
    );
    // The action fails for another reason, and the log tells of this one.
    keep(charm, catalogue, (id, &digest), proof).await.ok();
}

fn proof(charm: &Charm, (level, started): (Level, Timestamp), findings: Vec<String>) -> Proof {
    let at = now();
    Proof {
        level,
        at,
        result: match findings.is_empty() {
            true => Verdict::Good,
            false => Verdict::Broken,
        },
        seconds: at.duration_since(started).as_secs_f64(),
        unit: charm.context.unit.to_string(),
        charm_version: env!("CARGO_PKG_VERSION").to_owned(),
        findings,
        more: serde_json::Map::new(),
    }
}

/// Reads the parameter `level`.
fn level(text: &str) -> Result<(Level, &'static str), Failure> {
    match text {
        "quick" => Ok((Level::Quick, "quick")),
        "full" | "" => Ok((Level::Full, "full")),
        "rehearse" => Ok((Level::Rehearse, "rehearse")),
        other => {
            let shown: String = other.chars().take(80).collect();
            let cause = format!("level {shown:?} is unknown");
            let hint = "give level=quick, level=full or level=rehearse";
            let failure = Failure::new(Kind::Operator, "level-invalid", cause, hint);
            Err(failure.led_by(LEAD))
        }
    }
}
