//! What the Python charm left in the bucket: read, proven and restored.

#![expect(clippy::unwrap_used, reason = "tests")]

mod objects;
