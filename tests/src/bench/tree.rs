//! What lies in a directory, by digest: the same before and after, or not.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// The digest of each file by its path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tree(BTreeMap<String, [u8; 32]>);

impl Tree {
    /// Reads all files below a directory.
    pub(super) fn of(top: &Path) -> Result<Self> {
        let mut tree = Self::default();
        let mut buffer = vec![0; 1 << 20];
        let mut directories = vec![top.to_owned()];
        while let Some(directory) = directories.pop() {
            let entries = fs::read_dir(&directory)
                .with_context(|| format!("failed to list {}", directory.display()))?;
            for entry in entries {
                let path = entry?.path();
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                let name = path.strip_prefix(top)?.to_string_lossy().into_owned();
                tree.0
                    .insert(name, digest(File::open(&path)?, &mut buffer)?);
            }
        }
        Ok(tree)
    }

    /// Notes a file.
    pub(super) fn insert(&mut self, path: String, digest: [u8; 32]) {
        self.0.insert(path, digest);
    }

    /// How many files there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether this, found at some place, is all of the other; the error names what is not.
    pub(super) fn must_be(&self, source: &Self, place: &str) -> Result<()> {
        let names = self.0.keys().chain(source.0.keys());
        let mut wrong: Vec<&String> = names
            .filter(|name| self.0.get(*name) != source.0.get(*name))
            .collect();
        wrong.sort();
        wrong.dedup();
        if let Some(first) = wrong.first() {
            bail!(
                "{place}: {} of {} files are not what was saved, the first of them {first}",
                wrong.len(),
                source.len()
            );
        }
        Ok(())
    }
}

fn digest(mut file: impl Read, buffer: &mut [u8]) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    loop {
        match file.read(buffer)? {
            0 => return Ok(digest.finalize().into()),
            read => digest.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_missing_changed_or_too_many_is_named() -> Result<()> {
        let room = tempfile::tempdir()?;
        fs::create_dir(room.path().join("a"))?;
        fs::write(room.path().join("a/one"), "one")?;
        let before = Tree::of(room.path())?;
        before.must_be(&Tree::of(room.path())?, "here")?;
        fs::write(room.path().join("a/two"), "two")?;
        let after = Tree::of(room.path())?;
        let told = after
            .must_be(&before, "there")
            .err()
            .map(|error| error.to_string());
        let expected = "there: 1 of 1 files are not what was saved, the first of them a/two";
        assert_eq!(told.as_deref(), Some(expected));
        assert!(before.must_be(&after, "back").is_err());
        Ok(())
    }
}
