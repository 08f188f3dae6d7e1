//! A tree gone through without following a link, in little memory however many files one directory holds.

use std::fs::{self, Metadata, ReadDir};
use std::io;
use std::path::{Path, PathBuf};

/// Directories that are held open at a time, one in another; of those below them the names are held instead.
const OPEN: usize = 64;

/// What is left of one directory.
enum Level {
    Open(ReadDir),
    Named(std::vec::IntoIter<PathBuf>),
}

/// Shows `root` and all that lies in it to `each`, a directory before what is in it; of a directory that `each` does not
/// want it shows no more.
///
/// Files may come and go meanwhile: what is gone is passed over. A directory's entries come as the file system keeps them.
pub fn walk(
    root: &Path,
    mut each: impl FnMut(&Path, &Metadata) -> io::Result<bool>,
) -> io::Result<()> {
    let mut levels: Vec<Level> = Vec::new();
    let mut next = Some(root.to_owned());
    loop {
        if let Some(path) = next.take()
            && let Some(metadata) = there(fs::symlink_metadata(&path))?
            && each(&path, &metadata)?
            && metadata.is_dir()
            && let Some(entries) = there(fs::read_dir(&path))?
        {
            levels.push(match levels.len() < OPEN {
                true => Level::Open(entries),
                false => {
                    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
                    Level::Named(paths.collect::<io::Result<Vec<_>>>()?.into_iter())
                }
            });
        }
        let Some(level) = levels.last_mut() else {
            return Ok(());
        };
        next = match level {
            Level::Open(entries) => entries.next().transpose()?.map(|entry| entry.path()),
            Level::Named(paths) => paths.next(),
        };
        if next.is_none() {
            levels.pop();
        }
    }
}

/// Nothing, where it is gone.
fn there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::symlink;

    use super::*;

    fn seen(root: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<String> {
        let mut seen = Vec::new();
        walk(root, |path, _| {
            let below = path.strip_prefix(root).unwrap();
            seen.push(below.display().to_string());
            Ok(wanted(below))
        })
        .unwrap();
        seen.sort();
        seen
    }

    #[test]
    fn every_file_is_shown_once_and_no_link_is_followed() {
        let top = tempfile::tempdir().unwrap();
        for file in ["a/b/c", "a/d", "e/f"] {
            let path = top.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        symlink("..", top.path().join("a/up")).unwrap();
        assert_eq!(
            seen(top.path(), |_| true),
            ["", "a", "a/b", "a/b/c", "a/d", "a/up", "e", "e/f"]
        );
        assert_eq!(
            seen(top.path(), |path| path != Path::new("a")),
            ["", "a", "e", "e/f"]
        );
        assert_eq!(seen(&top.path().join("none"), |_| true), [""; 0]);
        assert_eq!(seen(&top.path().join("a/d"), |_| true), [""]);
    }

    #[test]
    fn a_tree_may_be_deeper_than_directories_are_held_open() {
        let top = tempfile::tempdir().unwrap();
        let mut deepest = top.path().to_owned();
        for _ in 0..2 * OPEN {
            deepest.push("d");
        }
        fs::create_dir_all(&deepest).unwrap();
        fs::write(deepest.join("one"), "").unwrap();
        fs::write(deepest.join("two"), "").unwrap();
        assert_eq!(seen(top.path(), |_| true).len(), 2 * OPEN + 3);
    }
}
