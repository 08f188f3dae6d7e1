//! What the daemon says of itself on stderr.

use std::io::{self, Write};

/// Writes one line with its time; a log that is gone is no reason to stop.
pub(crate) fn say(text: &str) {
    let line = format!("{} [pebble] {text}\n", jiff::Timestamp::now());
    let _gone = io::stderr().write_all(line.as_bytes());
}
