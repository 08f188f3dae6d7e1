//! Puts staged data into the place of the live data, by renames on one file system, and can take it back.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use super::Place;
use super::stage::Staged;

/// One rename, relative to nothing: both paths are as this process sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Move {
    from: PathBuf,
    to: PathBuf,
}

/// A swap that was made, and can be undone until it is dropped.
#[derive(Debug)]
pub(super) struct Swapped {
    made: Vec<Move>,
}

/// A swap that could not be made; what had been moved was moved back.
#[derive(Debug, thiserror::Error)]
#[error("failed to move {from} to {to}", from = .failed.from.display(), to = .failed.to.display())]
pub struct SwapError {
    failed: Move,
    /// What the file system said.
    #[source]
    source: io::Error,
}

/// Moves what is live aside and what is staged in. Asks for the proof that all of it is authentic.
///
/// An error comes with whether everything that had been moved could be moved back.
pub(super) fn swap(place: &Place, _proof: &Staged) -> Result<Swapped, (SwapError, bool)> {
    let (live, staged, aside) = (place.live(), place.staged(), place.aside());
    let listed = |root: &Path| {
        (place.replaced)(root).map_err(|source| {
            let failed = Move {
                from: staged.clone(),
                to: live.to_owned(),
            };
            (SwapError { failed, source }, true)
        })
    };
    let moves = plan(live, &staged, &aside, &listed(live)?, &listed(&staged)?);

    let mut swapped = Swapped { made: Vec::new() };
    for next in moves {
        if let Err(source) = make(&next, live, place) {
            let failed = next;
            return Err((SwapError { failed, source }, swapped.undo()));
        }
        swapped.made.push(next);
    }
    Ok(swapped)
}

/// First everything out, then everything in: no name is ever there twice.
fn plan(live: &Path, staged: &Path, aside: &Path, out: &[PathBuf], into: &[PathBuf]) -> Vec<Move> {
    let step = |name: &PathBuf, from: &Path, to: &Path| Move {
        from: from.join(name),
        to: to.join(name),
    };
    let out = out.iter().map(|name| step(name, live, aside));
    let into = into.iter().map(|name| step(name, staged, live));
    out.chain(into).collect()
}

fn make(step: &Move, live: &Path, place: &Place) -> io::Result<()> {
    if let Some(parent) = step.to.parent().filter(|parent| !parent.exists()) {
        fs::create_dir_all(parent)?;
        if parent.starts_with(live) {
            chown(parent, Some(place.user_id), Some(place.group_id))?;
        }
    }
    fs::rename(&step.from, &step.to)?;
    for directory in [step.from.parent(), step.to.parent()].into_iter().flatten() {
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(())
}

impl Swapped {
    /// Moves everything back, last first, and tells whether all of it could be.
    ///
    /// A move that cannot be taken back is logged with both its names: nothing is deleted, so a person can finish it.
    pub(super) fn undo(self) -> bool {
        let mut undone = true;
        for step in self.made.into_iter().rev() {
            if let Err(error) = fs::rename(&step.to, &step.from) {
                let (from, to) = (step.to.display(), step.from.display());
                tracing::error!(%from, %to, %error, "could not move back");
                undone = false;
            }
        }
        undone
    }

    /// Whether anything was there before.
    pub(super) fn replaced_anything(&self, aside: &Path) -> bool {
        self.made.iter().any(|step| step.to.starts_with(aside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_goes_out_before_anything_comes_in() {
        let names = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let moves = plan(
            Path::new("/data"),
            Path::new("/data/.s/restore/data"),
            Path::new("/data/.s/replaced"),
            &names(&["homeserver.db", "homeserver.db-wal"]),
            &names(&["homeserver.db", "media/local_content"]),
        );
        let text: Vec<String> = moves
            .iter()
            .map(|step| format!("{} -> {}", step.from.display(), step.to.display()))
            .collect();
        assert_eq!(
            text,
            [
                "/data/homeserver.db -> /data/.s/replaced/homeserver.db",
                "/data/homeserver.db-wal -> /data/.s/replaced/homeserver.db-wal",
                "/data/.s/restore/data/homeserver.db -> /data/homeserver.db",
                "/data/.s/restore/data/media/local_content -> /data/media/local_content",
            ]
        );
    }
}
