//! Backups of the Python charm, where an action meets one: what it is, whether it can be used, and what it cannot promise.

use std::sync::Arc;

use super::Results;
use crate::archive::ArchiveError;
use crate::backup::{
    self, BackupId, Catalogue, CatalogueError, Heritage, Monitor, Restoration, RestoreError,
    Sealed, Use,
};
use crate::charm::Charm;
use crate::charm::failure::{Failure, Kind};
use crate::charm::report::reported;
use crate::openpgp::Passphrase;
use crate::synapse::ServerName;
use crate::synapse::config::DatabaseKind;
use crate::synapse::data::{self, CheckError, Checked, Legacy, ProgramError};

/// What the names in such an archive mean to us.
const HERITAGE: Heritage = Heritage {
    of: |name| {
        data::legacy(name).map(|legacy| match legacy {
            Legacy::Keys => Use::Part("keys"),
            Legacy::Database => Use::Part(DATABASE),
            Legacy::Media => Use::Part("media"),
            Legacy::Spare => Use::Spare,
        })
    },
    moved: data::MOVED,
};
/// The part that has to be checked before it is used.
const DATABASE: &str = "database";
/// Whose backup it is when it does not say so.
const UNKNOWN: &str = "unknown";

/// What to do about a member that is refused.
const UNKNOWN_MEMBER: &str =
    "the Python charm did not save that, or somebody put it among the media: unpack it by hand";

/// What every such backup lacks.
const NOT_PROMISED: [&str; 2] = [
    "it has no list of what was saved: that it is whole is known from its seal and from the end of its archive alone",
    "homeserver.yaml and the secrets are not in it: those of this application stay",
];
/// And one that has a database.
const COPIED_IN_USE: &str = "its database was copied while it may have been in use: what was being written then may be missing";
/// And one that has none.
const NO_DATABASE: &str =
    "it holds no database: that of a server with PostgreSQL has to be restored by its own charm";

/// A backup that was opened, and what had to be found out when it was the Python charm's.
pub(super) struct Opened {
    pub(super) sealed: Sealed,
    pub(super) old: Option<Old>,
}

/// What is worth telling of a backup of the Python charm.
#[derive(Debug, Clone)]
pub(super) struct Old {
    server: Option<String>,
    database: bool,
    log: bool,
    left_out: Vec<String>,
}

/// Why what such a backup holds cannot be used.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("failed to check the database of the backup")]
    Check(#[source] CheckError),
    #[error("failed to ask Synapse for its version")]
    Program(#[source] ProgramError),
    #[error(
        "the database in the backup has schema {schema}, and Synapse {version} here cannot use it"
    )]
    Schema { schema: u64, version: String },
    #[error("the database in the backup is of the server {theirs}, and this is {ours}")]
    Server { theirs: String, ours: String },
}

/// Opens a backup: one of ours by its inventory, one of the Python charm by reading all of it, which is told as it goes.
pub(super) async fn opened(
    charm: &Charm,
    task: &str,
    (catalogue, passphrases): (&Catalogue, &[Arc<Passphrase>]),
    id: &BackupId,
    ours: Option<&ServerName>,
) -> Result<Opened, RestoreError> {
    match Sealed::open(catalogue, passphrases, id).await {
        Ok(sealed) => return Ok(Opened { sealed, old: None }),
        Err(RestoreError::Catalogue(CatalogueError::Absent(_))) => (),
        Err(error) => return Err(error),
    }
    let (monitor, progress) = Monitor::new();
    let work = backup::survey(catalogue, passphrases, id, HERITAGE, &monitor);
    let surveyed = reported(charm, task, progress, work).await?;
    let old = Old::of(&surveyed.files);
    let server = old.server.clone();
    let server = server.or_else(|| ours.map(ToString::to_string));
    let sealed = surveyed.sealed(server.unwrap_or_else(|| UNKNOWN.to_owned()));
    Ok(Opened {
        sealed,
        old: Some(old),
    })
}

impl Old {
    fn of(files: &[String]) -> Self {
        let has = |name: &str| files.iter().any(|file| file == name);
        let spare = |name: &&String| data::legacy(&format!("data/{name}")) == Some(Legacy::Spare);
        // SQLite makes the index of the log anew: nobody misses it.
        let missed = |name: &&String| !name.ends_with("-shm");
        Self {
            server: data::legacy_server(files).map(str::to_owned),
            database: has("homeserver.db"),
            log: has("homeserver.db-wal"),
            left_out: files.iter().filter(spare).filter(missed).cloned().collect(),
        }
    }

    /// What a result says of it, once its database was checked or could not be.
    pub(super) fn told(&self, checked: Option<&Checked>) -> Results {
        let mut results = Results::from([("kind".to_owned(), "legacy".to_owned())]);
        let mut lacks: Vec<&str> = NOT_PROMISED.to_vec();
        lacks.push(match self.database {
            true => COPIED_IN_USE,
            false => NO_DATABASE,
        });
        results.insert("not-promised".to_owned(), lacks.join("\n"));
        if !self.left_out.is_empty() {
            results.insert("left-out".to_owned(), self.left_out.join(", "));
        }
        if self.database {
            let folded = match self.log {
                true => "brought up to its last commit from its write-ahead log, ",
                false => "",
            };
            let text = match checked {
                Some(checked) => format!(
                    "{folded}{} check: good, schema {}",
                    checked.check, checked.schema_version
                ),
                None => "not looked into".to_owned(),
            };
            results.insert("database".to_owned(), text);
        }
        results
    }

