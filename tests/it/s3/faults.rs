//! Stores that fail half-way, and what comes of the upload or the object.

use std::time::Instant;

use bytes::Bytes;
use harness::s3::{Effect, Fault, Operation, Server};
use synapse_operator::s3::{
    Again, Bucket, Completed, Limits, Params, PartPlan, Proxy, S3Error, Upload,
};

use super::{MIB, bucket, limits, noise, read, refusal, server, upload};

const KEY: &str = "backup-1/volume-0001.tar.gpg";

/// Uploads three parts to a store with a fault.
async fn attempt(server: &Server, fault: Fault) -> Result<Completed, S3Error> {
    server.order(fault);
    let bucket = bucket(&server.relation_data(), &[]);
    upload(&bucket, KEY, &noise(12 * MIB, 7))
        .await?
        .complete()
        .await
}

async fn is_whole(server: &Server) -> bool {
    read(&bucket(&server.relation_data(), &[]), KEY)
        .await
        .unwrap()
        == noise(12 * MIB, 7)
}

fn nothing_is_left(server: &Server) -> bool {
    server.open_uploads() == 0 && !server.directory().join("demo").join(KEY).exists()
}

#[tokio::test]
async fn a_part_that_is_refused_twice_is_sent_again() {
    let server = server();
    let busy = Fault::on(Operation::UploadPart, Effect::refuse(503, "SlowDown"))
        .after(1)
        .times(2);
    let completed = attempt(&server, busy).await.unwrap();
    assert_eq!((completed.parts, completed.retries), (3, 2));
    assert_eq!(server.calls(Operation::UploadPart), 5);
    assert!(is_whole(&server).await);
}

#[tokio::test]
async fn a_store_that_stays_busy_ends_the_upload_and_nothing_is_left() {
    let server = server();
    let busy = Fault::on(Operation::UploadPart, Effect::refuse(503, "SlowDown"))
        .after(1)
        .always();
    let error = refusal(attempt(&server, busy)).await;
    assert!(
        matches!(&error, S3Error::Refused { status: 503, code, .. } if code == "SlowDown"),
        "{error:?}"
    );
    assert!(nothing_is_left(&server));
}

#[tokio::test]
async fn a_connection_that_is_dropped_under_a_part_is_made_anew() {
    let server = server();
    let completed = attempt(
        &server,
        Fault::on(Operation::UploadPart, Effect::Drop).after(1),
    )
    .await
    .unwrap();
    assert_eq!(completed.retries, 1);
    assert!(is_whole(&server).await);
}

#[tokio::test]
async fn a_part_on_which_nothing_moves_is_sent_again() {
    let server = server();
    let start = Instant::now();
    let completed = attempt(&server, Fault::on(Operation::UploadPart, Effect::Stall))
        .await
        .unwrap();
    assert_eq!(completed.retries, 1);
    assert!(start.elapsed() >= limits().silence);
    assert!(is_whole(&server).await);
}

#[tokio::test]
async fn a_store_on_which_nothing_moves_any_more_is_given_up() {
    let server = server();
    let error = attempt(
        &server,
        Fault::on(Operation::UploadPart, Effect::Stall).always(),
    )
    .await
    .err()
    .unwrap();
    assert!(matches!(error, S3Error::TimedOut { .. }), "{error:?}");
    assert_eq!(
        server.calls(Operation::UploadPart),
        3 * 2,
        "two parts were in flight"
    );
    assert!(nothing_is_left(&server));
}

#[tokio::test]
async fn a_part_whose_tag_is_not_its_md5_is_sent_again_and_then_refused() {
    let unknown = || Fault::on(Operation::TryPart, Effect::refuse(403, "AccessDenied"));
    let server = server();
    server.order(unknown());
    let completed = attempt(&server, Fault::on(Operation::UploadPart, Effect::WrongTag))
        .await
        .unwrap();
    assert_eq!(completed.retries, 1);
    assert!(is_whole(&server).await);

    let server = super::server();
    server.order(unknown());
    let error = refusal(attempt(
        &server,
        Fault::on(Operation::UploadPart, Effect::WrongTag).always(),
    ))
    .await;
    assert!(matches!(error, S3Error::PartAltered { .. }), "{error:?}");
    assert!(nothing_is_left(&server));
}

