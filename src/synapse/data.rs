//! What is worth saving of a Synapse data directory: rules as data, the copy of the live database, and what an older
//! database needs before Synapse may use it.
//!
//! The rules name places, not files: a directory that matches is taken with all that is in it. The database itself is
//! never taken from where it lies, because Synapse writes to it all the time; `snapshot.py` makes a consistent copy
//! through SQLite's own online backup, with the Python that runs Synapse.

mod fixup;
mod inhabited;
mod postgres;
mod program;
mod snapshot;

use std::io;
use std::path::{Path, PathBuf};

pub use fixup::{FixUp, FixUpError, FixUpName, fix_up};
pub use inhabited::{InhabitedError, inhabited};
pub use postgres::{Identity, PostgresError, identity};
pub use program::{Compatibility, Program, ProgramError, compatibility, program};
pub use snapshot::{Snapshot, SnapshotError, snapshot};

/// How a name is matched.
enum Name {
    Is(&'static str),
    StartsWith(&'static str),
    EndsWith(&'static str),
}

/// Whether a place goes into a backup.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Saved {
    /// As it lies there.
    Yes,
    /// By way of a consistent copy.
    ByCopy,
    /// Never.
    No,
}

/// One kind of thing in the data directory.
struct Rule {
    /// Directory below the data directory, empty for itself.
    directory: &'static str,
    name: Name,
    saved: Saved,
    /// Whether a restore moves what is there aside and puts in what the backup holds.
    replaced: bool,
}

const fn rule(directory: &'static str, name: Name, saved: Saved, replaced: bool) -> Rule {
    Rule {
        directory,
        name,
        saved,
        replaced,
    }
}

/// Every place that a backup or a restore is about. What no rule names is left alone by both.
const RULES: &[Rule] = &[
    // Losing a signing key means losing the server's identity in the federation.
    rule("", Name::EndsWith(".signing.key"), Saved::Yes, true),
    // Without these secrets, sessions, forms and registrations of the restored server break.
    rule("", Name::EndsWith(".secret"), Saved::Yes, true),
    // Says whose data it is and which keys it once signed with; the charm renders the rest of it anew.
    rule("", Name::Is("homeserver.yaml"), Saved::Yes, true),
    // For a recovery by hand.
    rule("", Name::Is("log.config"), Saved::Yes, false),
    rule("", Name::Is(DATABASE), Saved::ByCopy, true),
    // These belong to one generation of the database file; next to another one they destroy it.
    rule("", Name::Is("homeserver.db-wal"), Saved::No, true),
    rule("", Name::Is("homeserver.db-shm"), Saved::No, true),
    rule("", Name::Is("homeserver.db-journal"), Saved::No, true),
    // Uploads of this server's users and their thumbnails; copies of other servers' media can be fetched again.
    rule("media", Name::StartsWith("local_"), Saved::Yes, true),
];

/// File name of the SQLite database.
const DATABASE: &str = "homeserver.db";

impl Name {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Is(whole) => name == *whole,
            Self::StartsWith(start) => name.starts_with(start),
            Self::EndsWith(end) => name.ends_with(end),
        }
    }
}

/// Lists what a backup takes as it lies, relative to the data directory `root`, sorted.
pub fn saved(root: &Path) -> io::Result<Vec<PathBuf>> {
    find(root, |rule| rule.saved == Saved::Yes)
}

/// Lists what a restore replaces, relative to the data directory `root`, sorted: for the live directory what is moved
/// aside, for a staged one what is moved in.
pub fn replaced(root: &Path) -> io::Result<Vec<PathBuf>> {
    find(root, |rule| rule.replaced)
}

/// Whether a backup may hold a file or directory of this path, relative to the data directory.
pub fn permitted(path: &Path) -> bool {
    let names: Option<Vec<&str>> = path.iter().map(std::ffi::OsStr::to_str).collect();
    let in_place = |directory: &str, name: &str| {
        RULES.iter().any(|rule| {
            rule.directory == directory && rule.saved != Saved::No && rule.name.matches(name)
        })
    };
    match names.as_deref() {
        Some([name]) => in_place("", name),
        Some([directory, name, ..]) => in_place(directory, name),
        Some([]) | None => false,
    }
}

/// What a restore does to a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// What it replaces, relative to the directory, sorted.
    pub replaced: Vec<String>,
    /// What it leaves alone, one level deep, sorted; without what the charm itself keeps there.
    pub left: Vec<String>,
}

