//! Stores that take what is sent in a way of their own.

use harness::s3::{Effect, Fault, Operation, Quirk};

use super::{Rule, Scene, fault, fault_of, quirk, walk};

fn in_complete() -> Vec<Rule> {
    let on = |effect| Fault::on(Operation::CompleteUpload, effect);
    let good = |body: &str| Effect::AnswerAfter {
        status: 200,
        body: body.to_owned(),
    };
    vec![
        fault_of(
            "complete: an error in a good answer, once",
            on(Effect::refuse(200, "InternalError")),
        ),
        fault_of(
            "complete: an error in a good answer, always",
            on(Effect::refuse(200, "InternalError")).always(),
        ),
        fault_of("complete: done, and the answer is lost", on(Effect::Lose)),
        fault_of(
            "complete: done, and answered with 500",
            on(Effect::refuse_after(500, "InternalError")),
        ),
        fault_of(
            "complete: done, and answered with 404",
            on(Effect::refuse_after(404, "NoSuchUpload")),
        ),
        fault_of(
            "complete: done, and a proxy answers",
            on(good("<html>lost</html>")),
        ),
        fault_of("complete: done, and the answer is empty", on(good(""))),
        fault_of("complete: the answer breaks off", on(Effect::Cut(20))),
        fault_of("complete: the object is lost", on(Effect::Forget)),
        fault_of("complete: the object is short", on(Effect::Shorten)),
        fault_of(
            "complete: refused",
            on(Effect::refuse(403, "AccessDenied")).always(),
        ),
    ]
}

fn in_parts() -> Vec<Rule> {
    let on = |effect| Fault::on(Operation::UploadPart, effect);
    vec![
        fault_of("part: the tag of other bytes, once", on(Effect::WrongTag)),
        fault_of(
            "part: the tag of other bytes, always",
            on(Effect::WrongTag).always(),
        ),
        fault_of("part: no tag, once", on(Effect::Header("etag", None))),
        fault_of(
            "part: no tag, always",
            on(Effect::Header("etag", None)).always(),
        ),
        fault_of(
            "part: damaged on its way",
            on(Effect::refuse(400, "BadDigest")),
        ),
        fault_of(
            "part: too slow for the store",
            on(Effect::refuse(400, "RequestTimeout")),
        ),
        fault_of(
            "part: the upload is gone",
            on(Effect::refuse(404, "NoSuchUpload")).always(),
        ),
        fault_of(
            "part: the store is full",
            on(Effect::refuse(507, "InsufficientStorage")).always(),
        ),
        fault_of(
            "part: the quota is used up",
            on(Effect::refuse(403, "QuotaExceeded")).always(),
        ),
        fault_of("part: the answer is lost", on(Effect::Lose)),
    ]
}

fn in_objects() -> Vec<Rule> {
    let on = |effect| Fault::on(Operation::PutObject, effect);
    vec![
        fault_of(
            "object: the tag of other bytes, always",
            on(Effect::WrongTag).always(),
        )
        .leaving(),
        fault_of("object: the answer is lost", on(Effect::Lose)),
        fault_of(
            "object: the second is refused",
            on(Effect::refuse(403, "AccessDenied")).after(1).always(),
        ),
        fault_of(
            "object: each is lost after a good answer",
            on(Effect::Forget).after(1).always(),
        ),
        fault_of(
            "object: each is short after a good answer",
            on(Effect::Shorten).after(1).always(),
        ),
        fault_of(
            "object: somebody else writes",
            on(Effect::refuse(409, "OperationAborted")),
        ),
        fault(
            "begin: refused",
            Operation::CreateUpload,
            Effect::refuse(403, "AccessDenied"),
        ),
    ]
}

fn of_stores() -> Vec<Rule> {
    vec![
        quirk("tags without quotes", [Quirk::UnquotedTags]),
        quirk("no tags", [Quirk::NoTags]),
        quirk(
            "object lock: a checksum is demanded",
            [Quirk::DemandsChecksum],
        ),
        quirk("object lock: an MD5 is demanded", [Quirk::DemandsMd5]),
        quirk("no CRC32C (501)", [Quirk::NoChecksum("crc32c", 501)]),
        quirk("no CRC32C (400)", [Quirk::NoChecksum("crc32c", 400)]),
        quirk(
            "no checksum of any kind (501)",
            [Quirk::NoChecksum("any", 501)],
        ),
        quirk(
            "no checksum of any kind (400)",
            [Quirk::NoChecksum("any", 400)],
        ),
        quirk(
            "no checksum of any kind, and an MD5 is demanded",
            [Quirk::NoChecksum("any", 501), Quirk::DemandsMd5],
        ),
        quirk("no trailers", [Quirk::NoTrailers]),
        quirk("conditions are passed over", [Quirk::ConditionsIgnored]),
        quirk("conditions are refused", [Quirk::ConditionsRefused]),
    ]
}

#[tokio::test]
async fn store_misbehaves_when_an_upload_is_completed() {
    let scene = Scene::new(100_000);
    insta::assert_snapshot!(walk(&scene, in_complete()).await, @"");
}

#[tokio::test]
async fn store_misbehaves_when_a_part_or_an_object_is_written() {
    let scene = Scene::new(100_000);
    let rules = in_parts().into_iter().chain(in_objects()).collect();
    insta::assert_snapshot!(walk(&scene, rules).await, @"");
}

#[tokio::test]
async fn store_takes_no_checksum_no_condition_and_gives_no_tag() {
    let scene = Scene::new(100_000);
    insta::assert_snapshot!(walk(&scene, of_stores()).await, @"");
}
