//! What bodies travel with, and how a bucket finds out what its store takes.

use bytes::Bytes;
use harness::s3::{CertificateAuthority, Effect, Fault, Operation, Options, Quirk, Server};
use synapse_operator::s3::{Bucket, Checksum, Limits, Proxy, S3Error, Sum, Ways};

use super::{MIB, limits, noise, params, read, upload};

fn server(quirks: Vec<Quirk>) -> Server {
    Server::start(Options {
        quirks,
        ..Options::default()
    })
    .unwrap()
}

fn bucket(server: &Server, checksum: Checksum) -> Bucket {
    let limits = Limits {
        checksum,
        ..limits()
    };
    Bucket::open(
        &params(&server.relation_data(), &[]),
        &Proxy::default(),
        limits,
    )
}

/// Writes, uploads and deletes, and checks that all of it has happened.
async fn use_all(server: &Server, bucket: &Bucket) {
    let small = Bytes::from_static(b"small");
    bucket.put("small", small).await.unwrap();
    let bytes = noise(6 * MIB, 3);
    let upload = upload(bucket, "large", &bytes).await.unwrap();
    upload.complete().await.unwrap();
    assert!(read(bucket, "large").await.unwrap() == bytes);
    let deletion = bucket.delete(&["small", "large"]).await.unwrap();
    assert_eq!((deletion.deleted, deletion.failed.len()), (2, 0));
    assert!(bucket.list("").all(10).await.unwrap().objects.is_empty());
    assert_eq!(server.open_uploads(), 0);
}

