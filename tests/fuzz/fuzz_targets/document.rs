//! Lease, owner, proof and failure.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| synapse_operator::backup::untrusted::document(bytes));
