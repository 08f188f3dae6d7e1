//! What a bucket learns of its store while it works: the region, the time, newer keys. And what it sends because it was told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::s3::{Effect, Fault, Hint, Operation, Quirk, Server};
use jiff::{SignedDuration, Timestamp};
use synapse_operator::s3::{Bucket, Keys, Renew, S3Error};

use super::{MIB, bucket, noise, read, refusal, server, upload};

/// A way to newer keys that counts how often it is gone.
fn renewal(access: &'static str, secret: &'static str) -> (Arc<Renew>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let renew: Arc<Renew> = Arc::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let keys = [("access-key", access), ("secret-key", secret)];
        let keys: BTreeMap<String, String> = keys
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        Box::pin(async move { Keys::read(&keys) })
    });
    (renew, count)
}

/// Begins an upload of three parts, lets something happen, and brings it to its end.
async fn uploaded(bucket: &Bucket, between: impl FnOnce()) -> Result<(), S3Error> {
    let bytes = noise(11 * MIB, 3);
    let mut upload = upload(bucket, "a", &bytes[..5 * MIB]).await?;
    between();
    for piece in bytes[5 * MIB..].chunks(100_000) {
        if let Err(error) = upload.write(piece).await {
            upload.abort().await.ok();
            return Err(error);
        }
    }
    upload.complete().await?;
    assert!(read(bucket, "a").await? == bytes);
    Ok(())
}

fn store_of(quirk: Quirk) -> Server {
    let server = server();
    server.become_of(vec![quirk]);
    server
}

#[tokio::test]
async fn a_wrong_region_is_corrected_once_and_told() {
    for hint in [Hint::Named, Hint::Moved, Hint::Redirected] {
        let server = store_of(Quirk::Region("eu-west-1", hint));
        let bucket = bucket(&server.relation_data(), &[]);
        assert_eq!(bucket.notices(), Vec::<String>::new());
        uploaded(&bucket, || ()).await.unwrap();
        bucket.head().await.unwrap();
        // The first was refused, the last tries the store out.
        assert_eq!(server.calls(Operation::CreateUpload), 3, "{hint:?}");
        assert_eq!(server.calls(Operation::ListObjects), 1, "{hint:?}");
        let notices = bucket.notices();
        assert!(
            matches!(&notices[..], [one] if one.ends_with("set region=eu-west-1 at the S3 integrator")),
            "{notices:?}"
        );
    }
}

#[tokio::test]
async fn a_wrong_region_is_corrected_by_whatever_call_comes_first() {
    let calls: [&str; 5] = ["head", "stat", "get", "put", "delete"];
    for call in calls {
        let server = server();
        let bucket = bucket(&server.relation_data(), &[]);
        bucket.put("a", "b".into()).await.unwrap();
        server.become_of(vec![Quirk::Region("garage", Hint::Moved)]);
        match call {
            "head" => bucket.head().await.unwrap(),
            "stat" => assert!(bucket.stat("a").await.unwrap().is_some()),
            "get" => assert_eq!(read(&bucket, "a").await.unwrap(), b"b"),
            "put" => drop(bucket.put("a", "c".into()).await.unwrap()),
            _ => assert_eq!(bucket.delete(&["a"]).await.unwrap().deleted, 1),
        }
        assert_eq!(bucket.notices().len(), 1, "{call}");
    }
}

#[tokio::test]
async fn a_store_that_names_one_region_after_the_other_is_not_followed() {
    let server = server();
    for name in ["eu-1", "eu-2", "eu-3"] {
        let headers = vec![("x-amz-bucket-region", name.to_owned())];
        let body = String::new();
        let effect = Effect::Answer {
            status: 301,
            headers,
            body,
        };
        server.order(Fault::on(Operation::ListObjects, effect));
    }
    let error = refusal(bucket(&server.relation_data(), &[]).head()).await;
    assert_eq!(
        error.to_string(),
        "region eu-1 is not the bucket's, which is eu-2"
    );
    assert_eq!(server.calls(Operation::ListObjects), 2);
}

#[tokio::test]
async fn a_redirect_that_is_about_no_region_names_the_endpoint_to_set() {
    let server = server();
    let effect = Effect::Answer {
        status: 301,
        headers: vec![(
            "location",
            "https://s3.example.com/demo?list-type=2".to_owned(),
        )],
        body: String::new(),
    };
    server.order(Fault::on(Operation::ListObjects, effect).always());
    let error = refusal(bucket(&server.relation_data(), &[]).head()).await;
    assert!(
        error
            .to_string()
            .ends_with(" sends us to https://s3.example.com")
    );
    assert_eq!(
        error.hint(),
        "set endpoint=https://s3.example.com at the S3 integrator"
    );
}

