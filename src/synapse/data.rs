//! What is worth saving of a Synapse data directory: its parts, the copy of the live database, and what an older
//! database needs before Synapse may use it.
//!
//! The database itself is never taken from where it lies, because Synapse writes to it all the time; `snapshot.py` makes
//! a consistent copy through SQLite's own online backup, with the Python that runs Synapse.

mod audit;
mod checked;
mod fixup;
mod inhabited;
mod legacy;
mod media_rows;
mod part;
mod places;
mod postgres;
mod program;
mod python;
mod snapshot;

pub use audit::{Audit, AuditError, AuditFeed, Findings, MediaAudit};
pub use checked::{Check, CheckError, Checked, check};
pub use fixup::{FixUp, FixUpError, FixUpName, fix_up};
pub use inhabited::inhabited;
pub use legacy::{Legacy, MOVED, legacy, legacy_server};
pub use media_rows::{MediaRows, MediaRowsError, put_media_rows};
pub use part::{MediaId, Part, PartError};
pub use places::{Census, census, clash, component, database_size, permitted, replaced, saved};
pub use postgres::{Identity, PostgresError, identity, identity_of};
pub use program::{Compatibility, Program, ProgramError, compatibility, program};
pub use python::AskError;
pub(super) use python::ask;
pub use snapshot::{SnapshotError, snapshot};
