//! What a store says when something of the relation is wrong.

use bytes::Bytes;
use synapse_operator::s3::{PartPlan, S3Error, Upload};

use super::scene::{Scene, Shown, yes};
use crate::s3::refusal;

pub(super) async fn a_missing_bucket_is_named(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[("bucket", "nowhere")]);
    let mut errors = vec![
        refusal(bucket.head()).await,
        refusal(bucket.list("").all(1)).await,
        refusal(bucket.put("a", Bytes::new())).await,
        refusal(Upload::begin(&bucket, "a", PartPlan::default(), 1)).await,
    ];
    let deleted = bucket.delete(&["a"]).await;
    let shown = match &deleted {
        Ok(_) => "except when deleting".to_owned(),
        Err(_) => yes(),
    };
    errors.extend(deleted.err());
    for error in errors {
        assert!(
            matches!(&error, S3Error::BucketMissing { bucket, .. } if bucket == "nowhere"),
            "{error:?}"
        );
    }
    shown
}

/// What of the credentials a store says is wrong; that they are must be said in any case.
fn told(error: S3Error) -> Shown {
    match error {
        S3Error::SignatureMismatch { .. } => "secret key refused".to_owned(),
        S3Error::KeyUnknown { .. } => "access key unknown".to_owned(),
        S3Error::AccessDenied { .. } => "access denied".to_owned(),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn a_wrong_secret_is_told(scene: &Scene) -> Shown {
    let wrong = "0000000000000000000000000000000000000000000000000000000000000000";
    let bucket = scene.bucket(&[("secret-key", wrong)]);
    let first = told(refusal(bucket.head()).await);
    assert_eq!(told(refusal(bucket.put("a", Bytes::new())).await), first);
    first
}

pub(super) async fn an_unknown_key_is_told(scene: &Scene) -> Shown {
    // As long as a key may be everywhere.
    let bucket = scene.bucket(&[("access-key", "GKffffffffffffffffffffffff")]);
    told(refusal(bucket.head()).await)
}

pub(super) async fn a_key_without_rights_is_told(scene: &Scene) -> Shown {
    let Some(stranger) = &scene.store.stranger else {
        return "not asked: one key only".to_owned();
    };
    let keys = [
        ("access-key", stranger.access.as_str()),
        ("secret-key", stranger.secret.as_str()),
    ];
    let ours = scene.bucket(&[]);
    ours.put("a", Bytes::from_static(b"x")).await.unwrap();
    let bucket = scene.bucket(&keys);
    let begun = Upload::begin(&bucket, "a", PartPlan::default(), 1);
    let errors = [
        refusal(bucket.head()).await,
        refusal(bucket.get("a")).await,
        refusal(bucket.put("a", Bytes::new())).await,
        refusal(begun).await,
    ];
    // Some refuse the whole call, others each object of it.
    if let Ok(deletion) = bucket.delete(&["a"]).await {
        assert_eq!(deletion.failed[0].code, "AccessDenied");
    }
    assert_eq!(ours.stat("a").await.unwrap().unwrap().size, 1);
    let denied = |error: &S3Error| matches!(error, S3Error::AccessDenied { .. });
    let unseen = |error: &S3Error| matches!(error, S3Error::BucketMissing { .. });
    match () {
        () if errors.iter().all(denied) => "access denied".to_owned(),
        // The bucket's name is one that only its owner's key knows.
        () if errors.iter().all(unseen) => "bucket missing".to_owned(),
        () => panic!("{errors:?}"),
    }
}

pub(super) async fn a_wrong_region_is_noticed(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[("region", "eu-nowhere-7")]);
    match bucket.head().await {
        Ok(())
            if bucket
                .notices()
                .iter()
                .any(|notice| notice.contains("region")) =>
        {
            bucket.put("a", Bytes::new()).await.unwrap();
            "yes: corrected".to_owned()
        }
        Ok(()) => "no: taken".to_owned(),
        Err(S3Error::WrongRegion { expected, .. }) => match expected {
            Some(_) => "yes, with the right one".to_owned(),
            None => yes(),
        },
        Err(error) => panic!("{error:?}"),
    }
}