    /// What a verification has checked of it.
    pub(super) fn checked(&self, sealed: &Sealed, database: bool) -> String {
        let members = sealed.members();
        let looked = if database { ", the database" } else { "" };
        format!("passphrase, seal, the archive to its end: {members} files and directories{looked}")
    }

    /// What a plan says of it.
    pub(super) fn plan(&self) -> String {
        let database = match (self.database, self.log) {
            (true, true) => "an SQLite database with a write-ahead log, checked before the swap",
            (true, false) => "an SQLite database, checked before the swap",
            (false, _) => "no database",
        };
        format!("by the Python charm: {database}; neither configuration nor secrets")
    }

    /// A database of one kind is no substitute for one of the other; media and keys alone go with either.
    pub(super) fn other_kind(&self, sealed: &Sealed, here: DatabaseKind) -> Option<Failure> {
        let (cause, hint) = match (self.database, here) {
            (false, DatabaseKind::Sqlite) if sealed.scope() == sealed.places() => (
                "the backup holds no database, as of a server with PostgreSQL, and this server has SQLite",
                "restore the database with the PostgreSQL charm and integrate it first, or take a part: components=media",
            ),
            (true, DatabaseKind::Postgres) if sealed.stages(DATABASE) => (
                "the backup holds an SQLite database, and this server has PostgreSQL",
                "restore it in an application without the relation database, or take a part: components=media",
            ),
            (true | false, DatabaseKind::Sqlite | DatabaseKind::Postgres) => return None,
        };
        Some(Failure::new(Kind::Operator, "database-kind", cause, hint))
    }
}

/// Looks at the database that was unpacked from such a backup, if there is one: brings it up to its last commit, and
/// checks it.
async fn fit(charm: &Charm, data: &str, ours: &str, there: bool) -> Result<Option<Checked>, Unfit> {
    if !there {
        return Ok(None);
    }
    let path = format!("{data}/homeserver.db");
    let checked = data::check(&charm.client, &path)
        .await
        .map_err(Unfit::Check)?;
    let program = data::program(&charm.client).await.map_err(Unfit::Program)?;
    let (schema, compat) = (checked.schema_version, checked.schema_compat_version);
    if data::compatibility(schema, compat, &program).is_refused() {
        let version = program.version.to_string();
        return Err(Unfit::Schema { schema, version });
    }
    match another(ours, &checked) {
        Some(theirs) => Err(Unfit::Server {
            theirs: theirs.to_string(),
            ours: ours.to_owned(),
        }),
        None => Ok(Some(checked)),
    }
}

/// Whose database it is, when it is not that of the server whose signing key lies beside it.
pub(super) fn other_server<'a>(sealed: &Sealed, checked: &'a Checked) -> Option<&'a ServerName> {
    another(sealed.server_name(), checked)
}

fn another<'a>(ours: &str, checked: &'a Checked) -> Option<&'a ServerName> {
    let theirs = checked.server_name.as_ref();
    theirs.filter(|theirs| theirs.as_str() != ours && ours != UNKNOWN)
}

/// Restores such a backup, if its database can be used; gives what was found of it.
pub(super) async fn restore(
    charm: &Charm,
    restoration: &Restoration<'_>,
    sealed: Sealed,
    old: &Old,
) -> Result<(backup::Made, Option<Checked>), RestoreError> {
    let ours = sealed.server_name().to_owned();
    let there = old.database && sealed.stages(DATABASE);
    let mut found = None;
    let check = async |data: &str| {
        found = fit(charm, data, &ours, there).await?;
        Ok::<_, Unfit>(())
    };
    let service = charm.service();
    let now = crate::charm::now;
    let made = backup::restore_checked(restoration, sealed, check, &service, now).await?;
    Ok((made, found))
}

/// What to do about such a backup that cannot be used; `None` for what happens to all backups.
pub(super) fn failure(error: &RestoreError, lead: &'static str) -> Option<Failure> {
    let source = match error {
        RestoreError::Unusable(source) => source,
        // An object of ours lies in the folder of its backup.
        RestoreError::Object { key, source } if !key.contains('/') => {
            let RestoreError::Archive(ArchiveError::Refused { .. }) = &**source else {
                return None;
            };
            let cause = crate::charm::failure::chain(error);
            let failure = Failure::new(Kind::Operator, "archive-refused", cause, UNKNOWN_MEMBER);
            return Some(failure.led_by(lead));
        }
        _ => return None,
    };
    let unfit = source.downcast_ref::<Unfit>()?;
    let (code, hint) = match unfit {
        Unfit::Check(CheckError::Damaged(_)) => (
            "database-damaged",
            "it was copied in a bad moment: restore another one, or its media alone with components=media",
        ),
        Unfit::Check(CheckError::Ask(_)) | Unfit::Program(_) => return None,
        Unfit::Schema { .. } => (
            "schema-newer",
            "refresh the resource synapse-image to the Synapse that made it, or a later one",
        ),
        Unfit::Server { .. } => (
            "server-name",
            "restore it in an application whose server_name is that one",
        ),
    };
    let cause = crate::charm::failure::chain(unfit);
    Some(Failure::new(Kind::Operator, code, cause, hint).led_by(lead))
}
