//! What is tried again, when, and for how long; and how fast bytes pass.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use bytes::Bytes;
use harness::s3::{Effect, Fault, Operation, Server};
use synapse_operator::s3::{Bucket, Limits, Proxy, S3Error};

use super::{MIB, fetched, limits, noise, params, read, server, upload};

const KEY: &str = "backup-1/volume-0001.tar.gpg";

fn bucket(server: &Server, limits: Limits) -> Bucket {
    Bucket::open(
        &params(&server.relation_data(), &[]),
        &Proxy::default(),
        limits,
    )
}

/// A refusal that asks to come back later.
fn busy(retry_after: &str) -> Effect {
    Effect::Answer {
        status: 503,
        headers: vec![("retry-after", retry_after.to_owned())],
        body: "<Error><Code>SlowDown</Code><Message>reduce your request rate</Message></Error>"
            .to_owned(),
    }
}

#[tokio::test]
async fn a_store_that_asks_for_a_pause_gets_it() {
    let server = server();
    server.order(Fault::on(Operation::UploadPart, busy("1")));
    let bucket = bucket(&server, limits());
    let watch = bucket.retries();
    let start = Instant::now();
    let upload = upload(&bucket, KEY, &noise(6 * MIB, 1)).await.unwrap();
    upload.complete().await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    let told = watch.borrow().clone().unwrap();
    assert_eq!(told.why, "SlowDown (503)");
    assert!(
        told.task.starts_with("write part ") && told.task.ends_with(KEY),
        "{}",
        told.task
    );
    assert_eq!((told.count, bucket.retried()), (1, 1));
}

#[tokio::test]
async fn calls_of_every_kind_are_counted_when_they_are_made_again() {
    let server = server();
    let bucket = bucket(&server, limits());
    for operation in [
        Operation::CreateUpload,
        Operation::UploadPart,
        Operation::CompleteUpload,
        Operation::HeadObject,
        Operation::GetObject,
        Operation::DeleteObjects,
        Operation::ListObjects,
    ] {
        server.order(Fault::on(operation, Effect::refuse(503, "SlowDown")));
    }
    let sent = upload(&bucket, KEY, b"x").await.unwrap();
    sent.complete().await.unwrap();
    assert_eq!(read(&bucket, KEY).await.unwrap(), b"x");
    bucket.list("").all(10).await.unwrap();
    assert_eq!(bucket.retried(), 7);
}

#[tokio::test]
async fn what_has_no_success_for_too_long_is_given_up_however_many_attempts_are_left() {
    let server = server();
    server.order(Fault::on(Operation::UploadPart, Effect::refuse(503, "SlowDown")).always());
    let impatient = Limits {
        part_attempts: 100_000,
        fruitless: Duration::from_millis(300),
        ..limits()
    };
    let start = Instant::now();
    let bucket = bucket(&server, impatient);
    let sent = upload(&bucket, KEY, &noise(6 * MIB, 1)).await.unwrap();
    let error = sent.complete().await.unwrap_err();
    assert!(
        matches!(error, S3Error::Refused { status: 503, .. }),
        "{error:?}"
    );
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert!(bucket.retried() > 3, "{}", bucket.retried());
    assert_eq!(server.open_uploads(), 0);
}

#[tokio::test]
async fn a_store_that_fails_in_itself_is_not_asked_as_often_as_one_that_is_busy() {
    let server = server();
    server.order(Fault::on(Operation::UploadPart, Effect::refuse(500, "InternalError")).always());
    let patient = Limits {
        part_attempts: 1000,
        fault_attempts: 4,
        ..limits()
    };
    let bucket = bucket(&server, patient);
    let sent = upload(&bucket, KEY, b"x").await.unwrap();
    let error = sent.complete().await.unwrap_err();
    assert!(
        matches!(error, S3Error::Refused { status: 500, .. }),
        "{error:?}"
    );
    assert_eq!(server.calls(Operation::UploadPart), 4);
}

#[tokio::test]
async fn a_part_that_was_damaged_on_its_way_is_sent_again() {
    for code in ["BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody"] {
        let server = server();
        server.order(Fault::on(Operation::UploadPart, Effect::refuse(400, code)));
        let bucket = bucket(&server, limits());
        let bytes = noise(6 * MIB, 2);
        let sent = upload(&bucket, KEY, &bytes).await.unwrap();
        assert_eq!(sent.complete().await.unwrap().retries, 1, "{code}");
        assert!(read(&bucket, KEY).await.unwrap() == bytes);
    }
}

#[tokio::test]
async fn only_the_part_that_stands_still_is_sent_again() {
    let server = server();
    server.order(Fault::on(Operation::UploadPart, Effect::Stall).after(1));
    let bucket = bucket(&server, limits());
    let bytes = noise(16 * MIB, 2);
    let sent = upload(&bucket, KEY, &bytes).await.unwrap();
    let completed = sent.complete().await.unwrap();
    assert_eq!((completed.parts, completed.retries), (4, 1));
    assert_eq!(server.calls(Operation::UploadPart), 5);
    assert!(read(&bucket, KEY).await.unwrap() == bytes);
}

#[tokio::test]
async fn rates_are_kept_and_what_waits_for_its_turn_is_not_stalled() {
    const RATE: u64 = 4 << 20;
    let server = server();
    // A whole part lasts longer than the longest silence, and so does each slice of several that wait for each other.
    let slow = Limits {
        silence: Duration::from_millis(400),
        upload_rate: NonZeroU64::new(RATE),
        download_rate: NonZeroU64::new(RATE),
        ..limits()
    };
    let bucket = bucket(&server, slow);
    let bytes = noise(10 * MIB, 6);
    let least = Duration::from_secs_f64(bytes.len() as f64 / RATE as f64 * 0.85);
    let start = Instant::now();
    let sent = upload(&bucket, KEY, &bytes).await.unwrap();
    assert_eq!(sent.complete().await.unwrap().retries, 0);
    assert!(start.elapsed() >= least, "{:?}", start.elapsed());
    let start = Instant::now();
    let mut fetch = bucket.fetch(KEY).await.unwrap();
    assert!(fetched(&mut fetch).await.unwrap() == bytes);
    assert!(start.elapsed() >= least, "{:?}", start.elapsed());
    assert_eq!(bucket.retried(), 0);
}

#[tokio::test]
async fn notes_of_uploads_are_there_while_they_are_under_way_and_gone_afterwards() {
    let server = server();
    let bucket = bucket(&server, limits());
    let done = upload(&bucket, KEY, b"x").await.unwrap();
    let given_up = upload(&bucket, "other", b"x").await.unwrap();
    let noted = bucket.noted_uploads().await.unwrap();
    let mut keys: Vec<&str> = noted.iter().map(|noted| &*noted.upload.key).collect();
    keys.sort_unstable();
    assert_eq!(keys, [KEY, "other"]);
    done.complete().await.unwrap();
    given_up.abort().await.unwrap();
    assert!(bucket.noted_uploads().await.unwrap().is_empty());

    // A process that is killed leaves both, and the note is enough to end the upload.
    let killed = upload(&bucket, KEY, &noise(6 * MIB, 1)).await.unwrap();
    drop(killed);
    bucket
        .put("uploads/mine.json", Bytes::from_static(b"{}"))
        .await
        .unwrap();
    let left = bucket.noted_uploads().await.unwrap();
    assert_eq!(left.len(), 1);
    bucket.abort_upload(&left[0].upload).await.unwrap();
    assert_eq!(server.open_uploads(), 0);
}
