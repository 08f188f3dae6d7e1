//! Stores that give back what they hold in a way of their own.

use harness::s3::{Effect, Fault, Operation};

use super::{Rule, Scene, fault_of, walk};

fn rules() -> Vec<Rule> {
    let on = |effect| Fault::on(Operation::GetObject, effect);
    let head = |effect| Fault::on(Operation::HeadObject, effect);
    let html = Effect::Answer {
        status: 200,
        headers: vec![("content-type", "text/html".to_owned())],
        body: "<html>please log in</html>".to_owned(),
    };
    vec![
        fault_of("read: breaks off, twice", on(Effect::Cut(50)).times(2)),
        fault_of("read: breaks off, always", on(Effect::Cut(50)).always()),
        fault_of("read: stands still, once", on(Effect::StallBody(50))),
        fault_of(
            "read: stands still, always",
            on(Effect::StallBody(50)).always(),
        ),
        fault_of(
            "read: ranges are passed over",
            on(Effect::Whole(None)).always(),
        ),
        fault_of(
            "read: another range than asked for",
            on(Effect::Header("content-range", Some("bytes 1-2/3"))).always(),
        ),
        fault_of("read: another tag each time", on(Effect::WrongTag).after(2)),
        fault_of("read: no tag", on(Effect::Header("etag", None)).always()),
        fault_of(
            "read: refused",
            on(Effect::refuse(403, "AccessDenied")).always(),
        ),
        fault_of(
            "read: not there, always",
            on(Effect::refuse(404, "NoSuchKey")).always(),
        )
        .leaving(),
        fault_of(
            "read: in an archive",
            on(Effect::refuse(403, "InvalidObjectState")).always(),
        ),
        fault_of("read: a page to log in", on(html.clone()).always()).leaving(),
        fault_of(
            "look: refused",
            head(Effect::refuse(403, "AccessDenied")).always(),
        ),
        fault_of(
            "look: not there, always",
            head(Effect::refuse(404, "NotFound")).always(),
        ),
        fault_of(
            "look: unknown to the store",
            head(Effect::refuse(501, "NotImplemented")).always(),
        ),
    ]
}

#[tokio::test]
async fn store_misbehaves_when_an_object_is_read() {
    let scene = Scene::new(100_000);
    insta::assert_snapshot!(walk(&scene, rules()).await, @r#"
    read: breaks off, twice: create, list, restore, verify, delete
    read: breaks off, always: 
      Create: failed to read the lease: connection to http://<store> broke while trying to read lease.json -> check the network and the store, then try again
      List: failed to read the manifest: connection to http://<store> broke while trying to read <id>/manifest.json -> check the network and the store, then try again
      Restore: failed to read the lease: connection to http://<store> broke while trying to read lease.json -> check the network and the store, then try again
      Verify: failed to read the lease: connection to http://<store> broke while trying to read lease.json -> check the network and the store, then try again
      Delete: failed to read the lease: connection to http://<store> broke while trying to read lease.json -> check the network and the store, then try again
    read: stands still, once: create, list, restore, verify, delete
    read: stands still, always: 
      Create: failed to read the lease: http://<store> did not answer in time to read lease.json -> check that the store is well and that endpoint is the right one
      List: failed to read the manifest: http://<store> did not answer in time to read <id>/manifest.json -> check that the store is well and that endpoint is the right one
      Restore: failed to read the lease: http://<store> did not answer in time to read lease.json -> check that the store is well and that endpoint is the right one
      Verify: failed to read the lease: http://<store> did not answer in time to read lease.json -> check that the store is well and that endpoint is the right one
      Delete: failed to read the lease: http://<store> did not answer in time to read lease.json -> check that the store is well and that endpoint is the right one
    read: ranges are passed over: create, list, restore, verify, delete
    read: another range than asked for: create, list, delete
      Restore: failed to download <id>/<object>: store answered with bytes 1-2/3 of <id>/<object> where bytes=0-2 was asked for -> try again; if it stays, do not trust this store or what lies between
      Verify: failed to download <id>/<object>: store answered with bytes 1-2/3 of <id>/<object> where bytes=0-2 was asked for -> try again; if it stays, do not trust this store or what lies between
    read: another tag each time: create, list, restore, verify, delete
    read: no tag: create, list, restore, verify, delete
    read: refused: 
      Create: failed to read the lease: http://<store> does not allow to read lease.json -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      List: failed to read the manifest: http://<store> does not allow to read <id>/manifest.json -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      Restore: failed to read the lease: http://<store> does not allow to read lease.json -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      Verify: failed to read the lease: http://<store> does not allow to read lease.json -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      Delete: failed to read the lease: http://<store> does not allow to read lease.json -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
    read: not there, always: 
      Create: others take the lease in turns
      Create leaves lease.json
      List: LISTED as Damaged { what: "its manifest is listed and cannot be read" }
      Restore: others take the lease in turns
      Restore leaves lease.json
      Verify: others take the lease in turns
      Verify leaves lease.json
      Delete: others take the lease in turns
      Delete leaves lease.json
    read: in an archive: 
      Create: failed to read the lease: store refused to read lease.json: InvalidObjectState (403): ordered by the test -> bring the object back from the archive of the store, and set a storage class that can be read at once
      List: failed to read the manifest: store refused to read <id>/manifest.json: InvalidObjectState (403): ordered by the test -> bring the object back from the archive of the store, and set a storage class that can be read at once
      Restore: failed to read the lease: store refused to read lease.json: InvalidObjectState (403): ordered by the test -> bring the object back from the archive of the store, and set a storage class that can be read at once
      Verify: failed to read the lease: store refused to read lease.json: InvalidObjectState (403): ordered by the test -> bring the object back from the archive of the store, and set a storage class that can be read at once
      Delete: failed to read the lease: store refused to read lease.json: InvalidObjectState (403): ordered by the test -> bring the object back from the archive of the store, and set a storage class that can be read at once
    read: a page to log in: 
      Create: others take the lease in turns
      Create leaves lease.json
      List: LISTED as Damaged { what: "manifest of the backup cannot be read: expected value at line 1 column 1" }
      Restore: others take the lease in turns
      Restore leaves lease.json
      Verify: others take the lease in turns
      Verify leaves lease.json
      Delete: others take the lease in turns
      Delete leaves lease.json
    look: refused: list, restore
      Create: failed to upload <id>/<object>: http://<store> does not allow to look at <id>/<object> -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      Verify: failed to download <id>/<object>: http://<store> does not allow to look at <id>/<object> -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
      Delete: failed to list the backup: http://<store> does not allow to look at <id> -> allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key
    look: not there, always: list, restore, delete
      Create: failed to upload <id>/<object>: store has no bytes of <id>/<object> <n> bytes sent -> try again; if it stays, do not trust this store or what lies between
      Verify: <id>/<object> is missing in the bucket
    look: unknown to the store: list, restore
      Create: failed to upload <id>/<object>: store refused to look at <id>/<object>: no code (501) -> see the store's message and its log
      Verify: failed to download <id>/<object>: store refused to look at <id>/<object>: no code (501) -> see the store's message and its log
      Delete: failed to list the backup: store refused to look at <id>: no code (501) -> see the store's message and its log
    "#);
}
