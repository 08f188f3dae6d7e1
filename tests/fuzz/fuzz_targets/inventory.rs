//! The inventory, once its message was opened.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| synapse_operator::backup::untrusted::inventory(bytes));
