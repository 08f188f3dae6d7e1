//! Backup and restore: the use cases, and the nouns they share.
//!
//! The charm hands this room a Pebble client, a bucket, a passphrase, and plain values that say what to save and where
//! it lies. The room knows neither Juju nor Synapse.
//!
//! ```text
//! create   tar -c in the workload -> names and digests -> seal -> multipart upload ; inventory ; manifest last
//! restore  manifest -> inventory -> download -> open -> names and digests -> tar -x into staging ; then swap by renames
//! ```

mod catalogue;
mod create;
mod format;
mod id;
mod lease;
mod pipe;
mod place;
mod progress;
mod restore;
mod stage;
mod swap;

pub use catalogue::{Catalogue, CatalogueError, Deleted, Listed};
pub use create::{CreateError, Created, Creation, Origin, Source, SourceRoot, create};
pub use format::{Database, FormatError, Manifest, State, Volume};
pub use id::{BackupId, BackupIdError};
pub use lease::{Holder, Lease, LeaseError, Terms};
pub use place::{Place, swap_was_cut_off};
pub use progress::{Monitor, Phase, Progress};
pub use restore::{RestoreError, Restored, restore};
