//! The moves of a swap: renames on one file system, each of which can be made again, or taken back, after any crash.
//!
//! Nothing notes which move was made: that stands in the file system. A name in the kept tree was moved out; a name that
//! is no longer where it came from was moved in. So both directions can begin again at any point.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use super::journal::{Incoming, Journal};
use super::previous;
use super::{Place, Scope};

/// A move that the file system refused.
#[derive(Debug, thiserror::Error)]
#[error("failed to move {} to {}", .from.display(), .to.display())]
pub struct MoveError {
    from: PathBuf,
    to: PathBuf,
    /// What the file system said.
    #[source]
    source: io::Error,
}

/// The three directories of a swap.
pub(super) struct Moves<'a> {
    place: &'a Place,
    live: PathBuf,
    incoming: PathBuf,
    kept: PathBuf,
    /// The parts of the data directory that are swapped.
    scope: &'a Scope,
    /// What was live; `None` as long as nothing can have been moved.
    out: Option<&'a [String]>,
}

impl<'a> Moves<'a> {
    pub(super) fn of(place: &'a Place, journal: &'a Journal) -> Self {
        let private = place.private();
        let incoming = match &journal.incoming {
            Incoming::Staging => place.staged(),
            Incoming::Kept(id) => previous::data(&private, id),
        };
        Self {
            place,
            live: place.live().to_owned(),
            incoming,
            kept: previous::data(&private, &journal.kept),
            scope: &journal.scope,
            out: journal.out.as_deref(),
        }
    }

    /// Lists what is live now, and is to be moved out.
    pub(super) fn live_names(place: &Place, scope: &Scope) -> Result<Vec<String>, MoveError> {
        listed(place, scope, place.live())
    }

    /// Moves what was live to the kept tree.
    pub(super) fn out(&self) -> Result<(), MoveError> {
        for name in self.out.unwrap_or_default() {
            if !there(&self.kept.join(name)) && there(&self.live.join(name)) {
                self.make(name, &self.live, &self.kept)?;
            }
        }
        Ok(())
    }

    /// Moves what is new to where it lives.
    pub(super) fn in_(&self) -> Result<(), MoveError> {
        for name in listed(self.place, self.scope, &self.incoming)? {
            self.make(&name, &self.incoming, &self.live)?;
        }
        Ok(())
    }

    /// Moves everything to where it was before the swap began, also what the new server has made since.
    pub(super) fn back(&self) -> Result<(), MoveError> {
        let Some(out) = self.out else {
            return Ok(());
        };
        for name in listed(self.place, self.scope, &self.live)? {
            let was_live = out.contains(&name);
            // What was live and is not in the kept tree has not been moved at all, or is back already.
            if !was_live || there(&self.kept.join(&name)) {
                self.make(&name, &self.live, &self.incoming)?;
            }
        }
        for name in out {
            if there(&self.kept.join(name)) {
                self.make(name, &self.kept, &self.live)?;
            }
        }
        Ok(())
    }

    fn make(&self, name: &str, from: &Path, to: &Path) -> Result<(), MoveError> {
        let (from, to) = (from.join(name), to.join(name));
        let made = || {
            let above = to.ancestors().skip(1);
            let mut missing: Vec<&Path> = above.take_while(|above| !above.exists()).collect();
            while let Some(directory) = missing.pop() {
                fs::create_dir(directory)?;
                chown(
                    directory,
                    Some(self.place.user_id),
                    Some(self.place.group_id),
                )?;
            }
            fs::rename(&from, &to)?;
            for directory in [from.parent(), to.parent()].into_iter().flatten() {
                File::open(directory)?.sync_all()?;
            }
            Ok(())
        };
        made().map_err(|source| MoveError { from, to, source })
    }
}

