//! Trees on the data volume, looked at without following a link anywhere.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, statat};

use crate::backup::walk::walk;

/// The unit in which a file system counts what it has given away.
const SECTOR: u64 = 512;

/// What lies in a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// Plain files.
    pub(super) files: u64,
    /// Directories, the tree's own among them.
    pub(super) directories: u64,
    /// Links, devices and whatever else.
    pub(super) others: u64,
    /// Bytes that all of it takes on the volume.
    pub(super) bytes: u64,
}

impl Census {
    /// Counts a tree; one that is not there is empty.
    pub(super) fn of(root: &Path) -> io::Result<Self> {
        let mut census = Self::default();
        walk(root, |_, metadata| {
            census.bytes += metadata.blocks() * SECTOR;
            if metadata.is_dir() {
                census.directories += 1;
            } else if metadata.is_file() {
                census.files += 1;
            } else {
                census.others += 1;
            }
            Ok(true)
        })?;
        Ok(census)
    }

    /// Adds what lies in another tree.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            files: self.files + other.files,
            directories: self.directories + other.directories,
            others: self.others + other.others,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// Opens a file or a directory below `root` for reading; a link on the way, or at its end, is an error.
pub(super) fn open_beneath(root: &Path, path: &str) -> io::Result<File> {
    let way = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut directory = openat(CWD, root, way, Mode::empty())?;
    let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
    for part in parents.split('/').filter(|part| !part.is_empty()) {
        if part == ".." {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        directory = openat(&directory, part, way, Mode::empty())?;
    }
    // To open a device is to do something to it.
    let stat = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::Directory if name != ".." => (),
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    }
    let reading = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(openat(&directory, name, reading, Mode::empty())?.into())
}

/// Moves all that lies in `from` into `to`, directories into those of the same name, and removes `from`.
///
/// Stops at a name that both have, other than for directories, and gives it back. Can be begun again.
pub(super) fn merge(from: &Path, to: &Path) -> io::Result<Option<PathBuf>> {
    loop {
        let mut moved = false;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            match fs::symlink_metadata(&target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::rename(entry.path(), target)?;
                }
                Err(error) => return Err(error),
                Ok(there) if there.is_dir() && entry.file_type()?.is_dir() => {
                    if let Some(twice) = merge(&entry.path(), &target)? {
                        return Ok(Some(twice));
                    }
                }
                Ok(_) => return Ok(Some(entry.path())),
            }
            moved = true;
        }
        match fs::remove_dir(from) {
            // A file system need not show every name of a directory that changes while it is read.
            Err(error) if moved && error.kind() == io::ErrorKind::DirectoryNotEmpty => (),
            removed => return removed.map(|()| None),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    fn plant(root: &Path, files: &[&str]) {
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
    }

    #[test]
    fn nothing_is_opened_through_a_link() {
        let top = tempfile::tempdir().unwrap();
        plant(top.path(), &["outside", "root/d/inside"]);
        let root = top.path().join("root");
        symlink("../outside", root.join("link")).unwrap();
        symlink("d", root.join("way")).unwrap();
        symlink(&root, top.path().join("other")).unwrap();
        let mut text = String::new();
        let mut file = open_beneath(&root, "d/inside").unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "root/d/inside");
        assert!(
            open_beneath(&root, "d")
                .unwrap()
                .metadata()
                .unwrap()
                .is_dir()
        );
        for path in [
            "link",
            "way/inside",
            "../outside",
            "d/../link",
            "..",
            "missing",
            "d/inside/x",
        ] {
            assert!(open_beneath(&root, path).is_err(), "{path}");
        }
        assert!(open_beneath(&top.path().join("other"), "d/inside").is_err());
    }

    #[test]
    fn census_counts_each_kind_once() {
        let top = tempfile::tempdir().unwrap();
        plant(top.path(), &["a/b/c", "a/d"]);
        symlink("d", top.path().join("a/link")).unwrap();
        let census = Census::of(top.path()).unwrap();
        assert_eq!((census.files, census.directories, census.others), (2, 3, 1));
        assert!(census.bytes >= 2 * SECTOR);
        assert_eq!(
            Census::of(&top.path().join("none")).unwrap(),
            Census::default()
        );
    }

    #[test]
    fn trees_are_merged_until_two_files_have_one_name() {
        let top = tempfile::tempdir().unwrap();
        let [one, two, all] = ["one", "two", "all"].map(|name| top.path().join(name));
        plant(&one, &["data/media/aa/1", "data/key"]);
        plant(&two, &["data/media/aa/2", "data/media/bb/3"]);
        fs::create_dir(&all).unwrap();
        assert_eq!(merge(&one, &all).unwrap(), None);
        assert_eq!(merge(&two, &all).unwrap(), None);
        assert!(!one.exists() && !two.exists());
        for file in [
            "data/key",
            "data/media/aa/1",
            "data/media/aa/2",
            "data/media/bb/3",
        ] {
            assert!(all.join(file).is_file(), "{file}");
        }

        plant(&one, &["data/media/aa/0", "data/media/aa/2"]);
        let twice = merge(&one, &all).unwrap();
        assert_eq!(twice, Some(one.join("data/media/aa/2")));
        let kept = fs::read_to_string(all.join("data/media/aa/2")).unwrap();
        assert_eq!(kept, "data/media/aa/2");
    }
}
