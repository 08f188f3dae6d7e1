//! What is known of the newest backup after the passphrases have changed: who can still open it.
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
const ACTIONS: [&str; 3] = ["create-backup", "delete-backup", "rotate-passphrase"];

/// A newest backup that does not open with the current passphrase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Locked {
    backup: BackupId,
    opens_with: With,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum With {
    /// One of `backup_old_passphrases`.
    Older,
    /// None that is known.
    None,
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
            Some(Ok(locked)) => {
                if let Err(error) = keep(here, locked.as_ref()) {
                    warn!(%error, "what was found of the newest backup is not kept");
                }
                return Some(text(charm, &locked?));
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
            event.endpoint == super::observe::BACKUP && event.kind == RelationKind::Changed
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
) -> Option<Result<Option<Locked>, backup::CatalogueError>> {
    let catalogue = store::catalogue(charm, &seen.backup).ok()?;
    let found = backup::newest(&catalogue, &passphrases.all()).await;
    Some(found.map(|newest| {
        let Newest { id, opened_by } = newest?;
        let opens_with = match opened_by {
            Some(0) => return None,
            Some(_) => With::Older,
            None => With::None,
        };
        Some(Locked {
            backup: id,
            opens_with,
        })
    }))
}

fn text(charm: &Charm, locked: &Locked) -> String {
    let Locked { backup, opens_with } = locked;
    let application = charm.application();
    match opens_with {
        With::Older => format!(
            "{backup} opens only with an older passphrase: juju run {application}/leader rotate-passphrase"
        ),
        With::None => {
            format!("{backup} opens with none of the passphrases: set backup_old_passphrases")
        }
    }
}

/// Writes down what was found; nothing lies there when all is well.
fn keep(here: &Path, locked: Option<&Locked>) -> io::Result<()> {
    let private = here.join(PRIVATE);
    let Some(locked) = locked else {
        return match fs::remove_file(private.join(NAME)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
    };
    volume::own_directories(here, &private)?;
    let new = private.join(NEW);
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(locked)?)?;
    file.sync_all()?;
    fs::rename(new, private.join(NAME))?;
    File::open(private)?.sync_all()
}

fn read(private: &Path) -> Option<Locked> {
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
        for opens_with in [With::Older, With::None] {
            let locked = Locked {
                backup: BackupId::parse("backup-20261121120405000678").unwrap(),
                opens_with,
            };
            keep(volume.path(), Some(&locked)).unwrap();
            assert_eq!(read(&private), Some(locked));
        }
        keep(volume.path(), None).unwrap();
        keep(volume.path(), None).unwrap();
        assert_eq!(read(&private), None);
        assert_eq!(fs::read_dir(&private).unwrap().count(), 0);
    }
}
