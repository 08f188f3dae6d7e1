//! Stores that list, delete and forget in a way of their own.

use harness::s3::{Effect, Fault, Operation, Quirk};

use super::{Rule, Scene, fault, fault_of, quirk, walk};

fn answer(status: u16, body: &str) -> Effect {
    Effect::Answer {
        status,
        headers: Vec::new(),
        body: body.to_owned(),
    }
}

fn in_listings() -> Vec<Rule> {
    let on = |effect| Fault::on(Operation::ListObjects, effect);
    let circle = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken></ListBucketResult>";
    vec![
        quirk("list: the second version is unknown", [Quirk::NoListV2]),
        quirk(
            "list: the second version is taken for the first",
            [Quirk::ListTypeIgnored, Quirk::SmallPages(2)],
        ),
        quirk("list: two keys a page", [Quirk::SmallPages(2)]),
        quirk("list: a new object is missing once", [Quirk::LateLists(1)]),
        quirk(
            "list: a new object is missing ten times",
            [Quirk::LateLists(10)],
        ),
        fault_of(
            "list: in circles",
            on(answer(200, circle)).after(1).always(),
        ),
        fault_of(
            "list: empty, always",
            on(answer(200, "<ListBucketResult/>")).always(),
        ),
        fault_of(
            "list: another document",
            on(answer(200, "<Other/>")).always(),
        ),
        fault_of(
            "list: a page of a proxy",
            on(answer(200, "<html>please log in</html>")).always(),
        ),
        fault_of("list: breaks off", on(Effect::Cut(100)).always()),
        fault_of("list: stands still", on(Effect::StallBody(100)).always()),
        fault_of(
            "list: refused",
            on(Effect::refuse(403, "AccessDenied")).always(),
        ),
    ]
}

fn in_deletions() -> Vec<Rule> {
    let on = |effect| Fault::on(Operation::DeleteObjects, effect);
    vec![
        quirk("delete: objects are kept", [Quirk::KeepsObjects]).leaving(),
        quirk("delete: not many at a time", [Quirk::NoDeleteMany]).leaving(),
        fault_of(
            "delete: refused",
            on(Effect::refuse(403, "AccessDenied")).always(),
        )
        .leaving(),
        fault_of("delete: done, and the answer is lost", on(Effect::Lose)),
        fault_of(
            "delete: done, and answered with 500",
            on(Effect::refuse_after(500, "InternalError")),
        ),
    ]
}

fn in_aborts() -> Vec<Rule> {
    let stopped = Fault::on(Operation::UploadPart, Effect::refuse(403, "AccessDenied")).always();
    let unaborted = |effect| Fault::on(Operation::AbortUpload, effect);
    vec![
        fault_of(
            "a run is stopped, and uploads cannot be listed",
            stopped.clone(),
        )
        .quirks([Quirk::NoListUploads]),
        fault_of(
            "a run is stopped, and uploads are listed by key only",
            stopped.clone(),
        )
        .quirks([Quirk::UploadsByKeyOnly]),
        fault_of(
            "a run is stopped, and the first abort does nothing",
            stopped.clone(),
        )
        .quirks([Quirk::AbortTwice]),
        fault_of(
            "a run is stopped, and the abort is busy once",
            stopped.clone(),
        )
        .and(unaborted(Effect::refuse(503, "SlowDown"))),
        fault_of(
            "a run is stopped, and the abort is lost once",
            stopped.clone(),
        )
        .and(unaborted(Effect::Lose)),
        fault_of("a run is stopped, and aborts are refused", stopped.clone())
            .and(unaborted(Effect::refuse(403, "AccessDenied")).always())
            .leaving(),
        fault(
            "abort: unknown to the store",
            Operation::AbortUpload,
            Effect::refuse(501, "NotImplemented"),
        )
        .and(stopped)
        .leaving(),
    ]
}

