//! What a swap replaced, kept until somebody lets go of it: the way back.
//!
//! ```text
//! <private>/previous/<time>/record.json   what it is; without one the tree is rubbish
//! <private>/previous/<time>/data/...      the tree, as it lay in the data directory
//! ```
//!
//! The record goes first when a tree is freed, so that nobody takes half a tree for a way back.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::journal::{Journal, Operation};
use super::place::remove_tree;
use super::{Place, Scope};

const DIRECTORY: &str = "previous";
const RECORD: &str = "record.json";
const DATA: &str = "data";
/// A record is a few lines.
const LIMIT: u64 = 64 * 1024;

/// The name of a kept tree: the UTC time at which it was replaced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TreeId(String);

/// The text is not the name of a kept tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a kept tree")]
pub struct TreeIdError(String);

/// A tree that was replaced, and can be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub(super) id: TreeId,
    /// The parts of the data directory that were replaced.
    pub scope: Scope,
    /// By what it was replaced.
    pub operation: Operation,
    /// When that was.
    pub at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Record {
    operation: Operation,
    scope: Scope,
    at: Timestamp,
}

impl TreeId {
    pub(super) fn at(time: Timestamp) -> Self {
        let time = time.to_zoned(TimeZone::UTC);
        Self(time.strftime("%Y%m%dT%H%M%S.%6fZ").to_string())
    }
}

impl TryFrom<String> for TreeId {
    type Error = TreeIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |byte: u8| byte.is_ascii_digit() || b"TZ.".contains(&byte);
        // Never a name that climbs.
        match text.starts_with(|first: char| first.is_ascii_digit()) && text.bytes().all(plain) {
            true => Ok(Self(text)),
            false => Err(TreeIdError(text.chars().take(80).collect())),
        }
    }
}

impl From<TreeId> for String {
    fn from(id: TreeId) -> Self {
        id.0
    }
}

impl fmt::Display for TreeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Kept {
    /// Finds the tree that is kept below the private directory; the newest, should there be several for a moment.
    ///
    /// While a swap is open, nobody can tell which tree is what: then none is kept.
    pub fn find(private: &Path) -> io::Result<Option<Self>> {
        if Journal::is_there(private) {
            return Ok(None);
        }
        let mut found: Vec<Self> = trees(private)?
            .into_iter()
            .filter_map(|id| Self::read(private, id))
            .collect();
        found.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(found.pop())
    }

    /// Until when it is kept.
    pub fn until(&self, hours: u32) -> Timestamp {
        let kept = SignedDuration::from_hours(i64::from(hours));
        self.at.checked_add(kept).unwrap_or(Timestamp::MAX)
    }

    fn read(private: &Path, id: TreeId) -> Option<Self> {
        let path = tree(private, &id).join(RECORD);
        let small = fs::metadata(&path).is_ok_and(|found| found.len() <= LIMIT);
        let text = small.then(|| fs::read(&path).ok())??;
        let Record {
            operation,
            scope,
            at,
        } = serde_json::from_slice(&text).ok()?;
        Some(Self {
            id,
            scope,
            operation,
            at,
        })
    }
}

/// Where a kept tree lies, with its record.
fn tree(private: &Path, id: &TreeId) -> PathBuf {
    private.join(DIRECTORY).join(&id.0)
}

/// Where its data lies.
pub(super) fn data(private: &Path, id: &TreeId) -> PathBuf {
    tree(private, id).join(DATA)
}

/// Makes the tree that is to take what a swap replaces.
pub(super) fn prepare(place: &Place, journal: &Journal) -> io::Result<()> {
    let private = place.private();
    let tree = tree(&private, &journal.kept);
    for directory in [&private.join(DIRECTORY), &tree, &tree.join(DATA)] {
        place.own(directory)?;
    }
    let record = Record {
        operation: journal.operation.clone(),
        scope: journal.scope.clone(),
        at: journal.began,
    };
    let mut file = File::create(tree.join(RECORD))?;
    file.write_all(&serde_json::to_vec_pretty(&record)?)?;
    file.sync_all()?;
    for directory in [&tree, &private.join(DIRECTORY), &private] {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// Frees one tree.
pub(super) fn free(private: &Path, id: &TreeId) -> io::Result<()> {
    let tree = tree(private, id);
    match fs::remove_file(tree.join(RECORD)) {
        Ok(()) => File::open(&tree)?.sync_all()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => (),
        Err(error) => return Err(error),
    }
    remove_tree(&tree)
}

/// Frees every tree but one, and what others left of trees; tells how many were a way back.
pub(super) fn free_others(private: &Path, kept: Option<&TreeId>) -> io::Result<usize> {
    let mut freed = 0;
    for id in trees(private)? {
        if Some(&id) != kept {
            freed += usize::from(Kept::read(private, id.clone()).is_some());
            free(private, &id)?;
        }
    }
    if kept.is_none() {
        remove_tree(&private.join(DIRECTORY))?;
    }
    Ok(freed)
}

/// Frees what killed runs left of trees: those without a record.
pub(super) fn sweep(private: &Path) -> io::Result<()> {
    for id in trees(private)? {
        if Kept::read(private, id.clone()).is_none() {
            free(private, &id)?;
        }
    }
    Ok(())
}

fn trees(private: &Path) -> io::Result<Vec<TreeId>> {
    let entries = match fs::read_dir(private.join(DIRECTORY)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        found.extend(TreeId::try_from(name));
    }
    Ok(found)
}
