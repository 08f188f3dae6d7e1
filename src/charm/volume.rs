//! The data volume as the charm container sees it.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use tracing::warn;

use super::PRIVATE;
use crate::backup::{Kept, Room};
use crate::synapse::config::{self, DatabaseKind};
use crate::synapse::{GID, ServerName, UID};

/// A configuration is a few kilobytes; a larger file is none.
const CONFIGURATION_LIMIT: u64 = 1024 * 1024;

/// Name below the private directory of the copy of the database that a backup is made of.
pub(crate) const SNAPSHOT: &str = "snapshot";
/// Name there of what a verification unpacks to look into it.
pub(crate) const SCRATCH: &str = "proof";

/// One look at the data volume.
#[derive(Debug, Clone)]
pub(crate) struct Volume {
    /// Where it is mounted in this container.
    pub(crate) here: PathBuf,
    /// Whether Synapse's user owns it.
    pub(crate) owned: bool,
    /// Names of the directories and of the files that are not empty in it.
    pub(crate) names: Vec<String>,
    /// The configuration that Synapse was started with last; it may hold PostgreSQL's password.
    pub(crate) configuration: Option<SecretString>,
    /// The log configuration beside it.
    pub(crate) log_configuration: Option<String>,
    /// What the last restore or rollback has replaced, as long as it is kept.
    pub(crate) kept: Option<Kept>,
    /// Where the server's data lies, once Synapse was started.
    pub(crate) database: Option<DatabaseKind>,
    /// The server that was started here: it cannot be renamed any more.
    pub(crate) server_name: Option<ServerName>,
}

impl Volume {
    pub(crate) fn look(here: PathBuf) -> io::Result<Self> {
        let metadata = fs::metadata(&here)?;
        let mut names = Vec::new();
        for entry in fs::read_dir(&here)? {
            let entry = entry?;
            // What was being written when the node lost its power is there, and empty.
            if entry.metadata().is_ok_and(|metadata| metadata.len() > 0) {
                names.extend(entry.file_name().into_string());
            }
        }
        names.sort();
        let configuration = read(&here.join("homeserver.yaml"))?.map(SecretString::from);
        let text = configuration.as_ref().map(ExposeSecret::expose_secret);
        let database = match text.map(config::database_kind_of) {
            // Then an SQLite database beside it is what was there before anybody used the server.
            Some(Ok(Some(DatabaseKind::Postgres))) => Some(DatabaseKind::Postgres),
            Some(_) | None => names
                .iter()
                .any(|name| name == "homeserver.db")
                .then_some(DatabaseKind::Sqlite),
        };
        let server_name = text
            .filter(|_| database.is_some())
            .and_then(|text| config::server_name_of(text).ok());
        Ok(Self {
            owned: (metadata.uid(), metadata.gid()) == (UID, GID),
            names,
            log_configuration: read(&here.join("log.config"))?,
            configuration,
            database,
            server_name,
            kept: Kept::find(&here.join(PRIVATE))?,
            here,
        })
    }

    /// Room on it.
    pub(crate) fn room(&self) -> io::Result<Room> {
        Room::of(&self.here)
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, CONFIGURATION_LIMIT), &mut text)?;
    Ok(Some(text))
}

/// Makes the volume Synapse's: a fresh one belongs to root.
pub(crate) fn own(here: &Path) -> io::Result<()> {
    chown(here, Some(UID), Some(GID))
}

/// Makes every directory from below `root` down to `path`, private and Synapse's.
pub(crate) fn own_directories(root: &Path, path: &Path) -> io::Result<()> {
    let mut directories: Vec<&Path> = path
        .ancestors()
        .take_while(|directory| *directory != root)
        .collect();
    directories.reverse();
    for directory in directories {
        match fs::DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            made => made?,
        }
        chown(directory, Some(UID), Some(GID))?;
    }
    Ok(())
}

/// Removes a tree of ours; what cannot be removed is logged, and removed before it is used the next time.
pub(crate) fn remove(tree: &Path) {
    match fs::remove_dir_all(tree) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            warn!(tree = %tree.display(), %error, "could not be removed");
        }
        Ok(()) | Err(_) => (),
    }
}
