//! The charm's S3 room against stores: the one in this process and the real versitygw.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod addresses;
mod conditional;
mod contract;
mod corrections;
mod faults;
mod fetch;
mod liar;
mod patience;
mod refusals;
mod replace;
mod sums;
mod tls;
mod toxics;
mod versions;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::s3::{Options, Server};
use synapse_operator::s3::{Bucket, Fetch, Limits, Params, PartPlan, Proxy, S3Error, Upload};

/// Bad input is answered within this time.
const PATIENCE: Duration = Duration::from_secs(3);
/// What a busy machine may add to it. Waiting twice would still be noticed.
const SLACK: Duration = Duration::from_millis(2_400);
const MIB: usize = 1 << 20;

/// Production's limits but for pauses and silence, which a test cannot sit out.
fn limits() -> Limits {
    Limits {
        silence: Duration::from_millis(700),
        first_pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(20),
        part_attempts: 3,
        control_attempts: 3,
        ..Limits::default()
    }
}

fn server() -> Server {
    Server::start(Options::default()).unwrap()
}

fn bucket(databag: &BTreeMap<String, String>, changes: &[(&str, &str)]) -> Bucket {
    Bucket::open(&params(databag, changes), &Proxy::default(), limits())
}

fn params(databag: &BTreeMap<String, String>, changes: &[(&str, &str)]) -> Params {
    let mut databag = databag.clone();
    for (key, value) in changes {
        databag.insert((*key).to_owned(), (*value).to_owned());
    }
    Params::parse(&databag).unwrap()
}

/// Bytes that look like no others, the same for the same seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Uploads bytes in parts of 5 MiB, two in flight, written in pieces that fit no part.
async fn upload(bucket: &Bucket, key: &str, bytes: &[u8]) -> Result<Upload, S3Error> {
    let mut upload = Upload::begin(bucket, key, PartPlan::of_parts(PartPlan::SMALLEST), 2).await?;
    for piece in bytes.chunks(300_007) {
        if let Err(error) = upload.write(piece).await {
            upload.abort().await.unwrap();
            return Err(error);
        }
    }
    Ok(upload)
}

async fn read(bucket: &Bucket, key: &str) -> Result<Vec<u8>, S3Error> {
    bucket.get(key).await?.collect(1 << 30).await
}

/// All that is left of an object.
async fn fetched(fetch: &mut Fetch) -> Result<Vec<u8>, S3Error> {
    let mut content = Vec::new();
    while let Some(chunk) = fetch.chunk().await? {
        content.extend_from_slice(&chunk);
    }
    Ok(content)
}

/// The error with its causes and its hint, as text; it must have come in time.
async fn refusal<T>(call: impl Future<Output = Result<T, S3Error>>) -> S3Error {
    let start = Instant::now();
    let error = call.await.err().unwrap();
    assert!(
        start.elapsed() < PATIENCE + SLACK,
        "{error} after {:?}",
        start.elapsed()
    );
    let text = told(&error);
    for secret in ["the-access-key", "the-secret-key", "AWS4-HMAC"] {
        assert!(!text.contains(secret), "{text}");
    }
    error
}

/// Everything that an error may show.
fn told(error: &S3Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let causes: String = causes.map(|cause| format!(": {cause}")).collect();
    format!("{error}{causes} -> {} {error:?}", error.hint())
}
