//! The unit agent's side of the house: why we were woken, what Juju knows, and what we tell it.
//!
//! Juju starts the charm with facts in the environment ([`Context`]) and a directory of small programs, the hook tools
//! ([`Tools`]), that answer questions and take answers. Only the charm's orchestrator calls this room; it never
//! decides anything and knows neither Synapse nor backups.

mod context;
mod databag;
mod event;
pub mod log;
mod options;
mod status;
pub mod tools;

pub use context::{Context, ContextError, Proxies, ToolEnvironment, UnitName};
pub use databag::{Databag, RelationId};
pub use event::{
    ActionRun, Event, RelationEvent, RelationKind, SecretEvent, SecretKind, StorageEvent,
    StorageKind,
};
pub use options::Options;
pub use status::{Status, StatusKind};
pub use tools::{SecretContent, SecretError, ToolError, Tools};
