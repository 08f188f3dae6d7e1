//! The Pebble client against real daemons, and against a scripted one for what those do only by chance.
#![expect(
    clippy::unwrap_used,
    reason = "a test that finds something else than it expects should stop right there"
)]

mod api;
mod bulk;
mod daemon;
mod exec;
mod fake;
mod leash;
mod odd;
