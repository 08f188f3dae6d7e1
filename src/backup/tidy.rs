//! Removes what killed runs left that nobody can use any more; what a further run goes on with stays.
//!
//! Called at a wake-up, when no swap is open: then nobody else is at work here.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;

use super::journal::Journal;
use super::place::remove_tree;
use super::{Place, previous, stage};

/// What the names of volumes end in.
const VOLUME_END: &str = ".tar.gpg";

/// Removes what is neither whole nor noted: a journal that never got its name, a tree whose record is gone, staged data
/// that was not proven.
pub fn tidy(place: &Place) -> io::Result<()> {
    let private = place.private();
    if !private.exists() || Journal::is_there(&private) {
        return Ok(());
    }
    Journal::remove_unwritten(&private)?;
    previous::sweep(&private)?;
    tidy_staging(&place.staging())
}

/// Removes all that is staged, if it was begun before `then`: nobody came back for it.
pub fn forget_staged(place: &Place, then: Timestamp) -> io::Result<bool> {
    let staging = place.staging();
    let begun = match fs::metadata(staging.join(stage::BACKUP)) {
        Ok(facts) => facts.modified()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let old = Timestamp::try_from(begun).is_ok_and(|begun| begun < then);
    if old {
        remove_tree(&staging)?;
    }
    Ok(old)
}

/// Keeps the volumes that are noted as whole, and what notes them.
fn tidy_staging(staging: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(staging) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let names: BTreeSet<String> = entries
        .iter()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let whole = |name: &str| names.contains(&stage::marker_of(name));
    if !names.contains(stage::BACKUP)
        || !names
            .iter()
            .any(|name| whole(name) || stage::is_marker(name))
    {
        return remove_tree(staging);
    }
    for name in &names {
        let volume = name.ends_with(VOLUME_END) && !whole(name);
        if volume || name.ends_with(".new") {
            let path = staging.join(name);
            match path.is_dir() {
                true => remove_tree(&path)?,
                false => fs::remove_file(&path)?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::path::PathBuf;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn left(files: &[&str]) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let staging: PathBuf = directory.path().join("staging");
        for file in files {
            let path = staging.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        tidy_staging(&staging).unwrap();
        match staging.exists() {
            true => names(&staging),
            false => Vec::new(),
        }
    }

    #[test]
    fn only_volumes_that_are_noted_as_whole_stay() {
        let (one, two) = ("volume-0001.tar.gpg/data/x", "volume-0002.tar.gpg/data/y");
        assert_eq!(left(&[]), [""; 0]);
        assert_eq!(left(&["backup.json", one]), [""; 0]);
        assert_eq!(left(&["backup.json.new"]), [""; 0]);
        assert_eq!(left(&["volume-0001.tar.gpg.done", one]), [""; 0]);
        let noted = "volume-0001.tar.gpg.done";
        assert_eq!(
            left(&[
                "backup.json",
                noted,
                one,
                two,
                "volume-0002.tar.gpg.done.new"
            ]),
            ["backup.json", "volume-0001.tar.gpg", noted]
        );
        // All whole and joined: what only waits for the swap.
        assert_eq!(
            left(&["backup.json", noted, "data/x"]),
            ["backup.json", "data", noted]
        );
    }
}