#[tokio::test]
async fn a_small_object_whose_tag_is_not_its_md5_is_refused() {
    let server = server();
    server.order(Fault::on(Operation::PutObject, Effect::WrongTag));
    let error =
        refusal(bucket(&server.relation_data(), &[]).put("a", Bytes::from_static(b"x"))).await;
    assert!(matches!(error, S3Error::PartAltered { .. }), "{error:?}");
}

#[tokio::test]
async fn an_error_inside_a_good_answer_is_an_error() {
    let server = server();
    let fault = Fault::on(
        Operation::CompleteUpload,
        Effect::refuse(200, "InternalError"),
    )
    .always();
    let error = refusal(attempt(&server, fault)).await;
    assert!(
        matches!(&error, S3Error::Refused { status: 200, code, .. } if code == "InternalError"),
        "{error:?}"
    );
    assert!(nothing_is_left(&server));
}

#[tokio::test]
async fn an_upload_that_was_completed_in_spite_of_an_error_is_found() {
    let effects = [
        Effect::refuse_after(500, "InternalError"),
        Effect::refuse_after(504, "GatewayTimeout"),
        Effect::AnswerAfter {
            status: 200,
            body: "<html>a proxy that has lost its way</html>".into(),
        },
        Effect::Cut(20),
    ];
    for effect in effects {
        let server = server();
        let completed = attempt(
            &server,
            Fault::on(Operation::CompleteUpload, effect.clone()),
        )
        .await;
        assert_eq!(completed.unwrap().size, 12 * MIB as u64, "{effect:?}");
        assert!(is_whole(&server).await);
    }
}

