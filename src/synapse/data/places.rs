//! Which places of a data directory belong to which part, what is saved of them, and what a restore replaces.
//!
//! The rules name places, not files: a directory that matches is taken with all that is in it. The database itself is
//! never taken from where it lies, because Synapse writes to it all the time.

use std::io;
use std::path::{Path, PathBuf};

use super::Part;

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
    part: Part,
    /// Directory below the data directory, empty for itself.
    directory: &'static str,
    name: Name,
    saved: Saved,
    /// Whether a restore moves what is there aside and puts in what the backup holds.
    replaced: bool,
}

const fn rule(
    part: Part,
    directory: &'static str,
    name: Name,
    saved: Saved,
    replaced: bool,
) -> Rule {
    Rule {
        part,
        directory,
        name,
        saved,
        replaced,
    }
}

/// Every place that a backup or a restore is about. What no rule names is left alone by both.
const RULES: &[Rule] = &[
    // Losing a signing key means losing the server's identity in the federation.
    rule(
        Part::Keys,
        "",
        Name::EndsWith(".signing.key"),
        Saved::Yes,
        true,
    ),
    // Without these secrets, sessions, forms and registrations of the restored server break.
    rule(
        Part::Config,
        "",
        Name::EndsWith(".secret"),
        Saved::Yes,
        true,
    ),
    // Says whose data it is and which keys it once signed with; the charm renders the rest of it anew.
    rule(
        Part::Config,
        "",
        Name::Is("homeserver.yaml"),
        Saved::Yes,
        true,
    ),
    // For a recovery by hand.
    rule(Part::Config, "", Name::Is("log.config"), Saved::Yes, false),
    rule(Part::Database, "", Name::Is(DATABASE), Saved::ByCopy, true),
    // These belong to one generation of the database file; next to another one they destroy it.
    rule(
        Part::Database,
        "",
        Name::Is("homeserver.db-wal"),
        Saved::No,
        true,
    ),
    rule(
        Part::Database,
        "",
        Name::Is("homeserver.db-shm"),
        Saved::No,
        true,
    ),
    rule(
        Part::Database,
        "",
        Name::Is("homeserver.db-journal"),
        Saved::No,
        true,
    ),
    // Uploads of this server's users. Nothing makes their thumbnails again unless Synapse is told to.
    rule(
        Part::Media,
        "media",
        Name::StartsWith("local_"),
        Saved::Yes,
        true,
    ),
    // Copies of other servers' media; they can be fetched again as long as those servers have them.
    rule(
        Part::RemoteMedia,
        "media",
        Name::StartsWith("remote_"),
        Saved::Yes,
        true,
    ),
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

impl Rule {
    fn is_of(&self, parts: &[Part]) -> bool {
        parts.contains(&self.part)
    }

    fn is_met_by(&self, directory: &str, name: &str) -> bool {
        self.directory == directory && self.name.matches(name)
    }
}

/// Lists what a backup takes of a part as it lies, relative to the data directory `root`, sorted.
pub fn saved(root: &Path, part: &Part) -> io::Result<Vec<PathBuf>> {
    let parts = std::slice::from_ref(part);
    find(root, parts, |rule| rule.saved == Saved::Yes)
}

/// Lists what a restore of these parts replaces, relative to the data directory `root`, sorted: for the live directory
/// what is moved aside, for a staged one what is moved in.
pub fn replaced(root: &Path, parts: &[Part]) -> io::Result<Vec<PathBuf>> {
    find(root, parts, |rule| rule.replaced)
}

/// Whether a backup of these parts may hold a file or directory of this path, relative to the data directory.
pub fn permitted(path: &Path, parts: &[Part]) -> bool {
    let extra = |part: &Part| match part {
        Part::Extra(extra) => path.starts_with(extra) && clash(extra).is_none(),
        Part::MediaId(id) => media_places(id).iter().any(|place| path.starts_with(place)),
        _ => false,
    };
    parts.iter().any(extra)
        || place(path).is_some_and(|(directory, name, within)| {
            RULES.iter().any(|rule| {
                rule.is_of(parts)
                    && rule.saved != Saved::No
                    && rule.is_met_by(directory, name)
                    // A place of the data directory itself is a file.
                    && (!within || !rule.directory.is_empty())
            })
        })
}

/// The component that a path belongs to, relative to the data directory: `extra` when no rule names it.
pub fn component(path: &Path) -> &'static str {
    let rule = place(path).and_then(|(directory, name, _)| {
        let mut rules = RULES.iter();
        rules.find(|rule| rule.is_met_by(directory, name))
    });
    rule.map_or("extra", |rule| rule.part.component())
}

/// The place that an extra path, or a pattern of paths to leave out, may not touch, if it does.
///
/// An extra path may lie beside what the rules name, but neither in it nor around it.
pub fn clash(path: &Path) -> Option<String> {
    let around = path == Path::new("media");
    let hidden = path.starts_with(".synapse-operator") || path.starts_with("lost+found");
    let named = place(path).and_then(|(directory, name, _)| {
        let mut rules = RULES.iter();
        rules.find(|rule| rule.is_met_by(directory, name))
    });
    match named {
        Some(rule) => Some(format!("the component {}", rule.part.component())),
        None if around => Some("the component media".to_owned()),
        None if hidden => Some("what the charm keeps for itself".to_owned()),
        None => None,
    }
}

/// A path as the rules see it: directory, name, and whether more follows.
fn place(path: &Path) -> Option<(&str, &str, bool)> {
    let names: Option<Vec<&str>> = path.iter().map(std::ffi::OsStr::to_str).collect();
    match names?.as_slice() {
        ["media", name, rest @ ..] => Some(("media", *name, !rest.is_empty())),
        [name, rest @ ..] => Some(("", *name, !rest.is_empty())),
        [] => None,
    }
}

/// Where one upload and its thumbnails lie.
fn media_places(id: &super::MediaId) -> [PathBuf; 2] {
    ["media/local_content", "media/local_thumbnails"].map(|place| Path::new(place).join(id.path()))
}

/// What a restore does to a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// What it replaces, relative to the directory, sorted.
    pub replaced: Vec<String>,
    /// What it leaves alone, one level deep, sorted; without what the charm itself keeps there.
    pub left: Vec<String>,
}

/// Counts out what a restore of these parts replaces in the data directory `root`, and what it leaves alone.
pub fn census(root: &Path, parts: &[Part]) -> io::Result<Census> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let replaced: Vec<String> = replaced(root, parts)?.into_iter().map(text).collect();
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

fn find(root: &Path, parts: &[Part], wanted: impl Fn(&Rule) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for directory in ["", "media"] {
        let rules: Vec<&Rule> = RULES
            .iter()
            .filter(|rule| rule.directory == directory && rule.is_of(parts) && wanted(rule))
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
    let there = |path: &PathBuf| std::fs::symlink_metadata(root.join(path)).is_ok();
    for part in parts {
        match part {
            Part::Extra(path) => found.extend(Some(path.clone()).filter(there)),
            Part::MediaId(id) => found.extend(media_places(id).into_iter().filter(there)),
            _ => (),
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
