//! Running a command in the workload's container, with its streams in our hands.
//!
//! What the daemon does not promise is made up for here. The end of a stream is not success: only an end marker on
//! both outputs, a change that is done, no error and an exit code of 0 together are. A lost client is a clean end of
//! input to the command, so the command is always killed before its input is let go, unless [`Stdin::end`] was called.
//! The control connection is a leash: when this process dies, the daemon kills the command.
//!
//! What a command moves in bulk may go through a named pipe that lies where both containers see it ([`Bulk`]); the
//! websockets then carry control, the rest of the streams, and the news of the end. Nothing else changes: the same
//! handles, the same limits on waiting, the same rules of what success is.

mod error;
mod fifo;
mod inlet;
mod leash;
mod messages;
mod outlet;
mod patience;
mod process;
mod run;
mod setup;
mod shared;
mod start;
mod stderr;
mod stdin;
mod stdout;
mod verdict;
mod websocket;

pub use error::ExecError;
pub use process::{Exited, Process};
pub use run::Output;
pub use setup::{Bulk, Exec};
pub(super) use shared::Shared;
pub use stdin::Stdin;
pub use stdout::Stdout;
