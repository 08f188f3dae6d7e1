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
    insta::assert_snapshot!(walk(&scene, in_complete()).await, @r"
    complete: an error in a good answer, once: create, list, restore, verify, delete
    complete: an error in a good answer, always: list, restore, verify, delete
      Create: failed to upload <id>/<object>: store refused to complete the upload of <id>/<object>: InternalError (200): ordered by the test -> see the store's message and its log
    complete: done, and the answer is lost: create, list, restore, verify, delete
    complete: done, and answered with 500: create, list, restore, verify, delete
    complete: done, and answered with 404: create, list, restore, verify, delete
    complete: done, and a proxy answers: create, list, restore, verify, delete
    complete: done, and the answer is empty: create, list, restore, verify, delete
    complete: the answer breaks off: create, list, restore, verify, delete
    complete: the object is lost: list, restore, verify, delete
      Create: failed to upload <id>/<object>: store has no bytes of <id>/<object> <n> bytes sent -> try again; if it stays, do not trust this store or what lies between
    complete: the object is short: list, restore, verify, delete
      Create: failed to upload <id>/<object>: store has <n> bytes <id>/<object> <n> bytes sent -> try again; if it stays, do not trust this store or what lies between
    complete: refused: list, restore, verify, delete
      Create: failed to upload <id>/<object>: http://<store> does not allow to complete the upload of <id>/<object> -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
    ");
}

#[tokio::test]
async fn store_misbehaves_when_a_part_or_an_object_is_written() {
    let scene = Scene::new(100_000);
    let rules = in_parts().into_iter().chain(in_objects()).collect();
    insta::assert_snapshot!(walk(&scene, rules).await, @r"
    part: the tag of other bytes, once: create, list, restore, verify, delete
    part: the tag of other bytes, always: list, restore, verify, delete
      Create: failed to upload <id>/<object>: store has other bytes than were sent: part <n> of <id>/<object> -> try again; if it stays, do not trust this store or what lies between
    part: no tag, once: create, list, restore, verify, delete
    part: no tag, always: list, restore, verify, delete
      Create: failed to upload <id>/<object>: store gave no tag for part <n> of <id>/<object> -> try again; if it stays, look for a proxy that takes the header ETag away
    part: damaged on its way: create, list, restore, verify, delete
    part: too slow for the store: create, list, restore, verify, delete
    part: the upload is gone: list, restore, verify, delete
      Create: failed to upload <id>/<object>: store refused to write part <n> of <id>/<object>: NoSuchUpload (404): ordered by the test -> see the store's message and its log
    part: the store is full: list, restore, verify, delete
      Create: failed to upload <id>/<object>: store refused to write part <n> of <id>/<object>: InsufficientStorage (507): ordered by the test -> give the store, or this key's quota, more room
    part: the quota is used up: list, restore, verify, delete
      Create: failed to upload <id>/<object>: store refused to write part <n> of <id>/<object>: QuotaExceeded (403): ordered by the test -> give the store, or this key's quota, more room
    part: the answer is lost: create, list, restore, verify, delete
    object: the tag of other bytes, always: list, restore, verify, delete
      Create: failed to upload <id>/manifest.json: store has other bytes than were sent: part <n> of <id>/manifest.json -> try again; if it stays, do not trust this store or what lies between
      Create leaves uploads
      List leaves uploads
      Restore leaves uploads
      Verify leaves uploads
      Delete leaves uploads
    object: the answer is lost: create, list, restore, verify, delete
    object: the second is refused: list, restore, verify, delete
      Create: failed to upload <id>/manifest.json: http://<store> does not allow to write <id>/manifest.json -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
    object: each is lost after a good answer: list, restore, verify, delete
      Create: failed to upload <id>/manifest.json: store has no bytes of <id>/manifest.json <n> bytes sent -> try again; if it stays, do not trust this store or what lies between
    object: each is short after a good answer: list, restore, verify, delete
      Create: failed to upload <id>/manifest.json: connection to http://<store> broke while trying to read <id>/manifest.json -> check the network and the store, then try again
    object: somebody else writes: create, list, restore, verify, delete
    begin: refused: list, restore, verify, delete
      Create: failed to upload <id>/<object>: http://<store> does not allow to begin the upload of <id>/<object> -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
    ");
}

#[tokio::test]
async fn store_takes_no_checksum_no_condition_and_gives_no_tag() {
    let scene = Scene::new(100_000);
    insta::assert_snapshot!(walk(&scene, of_stores()).await, @r"
    tags without quotes: create, list, restore, verify, delete
    no tags: list, restore, verify, delete
      Create: failed to upload <id>/<object>: store gave no tag for part <n> of <id>/<object> -> try again; if it stays, look for a proxy that takes the header ETag away
    object lock: a checksum is demanded: create, list, restore, verify, delete
    object lock: an MD5 is demanded: create, list, restore, verify, delete
    no CRC32C (501): create, list, restore, verify, delete
    no CRC32C (400): create, list, restore, verify, delete
    no checksum of any kind (501): create, list, restore, verify, delete
    no checksum of any kind (400): create, list, restore, verify, delete
    no checksum of any kind, and an MD5 is demanded: create, list, restore, verify, delete
    no trailers: create, list, restore, verify, delete
    conditions are passed over: create, list, restore, verify, delete
    conditions are refused: create, list, restore, verify, delete
    ");
}
