//! The room that speaks to an S3 store: relation data in, objects in and out.
//!
//! ```text
//! relation data --Params::parse--> Params --Bucket::open--> Bucket --begin--> Upload --complete--> Completed
//!                                                             |--- get ---> Download (small objects)
//!                                                             |-- fetch --> Fetch (large ones, several ranges ahead)
//!                                                             |-- start --> Start (the first bytes)
//!                                                             |-- replace_head (all behind it stays in the store)
//!                                                             '--- list, head, put, delete, open_uploads
//! ```
//!
//! The use cases of `backup` call it. Keys go in and come out relative to the relation's `path`, so nothing outside that
//! prefix can be read, listed or deleted by mistake. The room knows stores, not backups: it gives keys no meaning. It
//! never reads the environment (a proxy is handed in), never stores or logs a key of the relation, and never calls an
//! upload good which the store did not confirm.

mod answer;
mod attributes;
mod authorities;
mod bucket;
mod buffers;
mod checksum;
mod checkup;
mod client;
mod clock;
mod conditional;
mod diagnosis;
mod download;
mod endpoint;
mod error;
mod fetch;
mod keys;
mod learnt;
mod limits;
mod listing;
mod memory;
mod noted;
mod pace;
mod params;
mod parts;
mod proxy;
mod redact;
mod region;
mod replace;
mod retries;
mod scrutiny;
mod self_signed;
mod shared;
mod target;
mod trust;
#[cfg(any(test, fuzzing))]
pub mod untrusted;
mod upload;
mod uploads;
mod wire;
mod write;

pub use authorities::Authority;
pub use bucket::{Bucket, Object};
pub use checksum::{Checksum, Sum, Ways};
pub use checkup::{Check, Checkup, ITEMS, Remedy, Verdict};
pub use conditional::{Condition, ConditionError};
pub use download::Download;
pub use endpoint::Endpoint;
pub use error::{Cause, S3Error, TlsReason};
pub use fetch::{Fetch, Start};
pub use keys::{Keys, Renew};
pub use limits::Limits;
pub use listing::{Listing, Page};
pub use memory::Memory;
pub use noted::NotedUpload;
pub use params::{Ignored, Params, Problem, UriStyle};
pub use parts::PartPlan;
pub use proxy::{Proxy, ProxyError};
pub use replace::Replacement;
pub use retries::Again;
pub use upload::{Completed, Upload};
pub use uploads::OpenUpload;
pub use write::{Deletion, Undeleted};
