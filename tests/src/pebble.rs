//! Pebble for tests: the real daemon where there is one, else a stand-in that speaks the same API.
//!
//! Tests ask [`Daemon::find`] which of the two there is, say so, and start it with [`Daemon::start`]. The stand-in is a
//! program of this package, `pebble-stand-in`. It listens at a unix socket, really runs services, checks and commands,
//! and says that it is Pebble v1.26.0. What it must do is written down in the transcripts of `golden/pebble`, recorded
//! from the real daemon; the suite plays them against it. It knows no terminals, no metrics, no pairing and no
//! forwarding of logs, and it will never learn what no transcript and no client of ours asks for.
//!
//! ```text
//!   client --- socket --- router --+-- exec --- running --- process
//!                                  |              |  websockets, faults
//!                                  +-- services --+-- service, logs
//!                                  +-- checks --- probe
//!                                  +-- files, file_write, plan, notices, identities
//!                                  `-- changes --- state_file
//! ```
//!
//! A control file orders faults, which the real daemon cannot show: `pebble/faults.md` lists them.

mod answers;
mod change;
mod changes;
mod checks;
mod command;
mod daemon;
mod duration;
mod environment;
mod exec;
mod faults;
mod file_error;
mod file_write;
mod files;
mod guarded;
mod handshake;
mod identities;
mod layer;
mod log;
mod logs;
mod merge;
mod multipart;
mod notices;
mod pattern;
mod plan;
mod probe;
mod process;
mod program;
mod random;
mod reply;
mod request;
mod router;
mod running;
mod server;
mod service;
mod service_changes;
mod services;
mod session;
mod signal;
mod state_file;
mod upkeep;
mod users;
mod websocket;
mod words;
mod yaml;

pub use daemon::{Daemon, Which};
pub use program::main;