/// Counts out what a restore replaces in the data directory `root`, and what it leaves alone.
pub fn census(root: &Path) -> io::Result<Census> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let replaced: Vec<String> = replaced(root)?.into_iter().map(text).collect();
    let mut left = Vec::new();
    for directory in ["", "media"] {
        let entries = match std::fs::read_dir(root.join(directory)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let name = text(Path::new(directory).join(entry?.file_name()));
            let ours = name.starts_with('.') || name == "media" || name == "lost+found";
            if !ours && !replaced.contains(&name) {
                left.push(name);
            }
        }
    }
    left.sort();
    Ok(Census { replaced, left })
}

/// Measures the database in the data directory `root` with its write-ahead log; `None` when there is none.
pub fn database_size(root: &Path) -> io::Result<Option<u64>> {
    let size = |name: &str| match std::fs::metadata(root.join(name)) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let log = size("homeserver.db-wal")?.unwrap_or_default();
    Ok(size(DATABASE)?.map(|database| database + log))
}

fn find(root: &Path, wanted: impl Fn(&Rule) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for directory in ["", "media"] {
        let rules: Vec<&Rule> = RULES
            .iter()
            .filter(|rule| rule.directory == directory && wanted(rule))
            .collect();
        let entries = match std::fs::read_dir(root.join(directory)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let name = entry?.file_name();
            let matching = name
                .to_str()
                .is_some_and(|name| rules.iter().any(|rule| rule.name.matches(name)));
            if matching {
                found.push(Path::new(directory).join(&name));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// A data directory as Synapse leaves it.
    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in [
            "example.org.signing.key",
            "macaroon.secret",
            "homeserver.yaml",
            "log.config",
            "homeserver.db",
            "homeserver.db-wal",
            "homeserver.db-shm",
            "homeserver.log",
            ".synapse-operator/x",
            "media/local_content/aa/bb/cc",
            "media/local_thumbnails/aa/bb/cc/96-96",
            "media/remote_content/a",
            "media/url_cache/b",
        ] {
            let path = directory.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        directory
    }

    fn names(paths: Vec<PathBuf>) -> Vec<String> {
        paths
            .into_iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    #[test]
    fn keys_secrets_configuration_and_local_media_are_saved_and_the_live_database_is_not() {
        assert_eq!(
            names(saved(directory().path()).unwrap()),
            [
                "example.org.signing.key",
                "homeserver.yaml",
                "log.config",
                "macaroon.secret",
                "media/local_content",
                "media/local_thumbnails",
            ]
        );
    }

    #[test]
    fn restore_replaces_every_file_of_the_database_generation() {
        assert_eq!(
            names(replaced(directory().path()).unwrap()),
            [
                "example.org.signing.key",
                "homeserver.db",
                "homeserver.db-shm",
                "homeserver.db-wal",
                "homeserver.yaml",
                "macaroon.secret",
                "media/local_content",
                "media/local_thumbnails",
            ]
        );
    }

    #[test]
    fn every_rule_is_met_and_no_name_meets_two() {
        let directory = directory();
        for rule in RULES
            .iter()
            .filter(|rule| !matches!(rule.name, Name::Is("homeserver.db-journal")))
        {
            let place = directory.path().join(rule.directory);
            let met = std::fs::read_dir(place).unwrap().any(|entry| {
                let name = entry.unwrap().file_name();
                rule.name.matches(name.to_str().unwrap())
            });
            assert!(met, "a rule of {:?} is met by nothing", rule.directory);
        }
        for path in names(replaced(directory.path()).unwrap()) {
            let (place, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let rules = RULES
                .iter()
                .filter(|rule| rule.directory == place && rule.name.matches(name));
            assert_eq!(rules.count(), 1, "{path}");
        }
    }

    #[test]
    fn only_what_a_backup_takes_may_come_back() {
        for path in [
            "homeserver.db",
            "homeserver.yaml",
            "a.signing.key",
            "media/local_content/aa/b",
        ] {
            assert!(permitted(Path::new(path)), "{path}");
        }
        for path in [
            "",
            "homeserver.db-wal",
            "homeserver.log",
            "media",
            "media/remote_content/aa",
            "homeserver.db/x",
            "notes.txt",
            ".synapse-operator/journal.json",
        ] {
            assert!(!permitted(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn empty_volume_has_nothing_to_save() {
        let directory = tempfile::tempdir().unwrap();
        assert!(saved(directory.path()).unwrap().is_empty());
        assert_eq!(database_size(directory.path()).unwrap(), None);
    }
}
