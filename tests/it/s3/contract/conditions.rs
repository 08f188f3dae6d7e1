//! Writing under a condition, and the lease that rests on it.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures_util::future::join_all;
use jiff::Timestamp;
use synapse_operator::backup::{Catalogue, Holder, Lease, LeaseError, Terms};
use synapse_operator::s3::{Bucket, Condition, ConditionError};

use super::scene::{Scene, Shown, outcome, yes};
use crate::s3::read;

/// Who writes at once.
const WRITERS: usize = 6;

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// What came of a write whose condition did not hold; the object tells whether it was written.
async fn unmet(bucket: &Bucket, condition: Condition) -> Shown {
    let told = bucket.put_if("a", text("other"), &condition).await;
    let kept = read(bucket, "a").await.unwrap() == b"first";
    match (told, kept) {
        (Err(ConditionError::Unmet { .. }), true) => yes(),
        (Ok(_), false) => "no: written".to_owned(),
        (Ok(_), true) => panic!("the store says that it wrote, and did not"),
        (Err(ConditionError::Unmet { .. }), false) => panic!("the store wrote and denies it"),
        (Err(ConditionError::Store(error)), _) => panic!("{error:?}"),
    }
}

pub(super) async fn an_object_is_written_only_where_none_is(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    bucket
        .put_if("a", text("first"), &Condition::Absent)
        .await
        .unwrap();
    assert_eq!(read(&bucket, "a").await.unwrap(), b"first");
    unmet(&bucket, Condition::Absent).await
}

pub(super) async fn an_object_is_written_only_over_the_one_that_was_seen(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    let old = bucket.put("a", text("zeroth")).await.unwrap().unwrap();
    let seen = Condition::Tagged(old.clone());
    bucket.put_if("a", text("first"), &seen).await.unwrap();
    assert_eq!(read(&bucket, "a").await.unwrap(), b"first");
    unmet(&bucket, Condition::Tagged(old)).await
}

pub(super) async fn of_several_writers_at_once_one_is_told_that_it_won(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    let mut most = 0;
    for round in 0..5 {
        let key = format!("round-{round}");
        let write = async |writer: usize| {
            let content = Bytes::from(format!("writer {writer}"));
            bucket.put_if(&key, content, &Condition::Absent).await
        };
        let told = join_all((0..WRITERS).map(write)).await;
        let winners: Vec<usize> = (0..WRITERS)
            .filter(|&writer| told[writer].is_ok())
            .collect();
        let content = read(&bucket, &key).await.unwrap();
        let known = |writer: &&usize| content == format!("writer {writer}").as_bytes();
        assert!(winners.iter().any(|writer| known(&writer)), "{winners:?}");
        most = most.max(winners.len());
    }
    match most {
        1 => yes(),
        _ => "no: several".to_owned(),
    }
}

pub(super) async fn an_upload_is_completed_only_where_no_object_is(scene: &Scene) -> Shown {
    let (client, name) = (scene.raw(), scene.name.as_str());
    let bucket = scene.bucket(&[]);
    bucket.put("a", text("first")).await.unwrap();
    let begun = client.create_multipart_upload().bucket(name).key("a");
    let id = begun.send().await.unwrap().upload_id.unwrap();
    let part = client.upload_part().bucket(name).key("a").upload_id(&id);
    let part = part.part_number(1).body(ByteStream::from_static(b"other"));
    let tag = part.send().await.unwrap().e_tag;
    let part = CompletedPart::builder().part_number(1).set_e_tag(tag);
    let parts = CompletedMultipartUpload::builder().parts(part.build());
    let call = client.complete_multipart_upload().bucket(name).key("a");
    let call = call.upload_id(&id).multipart_upload(parts.build());
    let answer = call.if_none_match("*").send().await;
    let shown = outcome(&answer, "no: completed");
    assert_eq!(
        answer.is_err(),
        read(&bucket, "a").await.unwrap() == b"first"
    );
    match shown.starts_with("412") {
        true => yes(),
        false => shown,
    }
}

thread_local! {
    /// The seconds that a question's clock shows.
    static SECONDS: Cell<i64> = const { Cell::new(1_795_262_640) };
}

fn now() -> Timestamp {
    Timestamp::from_second(SECONDS.get()).unwrap()
}

async fn take(catalogue: &Catalogue, unit: &str) -> Result<Lease, LeaseError> {
    static TOKENS: AtomicU64 = AtomicU64::new(0);
    let holder = Holder {
        unit: unit.to_owned(),
        model: "a-model".to_owned(),
        model_name: "prod".to_owned(),
    };
    let terms = Terms {
        settles: Duration::from_secs(1),
        ..Terms::default()
    };
    let random = |bytes: &mut [u8]| {
        let token = TOKENS.fetch_add(1, Ordering::Relaxed);
        bytes[..8].copy_from_slice(&token.to_be_bytes());
        Ok(())
    };
    Lease::take(catalogue, holder, "create-backup", terms, random, now).await
}

pub(super) async fn a_lease_is_for_one_and_taken_over_when_it_has_ended(scene: &Scene) -> Shown {
    let catalogue = Catalogue::new(scene.bucket(&[("path", "model")]));
    let lease = take(&catalogue, "synapse/0").await.unwrap();
    let second = take(&catalogue, "synapse/1").await;
    assert!(
        matches!(&second, Err(LeaseError::Busy { holder, .. }) if holder == "synapse/0"),
        "{second:?}"
    );
    SECONDS.set(SECONDS.get() + 120);
    let other = take(&catalogue, "synapse/1").await.unwrap();
    // Who comes back from the dead takes nothing away.
    lease.release().await;
    let third = take(&catalogue, "synapse/2").await;
    assert!(
        matches!(&third, Err(LeaseError::Busy { holder, .. }) if holder == "synapse/1"),
        "{third:?}"
    );
    other.release().await;
    take(&catalogue, "synapse/2").await.unwrap().release().await;
    yes()
}

pub(super) async fn of_several_at_once_one_gets_the_lease(scene: &Scene) -> Shown {
    let catalogue = Catalogue::new(scene.bucket(&[]));
    for _ in 0..5 {
        let units = ["synapse/0", "synapse/1", "synapse/2", "synapse/3"];
        let taken = join_all(units.map(|unit| take(&catalogue, unit))).await;
        let got: Vec<Lease> = taken.into_iter().filter_map(Result::ok).collect();
        assert_eq!(got.len(), 1, "{got:?}");
        for lease in got {
            lease.release().await;
        }
    }
    yes()
}
