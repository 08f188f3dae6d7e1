//! The workload: a Synapse of the stock image, its names, paths and users, and how it is configured.
//!
//! Everything here is either pure (settings to text, names to missing files) or one question to the running server
//! over its own HTTP port, which the charm reaches on the loopback address because the containers of a pod share it.
//! Nothing here starts or stops Synapse, and nothing knows of Juju or of backups.

pub mod config;
pub mod data;
pub mod homeserver;
pub mod layer;
mod pulse;
pub mod register;
pub mod rehearsal;
pub mod secrets;
mod server_name;
pub mod signing_keys;

pub use homeserver::{ApiError, Homeserver};
pub use pulse::{Pulse, pulse};
pub use server_name::{ServerName, ServerNameError};

/// The user that Synapse runs as; the stock image has no passwd entry for it.
pub const UID: u32 = 991;
/// The group that Synapse runs as.
pub const GID: u32 = 991;

/// The data volume, in the workload container.
pub const DATA: &str = "/data";
/// The configuration, written by us.
pub const CONFIG: &str = "/data/homeserver.yaml";
/// How Synapse logs, written by us.
pub const LOG_CONFIG: &str = "/data/log.config";
/// The SQLite database.
pub const DATABASE: &str = "/data/homeserver.db";
/// The media store.
pub const MEDIA: &str = "/data/media";

/// The HTTP port for clients, federation and health.
pub const PORT: u16 = 8008;
/// The service's name with Pebble.
pub const SERVICE: &str = "synapse";
/// The name of the check that asks for `/health`.
pub const CHECK: &str = "synapse-alive";

/// A path of the workload's data volume, relative to the volume.
pub fn below_data(path: &str) -> &str {
    path.strip_prefix(DATA)
        .unwrap_or(path)
        .trim_start_matches('/')
}