fn there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn listed(place: &Place, scope: &Scope, root: &Path) -> Result<Vec<String>, MoveError> {
    let names = (place.replaced)(root, scope).map_err(|source| MoveError {
        from: root.to_owned(),
        to: place.live().to_owned(),
        source,
    })?;
    Ok(names
        .into_iter()
        .filter_map(|name| name.into_os_string().into_string().ok())
        .collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::backup::BackupId;
    use crate::backup::journal::Operation;

    fn replaced(root: &Path, _: &Scope) -> io::Result<Vec<PathBuf>> {
        let mut names = Vec::new();
        for directory in ["", "media"] {
            let Ok(entries) = fs::read_dir(root.join(directory)) else {
                continue;
            };
            for entry in entries {
                let name = Path::new(directory).join(entry?.file_name());
                if name != Path::new("media") && !name.starts_with(".private") {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }

    /// A data directory with something old, and something new in staging.
    fn scene() -> (tempfile::TempDir, Place, Journal) {
        let directory = tempfile::tempdir().unwrap();
        let owner = fs::metadata(directory.path()).unwrap();
        let place = Place {
            here: directory.path().to_owned(),
            there: "/data".to_owned(),
            private: ".private",
            user_id: owner.uid(),
            group_id: owner.gid(),
            staging: "staging",
            replaced,
            permitted: |_, _| true,
            service: "synapse".to_owned(),
        };
        let write = |path: PathBuf, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for name in ["db", "db-wal", "key", "media/local"] {
            write(place.live().join(name), "old");
        }
        for name in ["db", "key", "media/local", "media/thumbnails"] {
            write(place.staged().join(name), "new");
        }
        let backup = BackupId::parse("backup-20261121120000000000").unwrap();
        let began = "2026-11-21T12:04:05Z".parse().unwrap();
        let mut journal = Journal::new(
            Operation::Restore(backup),
            Scope::default(),
            began,
            Incoming::Staging,
        );
        journal.out = Some(Moves::live_names(&place, &Scope::default()).unwrap());
        previous::prepare(&place, &journal).unwrap();
        (directory, place, journal)
    }

    /// What is live, name by name.
    fn live(place: &Place) -> Vec<(String, String)> {
        let mut names = Moves::live_names(place, &Scope::default()).unwrap();
        names.sort();
        let text = |name: String| {
            let text = fs::read_to_string(place.live().join(&name)).unwrap();
            (name, text)
        };
        names.into_iter().map(text).collect()
    }

    /// Makes the first `count` of the eight moves that a whole swap takes here.
    fn forward(moves: &Moves<'_>, count: usize) {
        let out = moves.out.unwrap();
        for name in out.iter().take(count) {
            moves.make(name, &moves.live, &moves.kept).unwrap();
        }
        let names = listed(moves.place, moves.scope, &moves.incoming).unwrap();
        for name in names.iter().take(count.saturating_sub(out.len())) {
            moves.make(name, &moves.incoming, &moves.live).unwrap();
        }
    }

    #[test]
    fn swap_that_was_cut_off_anywhere_is_undone_and_can_be_finished() {
        for count in 0..=8 {
            let (_directory, place, journal) = scene();
            let before = live(&place);
            let moves = Moves::of(&place, &journal);
            forward(&moves, count);
            moves.back().unwrap();
            assert_eq!(live(&place), before, "after {count} moves");
            moves.back().unwrap();
            assert_eq!(live(&place), before, "taken back twice");

            forward(&moves, count);
            moves.out().unwrap();
            moves.in_().unwrap();
            let names: Vec<(String, String)> = ["db", "key", "media/local", "media/thumbnails"]
                .map(|name| (name.to_owned(), "new".to_owned()))
                .into();
            assert_eq!(live(&place), names, "after {count} moves");
            assert!(moves.kept.join("db-wal").exists());
        }
    }

    #[test]
    fn what_the_new_server_made_goes_back_with_it() {
        let (_directory, place, journal) = scene();
        let before = live(&place);
        let moves = Moves::of(&place, &journal);
        moves.out().unwrap();
        moves.in_().unwrap();
        fs::write(place.live().join("db-wal"), "of the new database").unwrap();
        fs::write(place.live().join("db-shm"), "of the new database").unwrap();
        moves.back().unwrap();
        assert_eq!(live(&place), before);
    }

    #[test]
    fn swap_that_had_not_listed_anything_moves_nothing_back() {
        let (_directory, place, mut journal) = scene();
        journal.out = None;
        let before = live(&place);
        Moves::of(&place, &journal).back().unwrap();
        assert_eq!(live(&place), before);
    }
}
