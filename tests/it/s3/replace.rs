//! Objects that get another beginning, at stores that copy parts, and at one that does not.

use std::collections::BTreeMap;

use bytes::Bytes;
use harness::s3::{Effect, Fault, Operation, Versitygw};
use synapse_operator::s3::{Bucket, Replacement, S3Error};

use super::{MIB, bucket, noise, read, server, upload};

const KEY: &str = "backup-1/volume-0001.tar.gpg";
const OLD: u64 = 48;
/// The size of all parts but the last, of the objects here.
const PART: usize = 16 * MIB;

/// Puts an object there and gives it another beginning, of the same length unless more is said.
async fn replaced(bucket: &Bucket, length: usize, head: &[u8]) -> Result<Replacement, S3Error> {
    let bytes = noise(length, 21);
    upload(bucket, KEY, &bytes).await?.complete().await?;
    let start = bucket.start(KEY, OLD).await?;
    assert_eq!(start.size, length as u64);
    assert_eq!(start.bytes, bytes[..length.min(48)]);
    let tag = start.etag.unwrap();
    let head = Bytes::copy_from_slice(head);
    let done = bucket
        .replace_head(KEY, start.size, OLD, head.clone(), &tag)
        .await?;
    let kept = bytes.get(48..).unwrap_or_default();
    let wanted = [&head, kept].concat();
    let found = read(bucket, KEY).await?;
    assert!(found == wanted, "{length} bytes, {done:?}");
    assert_eq!(done.copied + done.uploaded, wanted.len() as u64);
    assert_eq!(bucket.open_uploads().await?, []);
    Ok(done)
}

async fn objects_of_all_sizes(databag: &BTreeMap<String, String>) {
    let bucket = bucket(databag, &[("path", "a model/with späces+signs")]);
    for length in [48, 4096, 10 * MIB, 10 * MIB + 1, PART, PART + 1] {
        let done = replaced(&bucket, length, &[7; 48]).await.unwrap();
        assert_eq!(done.copied, length.saturating_sub(PART) as u64);
    }
    let long = 2 * PART + 5 * MIB + 4711;
    for head in [&[7; 48][..], &[8; 15], &[9; 200]] {
        let done = replaced(&bucket, long, head).await.unwrap();
        assert_eq!(done.uploaded, PART as u64);
    }
}

#[tokio::test]
async fn another_beginning_costs_one_part_and_the_store_copies_the_rest() {
    let server = server();
    objects_of_all_sizes(&server.relation_data()).await;
    assert_eq!(server.calls(Operation::CopyPart), 1 + 3 * 2);
    assert_eq!(server.open_uploads(), 0);
}

#[tokio::test]
async fn versitygw_gives_an_object_another_beginning() {
    let server = Versitygw::start(None).unwrap();
    objects_of_all_sizes(&server.relation_data()).await;
}

#[tokio::test]
async fn a_store_that_copies_no_parts_gets_the_object_again() {
    for (status, code) in [(501, "NotImplemented"), (405, "MethodNotAllowed")] {
        let server = server();
        let bucket = bucket(&server.relation_data(), &[]);
        let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
        let refused = Effect::Answer {
            status,
            headers: Vec::new(),
            body,
        };
        server.order(Fault::on(Operation::CopyPart, refused).always());
        let length = PART + 3 * MIB;
        let done = replaced(&bucket, length, &[7; 48]).await.unwrap();
        assert_eq!((done.copied, done.uploaded), (0, length as u64), "{code}");
    }
}

#[tokio::test]
async fn a_store_that_only_pretends_to_copy_costs_no_object() {
    let server = server();
    let bucket = bucket(&server.relation_data(), &[]);
    // It says it has copied, and holds nothing.
    let body = "<CopyPartResult><ETag>\"00000000000000000000000000000000\"</ETag></CopyPartResult>";
    let lie = Effect::Answer {
        status: 200,
        headers: Vec::new(),
        body: body.to_owned(),
    };
    server.order(Fault::on(Operation::CopyPart, lie).always());
    let done = replaced(&bucket, 3 * PART, &[7; 48]).await.unwrap();
    assert_eq!((done.copied, done.uploaded), (0, 3 * PART as u64));
}

#[tokio::test]
async fn an_object_that_is_another_one_by_now_is_left_alone() {
    for length in [4096, 2 * PART] {
        let server = server();
        let bucket = bucket(&server.relation_data(), &[]);
        let bytes = noise(length, 22);
        upload(&bucket, KEY, &bytes)
            .await
            .unwrap()
            .complete()
            .await
            .unwrap();
        let other = "0123456789abcdef0123456789abcdef";
        let head = Bytes::from_static(&[7; 48]);
        let size = length as u64;
        let done = bucket.replace_head(KEY, size, OLD, head, other).await;
        assert!(matches!(done, Err(S3Error::Replaced { .. })), "{done:?}");
        assert!(read(&bucket, KEY).await.unwrap() == bytes);
        assert_eq!(server.open_uploads(), 0);
    }
}

#[tokio::test]
async fn a_replacement_that_breaks_off_leaves_the_object_as_it_was() {
    for operation in [
        Operation::CreateUpload,
        Operation::UploadPart,
        Operation::CopyPart,
        Operation::ListParts,
        Operation::CompleteUpload,
    ] {
        let server = server();
        let bucket = bucket(&server.relation_data(), &[]);
        let bytes = noise(2 * PART, 23);
        upload(&bucket, KEY, &bytes)
            .await
            .unwrap()
            .complete()
            .await
            .unwrap();
        let tag = bucket.start(KEY, OLD).await.unwrap().etag.unwrap();
        server.order(Fault::on(operation, Effect::Drop).always());
        let head = Bytes::from_static(&[7; 48]);
        let size = bytes.len() as u64;
        let done = bucket.replace_head(KEY, size, OLD, head, &tag).await;
        assert!(done.is_err(), "{operation:?}");
        server.clear_faults();
        assert!(read(&bucket, KEY).await.unwrap() == bytes, "{operation:?}");
        assert_eq!(server.open_uploads(), 0, "{operation:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_does_not_hide_that_it_was_done() {
    for (length, operation) in [
        (4096, Operation::PutObject),
        (2 * PART, Operation::CompleteUpload),
    ] {
        let server = server();
        let bucket = bucket(&server.relation_data(), &[]);
        let lost = Effect::AnswerAfter {
            status: 500,
            body: "<Error><Code>InternalError</Code></Error>".to_owned(),
        };
        // The one of its preparation goes well.
        let bytes = noise(length, 24);
        upload(&bucket, KEY, &bytes)
            .await
            .unwrap()
            .complete()
            .await
            .unwrap();
        let tag = bucket.start(KEY, OLD).await.unwrap().etag.unwrap();
        server.order(Fault::on(operation, lost));
        let head = Bytes::from_static(&[7; 48]);
        let size = length as u64;
        let done = bucket.replace_head(KEY, size, OLD, head, &tag).await;
        assert!(done.is_ok(), "{operation:?}: {done:?}");
        let wanted = [&[7; 48][..], &bytes[48..]].concat();
        assert!(read(&bucket, KEY).await.unwrap() == wanted);
    }
}
