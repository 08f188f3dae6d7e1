//! Which backups go, and why each of the others stays.
//!
//! ```text
//! Policy, bounds ---.
//! Candidate, ... ---+--> Plan: each backup with what becomes of it, and why
//! now ---------------'
//! ```
//!
//! A pure function: nothing here asks a store or a clock. Time is counted back from the newest backup and not from now, so
//! that a server that makes none any more keeps those it has, and a clock that is wrong deletes nothing.

mod interval;
mod plan;
mod policy;
mod words;

pub use interval::{Interval, IntervalError};
pub use plan::{Bound, Candidate, Fate, Halt, Keep, Plan, Planned, Rules};
pub use policy::{Policy, PolicyError, Unit, Weekday};

#[cfg(test)]
mod tests;
