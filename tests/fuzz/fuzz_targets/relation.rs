//! Relation data: credentials, endpoint, authorities, attributes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| synapse_operator::s3::untrusted::relation(bytes));