#[tokio::test]
async fn an_upload_that_the_store_has_forgotten_is_an_error() {
    let server = server();
    let bucket = bucket(&server.relation_data(), &[]);
    let upload = upload(&bucket, KEY, &noise(6 * MIB, 7)).await.unwrap();
    server.forget_uploads();
    let error = refusal(upload.complete()).await;
    assert!(
        matches!(&error, S3Error::Refused { code, .. } if code == "NoSuchUpload"),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_object_that_is_lost_or_short_after_a_good_answer_is_an_error() {
    let server = server();
    let error = refusal(attempt(
        &server,
        Fault::on(Operation::CompleteUpload, Effect::Forget),
    ))
    .await;
    assert!(
        matches!(error, S3Error::SizeAltered { found: None, .. }),
        "{error:?}"
    );

    let server = super::server();
    let error = refusal(attempt(
        &server,
        Fault::on(Operation::CompleteUpload, Effect::Shorten),
    ))
    .await;
    let short = 12 * MIB as u64 - 1;
    assert!(
        matches!(error, S3Error::SizeAltered { found: Some(found), .. } if found == short),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_object_that_breaks_off_is_never_whole() {
    let server = server();
    let bucket = bucket(&server.relation_data(), &[]);
    bucket.put("a", Bytes::from(noise(MIB, 8))).await.unwrap();
    for after in [0, 1, MIB as u64 / 2, MIB as u64 - 1] {
        server.order(Fault::on(Operation::GetObject, Effect::Cut(after)));
        let error = refusal(read(&bucket, "a")).await;
        assert!(
            matches!(
                error,
                S3Error::Interrupted { .. } | S3Error::Truncated { .. }
            ),
            "{after}: {error:?}"
        );
    }
    server.order(Fault::on(Operation::GetObject, Effect::StallBody(1000)));
    let error = refusal(read(&bucket, "a")).await;
    assert!(matches!(error, S3Error::TimedOut { .. }), "{error:?}");
    assert!(read(&bucket, "a").await.unwrap() == noise(MIB, 8));
}

#[tokio::test]
async fn an_upload_takes_no_more_than_its_plan_and_nothing_after_a_failure() {
    let server = server();
    let bucket = bucket(&server.relation_data(), &[]);
    let plan = PartPlan::of_parts(PartPlan::SMALLEST);
    let mut upload = Upload::begin(&bucket, "a", plan, 2).await.unwrap();
    server.order(Fault::on(Operation::UploadPart, Effect::refuse(403, "AccessDenied")).always());
    let block = noise(MIB, 9);
    let error = loop {
        if let Err(error) = upload.write(&block).await {
            break error;
        }
    };
    assert!(matches!(error, S3Error::AccessDenied { .. }), "{error:?}");
    assert!(
        upload.written() < 20 * MIB as u64,
        "the first failure ends it"
    );
    assert!(matches!(
        upload.write(&block).await,
        Err(S3Error::UploadFailed { .. })
    ));
    assert!(matches!(
        upload.complete().await,
        Err(S3Error::UploadFailed { .. })
    ));
    assert_eq!(server.open_uploads(), 0);
}

#[tokio::test]
async fn a_store_that_was_reached_before_is_given_time_to_come_back() {
    let server = server();
    let databag = server.relation_data();
    let open = || {
        let patient = Limits {
            control_attempts: 1_000,
            ..limits()
        };
        Bucket::open(
            &Params::parse(&databag).unwrap(),
            &Proxy::default(),
            patient,
        )
    };
    let known = open();
    known.head().await.unwrap();
    let port = server.address().port();
    drop(server);
    // One that has never been answered fails at once. The other one goes on.
    assert!(matches!(
        refusal(open().head()).await,
        S3Error::Unreachable { .. }
    ));
    let mut again = known.retries();
    let returning = async {
        let thrice = |again: &Option<Again>| again.as_ref().is_some_and(|again| again.count >= 3);
        drop(again.wait_for(thrice).await.unwrap());
        let options = harness::s3::Options {
            port,
            ..Default::default()
        };
        harness::s3::Server::start(options).unwrap()
    };
    let (put, _server) = tokio::join!(known.put("a", Bytes::from_static(b"x")), returning);
    put.unwrap();
}

#[tokio::test]
async fn objects_that_a_store_keeps_are_told_one_by_one() {
    let server = server();
    let bucket = bucket(&server.relation_data(), &[("path", "model")]);
    let kept = "<DeleteResult><Error><Key>model/a</Key><Code>AccessDenied</Code><Message>locked</Message></Error>\
                <Error><Key>model/b</Key><Code>NoSuchKey</Code></Error></DeleteResult>";
    server.order(Fault::on(
        Operation::DeleteObjects,
        Effect::Answer {
            status: 200,
            headers: vec![],
            body: kept.into(),
        },
    ));
    let deletion = bucket.delete(&["a", "b", "c"]).await.unwrap();
    assert_eq!(deletion.deleted, 2);
    assert_eq!(
        deletion
            .failed
            .iter()
            .map(|kept| (&*kept.key, &*kept.code))
            .collect::<Vec<_>>(),
        [("a", "AccessDenied")]
    );
}

#[tokio::test]
async fn a_listing_that_goes_in_circles_ends() {
    let server = server();
    let bucket = bucket(&server.relation_data(), &[]);
    let circle = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken></ListBucketResult>";
    server.order(
        Fault::on(
            Operation::ListObjects,
            Effect::Answer {
                status: 200,
                headers: vec![],
                body: circle.into(),
            },
        )
        .always(),
    );
    let error = refusal(bucket.list("").all(10)).await;
    assert!(matches!(error, S3Error::NotS3 { .. }), "{error:?}");
}
