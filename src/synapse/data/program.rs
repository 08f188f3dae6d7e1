//! Which Synapse the workload's image holds, and whether it takes a database of some schema.

use std::time::Duration;

use serde::Deserialize;

use super::python::{AskError, ask};
use crate::pebble;

const PROGRAM: &str = include_str!("program.py");
/// It takes a tenth of a second; more only where it has to import Synapse, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// The Synapse in the workload's image, whether it runs or not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Program {
    /// Its version, such as `1.163.2`.
    pub version: String,
    /// The schema that it makes of every database it opens.
    pub schema_version: u64,
    /// What it writes into such a database: the oldest schema version whose program may still open it.
    pub schema_compat_version: u64,
}

/// It is not known which Synapse the image holds: there is none, or its Python could not be run.
#[derive(Debug, thiserror::Error)]
#[error("failed to learn which synapse the workload holds")]
pub struct ProgramError(#[source] AskError);

/// What a program does with a database when it starts.
///
/// The rule is Synapse's own, from its `prepare_database.py`, which refuses no database for being old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compatibility {
    /// The database has the program's schema.
    Same,
    /// The database is older, and is brought to the program's schema at the start; an older program may then be
    /// refused.
    Migrates {
        /// The database's schema version.
        from: u64,
        /// The program's.
        to: u64,
    },
    /// The database is newer and allows this program: it is used as it is, nothing in it is migrated.
    NewerAllowed {
        /// The database's schema version.
        database: u64,
        /// The program's.
        program: u64,
    },
    /// The database is newer and does not allow this program, which refuses to start.
    TooNew {
        /// The database's schema version.
        database: u64,
        /// The oldest schema version whose program may open the database.
        needed: u64,
        /// The program's.
        program: u64,
    },
    /// The database says no version: the program takes it for an empty one and makes all tables.
    Unversioned,
}

impl Compatibility {
    /// Whether the program refuses to start with the database.
    pub fn is_refused(self) -> bool {
        match self {
            Self::TooNew { .. } => true,
            Self::Same | Self::Migrates { .. } | Self::NewerAllowed { .. } | Self::Unversioned => {
                false
            }
        }
    }
}

/// Asks the workload's Python which Synapse it would run. Nothing is started and nothing of Synapse is loaded.
pub async fn program(client: &pebble::Client) -> Result<Program, ProgramError> {
    ask(client, PROGRAM, &[], DEADLINE)
        .await
        .map_err(ProgramError)
}

/// Tells what a program does with a database of these versions; 0 stands for a version that the database does not say.
pub fn compatibility(
    database_schema: u64,
    database_compat: u64,
    program: &Program,
) -> Compatibility {
    let to = program.schema_version;
    if database_schema == 0 {
        return Compatibility::Unversioned;
    }
    // Asked before anything else about versions: a database may forbid a program whose schema it has.
    if database_compat > to {
        return Compatibility::TooNew {
            database: database_schema,
            needed: database_compat,
            program: to,
        };
    }
    match database_schema.cmp(&to) {
        std::cmp::Ordering::Less => Compatibility::Migrates {
            from: database_schema,
            to,
        },
        std::cmp::Ordering::Equal => Compatibility::Same,
        std::cmp::Ordering::Greater => Compatibility::NewerAllowed {
            database: database_schema,
            program: to,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_judged_as_synapse_judges_them() {
        let program = Program {
            version: "1.163.2".to_owned(),
            schema_version: 94,
            schema_compat_version: 84,
        };
        let too_new = |database, needed| Compatibility::TooNew {
            database,
            needed,
            program: 94,
        };
        for (schema, compat, expected) in [
            (94, 84, Compatibility::Same),
            // Not yet raised, because the database was last opened by an older program.
            (94, 73, Compatibility::Same),
            (94, 94, Compatibility::Same),
            (93, 84, Compatibility::Migrates { from: 93, to: 94 }),
            (72, 0, Compatibility::Migrates { from: 72, to: 94 }),
            (1, 0, Compatibility::Migrates { from: 1, to: 94 }),
            (
                95,
                84,
                Compatibility::NewerAllowed {
                    database: 95,
                    program: 94,
                },
            ),
            (
                95,
                94,
                Compatibility::NewerAllowed {
                    database: 95,
                    program: 94,
                },
            ),
            (95, 95, too_new(95, 95)),
            (100, 97, too_new(100, 97)),
            (94, 95, too_new(94, 95)),
            (0, 0, Compatibility::Unversioned),
            (0, 95, Compatibility::Unversioned),
        ] {
            let verdict = compatibility(schema, compat, &program);
            assert_eq!(verdict, expected, "{schema} {compat}");
            let refused = matches!(expected, Compatibility::TooNew { .. });
            assert_eq!(verdict.is_refused(), refused, "{schema} {compat}");
        }
    }
}