#[tokio::test]
async fn store_misbehaves_in_listings() {
    let scene = Scene::new(100_000);
    insta::assert_snapshot!(walk(&scene, in_listings()).await, @r"
    list: the second version is unknown: create, list, restore, verify, delete
    list: the second version is taken for the first: create, list, restore, verify, delete
    list: two keys a page: create, list, restore, verify, delete
    list: a new object is missing once: create, list, restore, verify, delete
    list: a new object is missing ten times: create, restore, verify, delete
      List: NOT LISTED
    list: in circles: create, list, restore, verify
      Delete: failed to list the backup: http://<store> did not answer as an S3 store to list the bucket (status 200) -> correct endpoint (scheme, host, port); it must be the store's S3 port
    list: empty, always: create, restore, verify, delete
      List: NOT LISTED
    list: another document: 
      Create: failed to reach the bucket: http://<store> did not answer as an S3 store to list the bucket (status 200) -> correct endpoint (scheme, host, port); it must be the store's S3 port
      List: failed to list the bucket: http://<store> did not answer as an S3 store to list the bucket (status 200) -> correct endpoint (scheme, host, port); it must be the store's S3 port
      Restore: failed to reach the bucket: http://<store> did not answer as an S3 store to list the bucket (status 200) -> correct endpoint (scheme, host, port); it must be the store's S3 port
      Verify: failed to reach the bucket: http://<store> did not answer as an S3 store to list the bucket (status 200) -> correct endpoint (scheme, host, port); it must be the store's S3 port
      Delete: failed to reach the bucket: http://<store> did not answer as an S3 store to list the bucket (status 200) -> correct endpoint (scheme, host, port); it must be the store's S3 port
    list: a page of a proxy: 
      Create: failed to reach the bucket: http://<store> did not answer as an S3 store to list the bucket (status 200) -> correct endpoint (scheme, host, port); it must be the store's S3 port
      List: failed to list the bucket: http://<store> did not answer as an S3 store to list the bucket (status 200) -> correct endpoint (scheme, host, port); it must be the store's S3 port
      Restore: failed to reach the bucket: http://<store> did not answer as an S3 store to list the bucket (status 200) -> correct endpoint (scheme, host, port); it must be the store's S3 port
      Verify: failed to reach the bucket: http://<store> did not answer as an S3 store to list the bucket (status 200) -> correct endpoint (scheme, host, port); it must be the store's S3 port
      Delete: failed to reach the bucket: http://<store> did not answer as an S3 store to list the bucket (status 200) -> correct endpoint (scheme, host, port); it must be the store's S3 port
    list: breaks off: 
      Create: failed to reach the bucket: connection to http://<store> broke while trying to list the bucket -> check the network and the store, then try again
      List: failed to list the bucket: connection to http://<store> broke while trying to list the bucket -> check the network and the store, then try again
      Restore: failed to reach the bucket: connection to http://<store> broke while trying to list the bucket -> check the network and the store, then try again
      Verify: failed to reach the bucket: connection to http://<store> broke while trying to list the bucket -> check the network and the store, then try again
      Delete: failed to reach the bucket: connection to http://<store> broke while trying to list the bucket -> check the network and the store, then try again
    list: stands still: 
      Create: failed to reach the bucket: http://<store> did not answer in time to list the bucket -> check that the store is well and that endpoint is the right one
      List: failed to list the bucket: http://<store> did not answer in time to list the bucket -> check that the store is well and that endpoint is the right one
      Restore: failed to reach the bucket: http://<store> did not answer in time to list the bucket -> check that the store is well and that endpoint is the right one
      Verify: failed to reach the bucket: http://<store> did not answer in time to list the bucket -> check that the store is well and that endpoint is the right one
      Delete: failed to reach the bucket: http://<store> did not answer in time to list the bucket -> check that the store is well and that endpoint is the right one
    list: refused: 
      Create: failed to reach the bucket: http://<store> does not allow to list the bucket -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      List: failed to list the bucket: http://<store> does not allow to list the bucket -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      Restore: failed to reach the bucket: http://<store> does not allow to list the bucket -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      Verify: failed to reach the bucket: http://<store> does not allow to list the bucket -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      Delete: failed to reach the bucket: http://<store> does not allow to list the bucket -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
    ");
}

#[tokio::test]
async fn store_misbehaves_when_something_is_to_go() {
    let scene = Scene::new(100_000);
    let rules = in_deletions().into_iter().chain(in_aborts()).collect();
    insta::assert_snapshot!(walk(&scene, rules).await, @r"
    delete: objects are kept: create, list, restore, verify
      Create leaves lease.json, uploads
      List leaves lease.json, uploads
      Restore leaves lease.json, uploads
      Verify leaves lease.json, uploads
      Delete: the store keeps <id>/manifest.json: AccessDenied
      Delete leaves lease.json, uploads
    delete: not many at a time: create, list, restore, verify, delete
    delete: refused: create, list, restore, verify
      Create leaves lease.json, uploads
      List leaves uploads
      Restore leaves lease.json, uploads
      Verify leaves lease.json, uploads
      Delete: failed to delete the backup: http://<store> does not allow to delete objects -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      Delete leaves lease.json, uploads
    delete: done, and the answer is lost: create, list, restore, verify, delete
    delete: done, and answered with 500: create, list, restore, verify, delete
    a run is stopped, and uploads cannot be listed: list, restore, verify, delete
      Create: failed to upload <id>/<object>: http://<store> does not allow to write part <n> of <id>/<object> -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
    a run is stopped, and uploads are listed by key only: list, restore, verify, delete
      Create: failed to upload <id>/<object>: http://<store> does not allow to write part <n> of <id>/<object> -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
    a run is stopped, and the first abort does nothing: list, restore, verify, delete
      Create: failed to upload <id>/<object>: http://<store> does not allow to write part <n> of <id>/<object> -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
    a run is stopped, and the abort is busy once: list, restore, verify, delete
      Create: failed to upload <id>/<object>: http://<store> does not allow to write part <n> of <id>/<object> -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
    a run is stopped, and the abort is lost once: list, restore, verify, delete
      Create: failed to upload <id>/<object>: http://<store> does not allow to write part <n> of <id>/<object> -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
    a run is stopped, and aborts are refused: list, restore, verify, delete
      Create: failed to upload <id>/<object>: http://<store> does not allow to write part <n> of <id>/<object> -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      Create leaves uploads, open uploads
      List leaves uploads, open uploads
      Restore leaves uploads, open uploads
      Verify leaves uploads, open uploads
      Delete leaves uploads, open uploads
    abort: unknown to the store: list, restore, verify, delete
      Create: failed to upload <id>/<object>: http://<store> does not allow to write part <n> of <id>/<object> -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      Create leaves uploads, open uploads
      List leaves uploads, open uploads
      Restore leaves uploads, open uploads
      Verify leaves uploads, open uploads
      Delete leaves uploads, open uploads
    ");
}
