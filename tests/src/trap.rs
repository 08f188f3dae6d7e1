//! Traps on the system calls of the charm: at exactly the n-th call it is killed, stopped, told to end, or refused.
//!
//! The product knows nothing of them. `strace` starts the charm's process in the place of whoever would have, as a tracer
//! that stands aside: the process is the caller's own child, with its own number, signals and exit code. It has to start
//! it, because the charm forbids others to look into it once it runs.
//!
//! A trap is a note in the unit's directory, where the next run of its charm finds it, whichever program starts that run.
//! It counts each kind of call for each thread by itself, from the thread's beginning. What it saw lies beside the note.

mod note;
mod order;
mod recording;

pub(crate) use self::note::{around, order_of};
pub use self::note::{log_of, set, unset};
pub use self::order::{Call, Trap, What};
pub use self::recording::{Recording, Step};
