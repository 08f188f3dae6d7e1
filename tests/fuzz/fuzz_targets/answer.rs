//! A store's answer, and the note of an upload.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| synapse_operator::s3::untrusted::answer(bytes));
