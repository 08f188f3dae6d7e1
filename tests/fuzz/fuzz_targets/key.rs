//! Names in a listing.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| synapse_operator::backup::untrusted::key(bytes));
