//! Whether the backup and the database that is there go together.

use super::super::led;
use super::super::ready::{Lives, RESTORE};
use super::finding;
use super::plan::Plan;
use crate::backup::Sealed;
use crate::charm::Charm;
use crate::charm::database::{Companion, companion};
use crate::charm::failure::Failure;
use crate::synapse::config::DatabaseKind;
use crate::synapse::data::{self, Compatibility, Part};

/// What was found out.
#[derive(Default)]
pub(super) struct Looked {
    /// What speaks against it.
    pub(super) findings: Vec<Failure>,
    /// What an operator should know, and no reason not to restore.
    pub(super) odd: Vec<String>,
}

/// A database whose schema is looked at.
struct Schema {
    version: u64,
    compat_version: u64,
    /// As in "the database in the backup".
    called: &'static str,
}

/// A database of one kind is no substitute for one of the other.
pub(super) fn other_kind(sealed: &Sealed, here: DatabaseKind) -> Option<Failure> {
    let theirs = &sealed.database()?.kind;
    // Media or keys alone go with either.
    let is_part = sealed.scope() != sealed.places();
    let database = Part::Database.component();
    let touched = !is_part || sealed.scope().words().iter().any(|word| word == database);
    if theirs == here.as_str() || !touched {
        return None;
    }
    let (cause, hint) = match here {
        DatabaseKind::Sqlite => (
            format!("the backup goes with a {theirs} database, and this server has SQLite"),
            "restore it in an application that is integrated with that database",
        ),
        DatabaseKind::Postgres => (
            format!("the backup holds a {theirs} database, and this server has PostgreSQL"),
            "restore it in an application without the relation database",
        ),
    };
    Some(finding("database-kind", &cause, hint))
}

/// Whether the Synapse of the workload can use the database, and whether that is of the right moment.
pub(super) async fn look(
    charm: &Charm,
    sealed: &Sealed,
    lives: &Lives,
    plan: &mut Plan,
) -> Result<Looked, Failure> {
    let program = data::program(&charm.client).await.map_err(led(RESTORE))?;
    let mut looked = Looked::default();
    let Some(database) = sealed.database() else {
        return Ok(looked);
    };
    let schema = match (Companion::read(database), lives.kind) {
        // The database that is there is the one that Synapse will run on.
        (Some(recorded), DatabaseKind::Postgres) => {
            match companion(charm, lives.provider.clone()).await {
                Ok(live) => {
                    looked.odd = recorded.compare(&live.identity);
                    Schema {
                        version: live.identity.schema_version,
                        compat_version: live.identity.schema_compat_version,
                        called: "the database that is there",
                    }
                }
                Err(failure) => {
                    looked.findings.push(failure.led_by(RESTORE));
                    return Ok(looked);
                }
            }
        }
        (Some(_), DatabaseKind::Sqlite) | (None, _) => Schema {
            version: database.schema_version,
            compat_version: database.schema_compat_version,
            called: "the database in the backup",
        },
    };
    let verdict = data::compatibility(schema.version, schema.compat_version, &program);
    let text = match verdict {
        Compatibility::Same => "has the same schema".to_owned(),
        Compatibility::Migrates { from, to } => {
            format!("migrates the database from schema {from} to {to} when it starts")
        }
        Compatibility::NewerAllowed { database, program } => {
            format!("can use the newer schema {database}, though its own is {program}")
        }
        Compatibility::TooNew { program, .. } => {
            format!("cannot use it, its own schema is {program}")
        }
        Compatibility::Unversioned => "finds no schema version in the database".to_owned(),
    };
    let runs = format!("Synapse {}, which {text}", program.version);
    plan.line("runs on", runs);
    for odd in &looked.odd {
        plan.line("odd", odd.clone());
    }
    if verdict.is_refused() {
        let cause = format!(
            "{} has schema {}, and Synapse {} here cannot use it",
            schema.called, schema.version, program.version
        );
        let newer = sealed.synapse_version().unwrap_or("<newer version>");
        let hint = format!(
            "run juju refresh {} --resource synapse-image=matrixdotorg/synapse:v{newer}, or a later one",
            charm.application()
        );
        looked.findings.push(finding("schema-newer", &cause, hint));
    }
    Ok(looked)
}