/// The names of headers about checksums that the calls of a kind came with.
fn sums(server: &Server, operation: Operation) -> Vec<String> {
    let last = server.headers(operation).unwrap();
    let names = last.keys().map(|name| name.as_str().to_owned());
    let mut names: Vec<String> = names
        .filter(|name| name.starts_with("x-amz-checksum-") || name == "content-md5")
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn each_kind_of_checksum_is_sent_by_every_call_that_writes() {
    let writes = [
        Operation::PutObject,
        Operation::UploadPart,
        Operation::DeleteObjects,
    ];
    for (checksum, header) in [
        (Checksum::Auto, "x-amz-checksum-crc32c"),
        (Checksum::Crc32c, "x-amz-checksum-crc32c"),
        (Checksum::Crc64Nvme, "x-amz-checksum-crc64nvme"),
        (Checksum::ContentMd5, "content-md5"),
    ] {
        let server = server(Vec::new());
        let bucket = bucket(&server, checksum);
        use_all(&server, &bucket).await;
        for operation in writes {
            assert_eq!(
                sums(&server, operation),
                [header],
                "{checksum:?} {operation:?}"
            );
        }
        assert_eq!(bucket.ways(), Ways::default());
    }
    let server = server(Vec::new());
    use_all(&server, &bucket(&server, Checksum::None)).await;
    assert!(sums(&server, Operation::UploadPart).is_empty());
    assert_eq!(sums(&server, Operation::DeleteObjects), ["content-md5"]);
}

#[tokio::test]
async fn what_a_store_refuses_is_learnt_once_and_told_with_its_reason() {
    let refuse = |kind, status| Quirk::NoChecksum(kind, status);
    for (quirks, sum) in [
        (vec![refuse("crc32c", 501)], Sum::Crc64Nvme),
        (vec![refuse("crc32c", 400)], Sum::Crc64Nvme),
        (
            vec![refuse("crc32c", 501), refuse("crc64nvme", 400)],
            Sum::Md5,
        ),
        (vec![Quirk::DemandsMd5], Sum::Md5),
    ] {
        let server = server(quirks.clone());
        let bucket = bucket(&server, Checksum::Auto);
        use_all(&server, &bucket).await;
        let (learnt, reason) = bucket.ways().sum.unwrap();
        assert_eq!(learnt, sum, "{quirks:?}");
        assert!(reason.starts_with("crc32c was refused: "), "{reason}");
        assert!(
            bucket.notices().iter().any(|text| text.contains(&reason)),
            "{:?}",
            bucket.notices()
        );
        let before = server.calls(Operation::PutObject);
        bucket.put("a", Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(
            server.calls(Operation::PutObject),
            before + 1,
            "learnt once"
        );
    }
}

#[tokio::test]
async fn an_upload_that_comes_first_finds_the_way_too() {
    for quirk in [Quirk::DemandsMd5, Quirk::NoChecksum("crc32c", 501)] {
        let server = server(vec![quirk]);
        let bucket = bucket(&server, Checksum::Auto);
        let bytes = noise(11 * MIB, 4);
        let upload = upload(&bucket, "large", &bytes).await.unwrap();
        assert_eq!(upload.complete().await.unwrap().size, bytes.len() as u64);
        assert_eq!(server.open_uploads(), 0);
        let left = bucket.list("").all(10).await.unwrap().objects;
        assert_eq!(left.len(), 1, "{left:?}");
    }
}

#[tokio::test]
async fn what_was_learnt_before_is_not_tried_again() {
    let server = server(vec![Quirk::NoChecksum("crc32c", 501)]);
    let bucket = bucket(&server, Checksum::Auto);
    bucket.adopt(Ways {
        sum: Some((Sum::Md5, "as before".to_owned())),
        list_v1: None,
    });
    bucket.put("a", Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(server.calls(Operation::PutObject), 1);
    assert_eq!(sums(&server, Operation::PutObject), ["content-md5"]);
}

#[tokio::test]
async fn a_checksum_that_was_chosen_is_the_only_one() {
    let server = server(vec![Quirk::NoChecksum("crc32c", 501)]);
    let bucket = bucket(&server, Checksum::Crc32c);
    let error = bucket.put("a", Bytes::from_static(b"x")).await.unwrap_err();
    assert!(
        matches!(error, S3Error::Refused { status: 501, .. }),
        "{error:?}"
    );
    assert_eq!(server.calls(Operation::PutObject), 1);
}

#[tokio::test]
async fn bodies_without_a_checksum_are_signed_even_over_tls() {
    let authority = CertificateAuthority::new().unwrap();
    for (checksum, unsigned) in [(Checksum::Auto, true), (Checksum::None, false)] {
        let server = Server::start(Options {
            certificate: Some(authority.issue(&["127.0.0.1"]).unwrap()),
            ..Options::default()
        })
        .unwrap();
        let pem = authority.pem();
        let chain = ("tls-ca-chain", &*pem);
        let bucket = Bucket::open(
            &params(&server.relation_data(), &[chain]),
            &Proxy::default(),
            Limits {
                checksum,
                ..limits()
            },
        );
        let upload = upload(&bucket, "large", &noise(6 * MIB, 5)).await.unwrap();
        upload.complete().await.unwrap();
        for digest in server.header_of_each(Operation::UploadPart, "x-amz-content-sha256") {
            assert_eq!(digest == "UNSIGNED-PAYLOAD", unsigned, "{digest}");
        }
    }
}

#[tokio::test]
async fn a_store_is_tried_out_once_and_its_tags_count_only_where_it_does_not_look_at_checksums() {
    let bytes = noise(11 * MIB, 3);
    let wrong_tag = || Fault::on(Operation::UploadPart, Effect::WrongTag);

    let server = server(Vec::new());
    let looks = bucket(&server, Checksum::Auto);
    for key in ["a", "b"] {
        let upload = upload(&looks, key, &bytes).await.unwrap();
        upload.complete().await.unwrap();
        assert!(read(&looks, key).await.unwrap() == bytes);
    }
    assert_eq!(server.calls(Operation::TryPart), 1);
    server.order(wrong_tag());
    let refused = upload(&looks, "c", &bytes).await.unwrap().complete().await;
    assert!(
        matches!(&refused, Err(S3Error::Refused { code, .. }) if code == "InvalidPart"),
        "{refused:?}"
    );

    // What is no clear word is no word.
    for (status, code) in [
        (403, "AccessDenied"),
        (503, "BadDigest"),
        (500, "InternalError"),
    ] {
        let unsure = bucket(&server, Checksum::Auto);
        server.order(Fault::on(Operation::TryPart, Effect::refuse(status, code)));
        server.order(wrong_tag());
        let upload = upload(&unsure, "a", &bytes).await.unwrap();
        assert_eq!(upload.complete().await.unwrap().retries, 1, "{code}");
        server.clear_faults();
    }
    assert_eq!(server.calls(Operation::TryPart), 4);

    // Without a checksum there is nothing to look at.
    let bare = bucket(&server, Checksum::None);
    upload(&bare, "a", &bytes)
        .await
        .unwrap()
        .complete()
        .await
        .unwrap();
    assert_eq!(server.calls(Operation::TryPart), 4);
    assert_eq!(server.open_uploads(), 0);
}
