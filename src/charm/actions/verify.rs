//! `verify-backup`.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::legacy::{self, Old, Opened};
use super::listing::{absent, parse_id, reach};
use super::preflight::volumes;
use super::{Parameters, Results, led, seconds};
use crate::backup::{self, Catalogue, Level, Monitor, Place, Restoration, Sealed};
use crate::charm::failure::{Failure, Kind};
use crate::charm::report::reported;
use crate::charm::swaps::place;
use crate::charm::{Charm, now, observe};
use crate::openpgp::Passphrase;
use crate::synapse;

const LEAD: &str = "Error verifying backup.";
const STORE_LEAD: &str = "Wrong S3 configuration on verify backup action. Check S3 integration.";
/// What an operator wants to know first when a verification has failed.
const UNCHANGED: &str = "Nothing was changed.";

pub(super) async fn verify(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    let verified = verify_with(charm, parameters).await;
    verified.map_err(|failure| failure.followed_by(UNCHANGED))
}

async fn verify_with(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    let started = now();
    let id = parse_id(parameters.text("backup-id"))?;
    let (level, word) = level(parameters.text("level"))?;
    let options = charm.tools.config_get().await.map_err(led(LEAD))?;
    let passphrases = [Arc::new(charm.passphrase(&options)?)];
    let relation = observe::backup_relation(charm).await.map_err(led(LEAD))?;
    let catalogue = reach(charm, &relation, STORE_LEAD).await?;
    let failed = |error| absent(&error).unwrap_or_else(|| led(LEAD)(error));
    let keys = (&catalogue, &passphrases[..]);
    let opened = legacy::opened(charm, "verify", keys, &id, (None, LEAD)).await?;
    let Opened { sealed, old } = opened;
    if let Some(old) = old {
        return verify_old(charm, keys, sealed, old, started).await;
    }

    let (monitor, progress) = Monitor::new();
    // Nothing is written there: it says which places a backup may have.
    let place = place(Path::new(synapse::DATA));
    let work = backup::verify(&catalogue, &passphrases, &sealed, level, &place, &monitor);
    let findings = reported(charm, "verify", progress, work).await;
    if let Some(failure) = Failure::all(findings.into_iter().map(failed).collect()) {
        return Err(failure);
    }
    let (volumes, members) = (volumes(&sealed), sealed.members());
    let checked = match level {
        Level::Quick => format!("passphrase, sealed inventory, presence and size of {volumes}"),
        Level::Full => format!(
            "passphrase, sealed inventory, seal of {volumes}, names, sizes and SHA-256 of {members} files and directories"
        ),
    };
    Ok(Results::from([
        ("result".to_owned(), "correct".to_owned()),
        ("backup-id".to_owned(), id.to_string()),
        ("level".to_owned(), word.to_owned()),
        ("checked".to_owned(), checked),
        ("backup-finished".to_owned(), sealed.finished().to_string()),
        ("content".to_owned(), sealed.content().to_string()),
        ("files".to_owned(), members.to_string()),
        ("seconds".to_owned(), seconds(started, now())),
    ]))
}

/// What is left to do of a backup of the Python charm, which was read whole to open it: its database.
async fn verify_old(
    charm: &Charm,
    (catalogue, passphrases): (&Catalogue, &[Arc<Passphrase>]),
    sealed: Sealed,
    old: Old,
    started: Timestamp,
) -> Result<Results, Failure> {
    let manifest = sealed.manifest();
    let (id, finished) = (sealed.id().clone(), sealed.finished());
    let (content, members) = (manifest.content, manifest.members);
    let mut checked = None;
    if let Some(volume) = observe::volume(charm).await.map_err(led(LEAD))? {
        let (monitor, progress) = Monitor::new();
        let place = Place {
            staging: "verify",
            ..place(&volume.here)
        };
        let restoration = Restoration {
            client: &charm.client,
            catalogue,
            passphrases,
            place: &place,
            monitor: &monitor,
        };
        let work = legacy::examine(charm, &restoration, sealed, &old);
        let examined = reported(charm, "verify", progress, work).await;
        checked = examined
            .map_err(|error| legacy::failure(&error, LEAD).unwrap_or_else(|| led(LEAD)(error)))?;
    }
    let mut results = old.told(checked.as_ref());
    let told =
        format!("passphrase, seal, and the archive to its end: {members} files and directories");
    results.extend([
        ("result".to_owned(), "correct".to_owned()),
        ("backup-id".to_owned(), id.to_string()),
        ("level".to_owned(), "full".to_owned()),
        ("checked".to_owned(), told),
        ("backup-finished".to_owned(), finished.to_string()),
        ("content".to_owned(), content.to_string()),
        ("files".to_owned(), members.to_string()),
        ("seconds".to_owned(), seconds(started, now())),
    ]);
    Ok(results)
}

/// Reads the parameter `level`.
fn level(text: &str) -> Result<(Level, &'static str), Failure> {
    match text {
        "quick" => Ok((Level::Quick, "quick")),
        "full" | "" => Ok((Level::Full, "full")),
        other => {
            let shown: String = other.chars().take(80).collect();
            let cause = format!("level {shown:?} is unknown");
            let hint = "give level=quick or level=full";
            let failure = Failure::new(Kind::Operator, "level-invalid", cause, hint);
            Err(failure.led_by(LEAD))
        }
    }
}
