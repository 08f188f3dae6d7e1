//! What an operator should know of the newest backup: who can still open it, and whether it holds much less than the one
//! before.
//!
//! It is looked at when something has changed that bears on it, and what was found lies on the data volume until the next
//! such time, so that every status in between tells it. No secret is in it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use super::observe::Observation;
use super::passphrases::Passphrases;
use super::{Charm, PRIVATE, failure, store, volume};
use crate::backup::{self, BackupId, Newest};
use crate::juju::{Event, RelationKind, SecretKind};

/// Name below the private directory.
const NAME: &str = "newest.json";
/// What is being written.
const NEW: &str = "newest.json.new";
/// It is one line.
const LIMIT: u64 = 4096;
/// The actions after which another backup may be the newest, or open with another passphrase.
const ACTIONS: [&str; 4] = [
    "create-backup",
    "delete-backup",
    "prune-backups",
    "rotate-passphrase",
];

/// A newest backup about which something is to be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Known {
    backup: BackupId,
    /// What opens it, when it is not the current passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opens_with: Option<With>,
    /// By how many percent it holds less than the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shrank: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum With {
    /// One of `backup_old_passphrases`.
    Older,
    /// None that is known.
    None,
}

/// Notes that a backup that was just made holds less than the one before, by so many percent.
pub(super) fn shrank(here: &Path, backup: &BackupId, percent: u64) {
    let known = Known {
        backup: backup.clone(),
        opens_with: None,
        shrank: Some(percent),
    };
    if let Err(error) = keep(here, Some(&known)) {
        warn!(%error, "that the backup shrank is not kept");
    }
}

/// Looks at the newest backup when the event calls for it, and tells what is known of it: what to do, as a fragment.
pub(super) async fn note(
    charm: &Charm,
    seen: &Observation,
    passphrases: &Passphrases,
    reachable: bool,
) -> Option<String> {
    let here = &seen.volume.as_ref()?.here;
    let private = here.join(PRIVATE);
    if reachable && passphrases.current.is_ok() && calls_for_a_look(&charm.context.event) {
        match look(charm, seen, passphrases).await {
            Some(Ok(found)) => {
                let before = read(&private);
                let known = found.map(|found| joined(found, before.as_ref()));
                let known = known.filter(|known| (known.opens_with, known.shrank) != (None, None));
                if let Err(error) = keep(here, known.as_ref()) {
                    warn!(%error, "what was found of the newest backup is not kept");
                }
                return Some(text(charm, &known?));
            }
            Some(Err(error)) => {
                debug!(
                    error = failure::chain(&error),
                    "the newest backup was not looked at"
                );
            }
            None => (),
        }
    }
    Some(text(charm, &read(&private)?))
}

/// Whether the event may have changed who opens the newest backup.
fn calls_for_a_look(event: &Event) -> bool {
    match event {
        Event::ConfigChanged => true,
        Event::Secret(event) => event.kind == SecretKind::Changed,
        Event::Relation(event) => {
            event.endpoint == super::bucket_relation::BACKUP && event.kind == RelationKind::Changed
        }
        Event::Action(action) => ACTIONS.contains(&action.name.as_str()),
        Event::Install
        | Event::Start
        | Event::UpgradeCharm
        | Event::Stop
        | Event::Remove
        | Event::LeaderElected
        | Event::LeaderSettingsChanged
        | Event::UpdateStatus
        | Event::Storage(_)
        | Event::PebbleReady { .. }
        | Event::PebbleNotice { .. }
        | Event::PebbleCheckFailed { .. }
        | Event::PebbleCheckRecovered { .. }
        | Event::Exec
        | Event::Unknown(_) => false,
    }
}

async fn look(
    charm: &Charm,
    seen: &Observation,
    passphrases: &Passphrases,
) -> Option<Result<Option<Known>, backup::CatalogueError>> {
    let catalogue = store::catalogue(charm, &seen.backup).await.ok()?;
    let found = backup::newest(&catalogue, &passphrases.all()).await;
    Some(found.map(|newest| {
        let Newest { id, opened_by } = newest?;
        Some(Known {
            backup: id,
            opens_with: match opened_by {
                Some(0) => None,
                Some(_) => Some(With::Older),
                None => Some(With::None),
            },
            shrank: None,
        })
    }))
}

/// What was found, with what was noted of the same backup when it was made.
fn joined(found: Known, before: Option<&Known>) -> Known {
    let same = before.filter(|before| before.backup == found.backup);
    Known {
        shrank: same.and_then(|before| before.shrank),
        ..found
    }
}

fn text(charm: &Charm, known: &Known) -> String {
    let Known {
        backup,
        opens_with,
        shrank,
    } = known;
    let application = charm.application();
    let mut told = Vec::new();
    match opens_with {
        Some(With::Older) => told.push(format!(
            "{backup} opens only with an older passphrase: juju run {application}/leader rotate-passphrase"
        )),
        Some(With::None) => told.push(format!(
            "{backup} opens with none of the passphrases: set backup_old_passphrases"
        )),
        None => (),
    }
    if let Some(percent) = shrank {
        told.push(format!(
            "{backup} holds {percent} % less than the one before"
        ));
    }
    told.join("; ")
}

/// Writes down what was found; nothing lies there when all is well.
fn keep(here: &Path, known: Option<&Known>) -> io::Result<()> {
    let private = here.join(PRIVATE);
    let Some(known) = known else {
        return match fs::remove_file(private.join(NAME)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
    };
    volume::own_directories(here, &private)?;
    let new = private.join(NEW);
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(known)?)?;
    file.sync_all()?;
    fs::rename(new, private.join(NAME))?;
    File::open(private)?.sync_all()
}

fn read(private: &Path) -> Option<Known> {
    let path = private.join(NAME);
    let small = fs::metadata(&path).is_ok_and(|found| found.len() <= LIMIT);
    let text = small.then(|| fs::read(&path).ok())??;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_was_found_is_there_until_it_is_found_otherwise() {
        let volume = tempfile::tempdir().unwrap();
        let private = volume.path().join(PRIVATE);
        fs::create_dir(&private).unwrap();
        assert_eq!(read(&private), None);
        let id = BackupId::parse("backup-20261121120405000678").unwrap();
        for opens_with in [With::Older, With::None] {
            let known = Known {
                backup: id.clone(),
                opens_with: Some(opens_with),
                shrank: None,
            };
            keep(volume.path(), Some(&known)).unwrap();
            assert_eq!(read(&private), Some(known.clone()));
            shrank(volume.path(), &id, 60);
            let joined = joined(known, read(&private).as_ref());
            assert_eq!(
                (joined.opens_with, joined.shrank),
                (Some(opens_with), Some(60))
            );
        }
        keep(volume.path(), None).unwrap();
        keep(volume.path(), None).unwrap();
        assert_eq!(read(&private), None);
        assert_eq!(fs::read_dir(&private).unwrap().count(), 0);
    }
}