#[tokio::test]
async fn a_clock_that_is_off_is_learnt_signed_with_and_told() {
    for (seconds, told) in [
        (1_800, "30 min behind"),
        (-7_200, "2 h ahead of"),
        (40 * 86_400, "40 days behind"),
    ] {
        let server = store_of(Quirk::Clock(seconds));
        let bucket = bucket(&server.relation_data(), &[]);
        uploaded(&bucket, || ()).await.unwrap();
        assert_eq!(server.calls(Operation::CreateUpload), 3);
        assert_eq!(server.calls(Operation::GetObject), 1, "it is known by then");
        let notices = bucket.notices();
        assert!(
            matches!(&notices[..], [one] if one.contains(told)),
            "{notices:?}"
        );
    }
    let server = store_of(Quirk::Clock(200));
    let bucket = bucket(&server.relation_data(), &[]);
    bucket.head().await.unwrap();
    assert_eq!(bucket.notices(), Vec::<String>::new());
}

#[tokio::test]
async fn a_refusal_in_other_words_that_comes_with_another_time_is_tried_again() {
    let server = server();
    let date = Timestamp::now() + SignedDuration::from_mins(10);
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let effect = Effect::Answer {
        status: 403,
        headers: vec![("date", date)],
        body: String::new(),
    };
    server.order(Fault::on(Operation::ListObjects, effect));
    let bucket = bucket(&server.relation_data(), &[]);
    bucket.head().await.unwrap();
    assert_eq!(server.calls(Operation::ListObjects), 2);
}

#[tokio::test]
async fn keys_that_are_rotated_during_an_upload_are_read_anew_once_and_it_goes_on() {
    let server = server();
    let (renew, count) = renewal("newer-access", "newer-secret");
    let bucket = bucket(&server.relation_data(), &[]).renewing(renew);
    let rotate = || server.rotate_keys("newer-access", "newer-secret");
    uploaded(&bucket, rotate).await.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn keys_that_are_refused_and_stay_the_same_are_told_after_one_more_look() {
    let server = server();
    let (renew, count) = renewal("the-access-key", "the-secret-key");
    let bucket = bucket(&server.relation_data(), &[]).renewing(renew);
    bucket.head().await.unwrap();
    server.rotate_keys("newer-access", "newer-secret");
    for _ in 0..2 {
        let error = refusal(bucket.head()).await;
        assert!(matches!(error, S3Error::KeyUnknown { .. }), "{error:?}");
    }
    assert_eq!(count.load(Ordering::Relaxed), 1);
    // Keys that never worked are the operator's to correct, and nobody looks for others.
    let (renew, count) = renewal("newer-access", "newer-secret");
    let fresh = super::bucket(&server.relation_data(), &[]).renewing(renew);
    refusal(fresh.head()).await;
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_session_that_expires_is_renewed_before_anything_worked() {
    let server = server();
    server.order(Fault::on(
        Operation::ListObjects,
        Effect::refuse(400, "ExpiredToken"),
    ));
    let (renew, count) = renewal("the-access-key", "the-secret-key");
    let lent = bucket(&server.relation_data(), &[("session-token", "the-token")]);
    lent.renewing(renew).head().await.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 1);
    let tokens = server.header_of_each(Operation::ListObjects, "x-amz-security-token");
    assert_eq!(tokens, ["the-token", ""]);
}

#[tokio::test]
async fn attributes_go_with_what_makes_an_object_and_with_nothing_else() {
    let server = server();
    let attributes = r#"["X-Amz-Meta-Team=ops, west", "x-amz-tagging=a=1&b=2", "x-amz-expected-bucket-owner=42", "Host=evil"]"#;
    let bucket = bucket(&server.relation_data(), &[("attributes", attributes)]);
    uploaded(&bucket, || ()).await.unwrap();
    bucket.put("b", "c".into()).await.unwrap();
    bucket.head().await.unwrap();
    for (operation, made) in [
        (Operation::PutObject, true),
        (Operation::CreateUpload, true),
        (Operation::UploadPart, false),
        (Operation::CompleteUpload, false),
        (Operation::GetObject, false),
        (Operation::ListObjects, false),
    ] {
        let headers = server.headers(operation).unwrap();
        assert_eq!(
            headers.contains_key("x-amz-meta-team"),
            made,
            "{operation:?}"
        );
        assert_eq!(headers.contains_key("x-amz-tagging"), made, "{operation:?}");
        assert_eq!(
            headers["x-amz-expected-bucket-owner"], "42",
            "{operation:?}"
        );
        assert_ne!(headers["host"], "evil");
    }
    let notices = bucket.notices();
    assert_eq!(
        notices,
        ["attribute host is ignored: no header that goes with objects"]
    );
}
