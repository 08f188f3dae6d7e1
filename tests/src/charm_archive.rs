//! The packed charm: writing the archive, reading one back, and Juju's rules for what is in it.
//!
//! A `.charm` is a zip file that Juju opens by exact member names. `make charm` runs [`pack()`], which refuses inputs that
//! Juju or the kernel would refuse later. The suite reads the result back with [`Archive::read`] and holds it to
//! [`check`], whose rules are in turn held to recorded verdicts of Juju's own reader. Where versions 3.6 and 4.0 of Juju
//! disagree, [`check`] refuses what either refuses: the charm is for both.

mod actions;
mod assumes;
mod config;
mod elf;
mod manifest;
mod metadata;
mod pack;
mod reader;
mod relations;
mod rules;
mod shape;
mod storage;

pub use elf::check_static;
pub use pack::{MEMBERS, Packed, pack};
pub use reader::{Archive, Member};
pub use rules::check;
