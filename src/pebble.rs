//! The Pebble room: a client of the daemon that runs in the workload container, over its unix socket.
//!
//! Floors above use it to look at and steer services, to move small files, and to run commands whose input and
//! output stream through this process. It never starts a process itself, never logs a body, and never holds more in
//! memory than it says, whatever the other side sends.
//!
//! ```text
//! Client ──── http ────┬─ services, plan, changes, checks, notices, files    one connection a request
//!                      └─ exec ─┬─ control ── Leash     cut or dropped: the command is killed
//!                               ├─ stdio ──── Stdin, Stdout
//!                               └─ stderr ─── read by a task, its last 8 KiB kept
//! ```

mod changes;
mod checks;
mod client;
mod duration;
mod envelope;
mod error;
mod exec;
mod files;
mod http;
mod multipart;
mod notices;
mod plan;
mod services;
mod signal;

pub use changes::{Change, Task};
pub use checks::{CheckInfo, CheckStatus};
pub use client::Client;
pub use duration::Span;
pub use error::{PathErrorKind, PebbleError};
pub use exec::{Bulk, Exec, ExecError, Exited, Output, Process, Stdin, Stdout};
pub use files::{DirOptions, FileInfo, FileType, WriteOptions};
pub use notices::Notice;
pub use plan::{
    Check, ExecCheck, HttpCheck, Layer, OnExit, Override, Plan, Service, Startup, TcpCheck,
};
pub use services::{ServiceInfo, ServiceStatus, SystemInfo};
pub use signal::Signal;
