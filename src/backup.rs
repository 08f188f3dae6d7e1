//! Backup and restore: the use cases, and the nouns they share.
//!
//! The charm hands this room a Pebble client, a bucket, a passphrase, and plain values that say what to save and where
//! it lies. The room knows neither Juju nor Synapse.
//!
//! ```text
//! create   tar -c in the workload -> names and digests -> seal -> multipart upload ; inventory ; manifest last
//! restore  manifest -> inventory -> download -> open -> names and digests -> tar -x into staging ; then swap by journal
//! ```

mod catalogue;
mod contents;
mod create;
mod extent;
mod format;
mod id;
mod journal;
mod label;
mod lease;
mod legacy;
#[cfg(feature = "micro")]
pub mod micro;
mod moves;
mod newest;
mod owner;
mod part;
mod pipe;
mod place;
mod preflight;
mod previous;
mod progress;
mod proof;
mod restore;
mod retention;
mod rotate;
mod scope;
mod stage;
mod store_facts;
mod swap;
mod sweep;
mod tidy;
#[cfg(any(test, fuzzing))]
pub mod untrusted;
mod verify;
mod walk;

pub use catalogue::{
    Catalogue, CatalogueError, Deleted, Examined, FailedRun, Listed, Protection, Standing,
};
pub use contents::{Page, Pattern, Question, contents};
pub use create::{
    CreateError, Created, Creation, Findings, Group, MORE, Origin, Source, SourceRoot, Watcher,
    create,
};
pub use extent::{Extent, Unfit};
pub use format::{
    Database, FormatError, Manifest, Media, MediaFindings, Snapshot, State, Tally, Volume,
};
pub use id::{BackupId, BackupIdError};
pub use journal::{JournalError, Operation};
pub use label::{Label, LabelError, tags};
pub use lease::{AtWork, Holder, Lease, LeaseError, Task, Terms};
pub use legacy::{Heritage, Surveyed, Use, restore_checked, survey};
pub use moves::MoveError;
pub use newest::{Newest, newest};
pub use owner::{Claim, Owner, OwnerError};
pub use place::{Place, Room};
pub use preflight::{Needs, Sealed};
pub use previous::{Kept, TreeId, TreeIdError};
pub use progress::{Monitor, Phase, Progress};
pub use proof::{Level, Proof, Proven, Verdict};
pub use restore::{Restoration, RestoreError, confirm, recover, restore, rollback};
pub use retention::{
    Bound, Candidate, Fate, Halt, Interval, IntervalError, Keep, Plan, Planned, Policy,
    PolicyError, Rules, Unit, Weekday,
};
pub use rotate::{RotateError, Rotated, Rotation, rotate};
pub use scope::Scope;
pub use store_facts::{ChecksumFact, StoreFacts};
pub use swap::{Ended, Made, Service, SwapError, Swapped, TakenBack, swap_is_open};
pub use sweep::Swept;
pub use tidy::{forget_staged, tidy};
pub use verify::Verification;
pub use walk::walk;
