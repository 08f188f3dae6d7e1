//! Stores and networks that break off, stand still or are busy, at each kind of call.

use harness::s3::{Effect, Fault};

use super::{ALL, Rule, Scene, everywhere, walk};

fn busy() -> Effect {
    Effect::Answer {
        status: 503,
        headers: vec![("retry-after", "1".to_owned())],
        body: "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>".to_owned(),
    }
}

fn once() -> Vec<Rule> {
    let first = |name, effect: Effect| everywhere(name, &ALL, |on| Fault::on(on, effect.clone()));
    vec![
        first("each call: busy once, come back in 1 s", busy()),
        first("each call: busy once", Effect::refuse(503, "SlowDown")),
        first("each call: 500 once", Effect::refuse(500, "InternalError")),
        first("each call: reset once", Effect::Drop),
        // An upload whose beginning was confirmed in vain has a name that nobody knows; the sweep finds it.
        first("each call: answer lost once", Effect::Lose).leaving(),
        // The first question of all has to be answered within three seconds, or the setting counts as wrong.
        everywhere("each call but a listing: silent once", &ALL[1..], |on| {
            Fault::on(on, Effect::Stall)
        }),
        first(
            "each call: a bad gateway once",
            Effect::Answer {
                status: 502,
                headers: vec![("content-type", "text/html".to_owned())],
                body: "<html><h1>502 Bad Gateway</h1></html>".to_owned(),
            },
        ),
    ]
}

fn always() -> Vec<Rule> {
    let mut rules = Vec::new();
    for on in ALL {
        for (what, effect) in [
            ("reset", Effect::Drop),
            ("busy", Effect::refuse(503, "SlowDown")),
        ] {
            let name = format!("{on:?}: {what}, always");
            rules.push(
                everywhere(name, &[on], |on| Fault::on(on, effect.clone()).always()).leaving(),
            );
        }
    }
    rules
}

#[tokio::test]
async fn each_kind_of_call_fails_once() {
    let scene = Scene::new(100_000);
    insta::assert_snapshot!(walk(&scene, once()).await, @r"
    each call: busy once, come back in 1 s: create, list, restore, verify, delete
    each call: busy once: create, list, restore, verify, delete
    each call: 500 once: create, list, restore, verify, delete
    each call: reset once: create, list, restore, verify, delete
    each call: answer lost once: create, list, restore, verify, delete
      Create leaves open uploads
      List leaves open uploads
      Restore leaves open uploads
      Verify leaves open uploads
      Delete leaves open uploads
    each call but a listing: silent once: create, list, restore, verify, delete
    each call: a bad gateway once: create, list, restore, verify, delete
    ");
}

#[tokio::test]
async fn one_kind_of_call_never_succeeds() {
    let scene = Scene::new(100_000);
    insta::assert_snapshot!(walk(&scene, always()).await, @r"
    ListObjects: reset, always: 
      Create: failed to reach the bucket: connection to http://<store> broke while trying to list the bucket -> check the network and the store, then try again
      List: failed to list the bucket: connection to http://<store> broke while trying to list the bucket -> check the network and the store, then try again
      Restore: failed to reach the bucket: connection to http://<store> broke while trying to list the bucket -> check the network and the store, then try again
      Verify: failed to reach the bucket: connection to http://<store> broke while trying to list the bucket -> check the network and the store, then try again
      Delete: failed to reach the bucket: connection to http://<store> broke while trying to list the bucket -> check the network and the store, then try again
    ListObjects: busy, always: 
      Create: failed to reach the bucket: store refused to list the bucket: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
      List: failed to list the bucket: store refused to list the bucket: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
      Restore: failed to reach the bucket: store refused to list the bucket: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
      Verify: failed to reach the bucket: store refused to list the bucket: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
      Delete: failed to reach the bucket: store refused to list the bucket: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
    GetObject: reset, always: 
      Create: failed to read the lease: connection to http://<store> broke while trying to read lease.json -> check the network and the store, then try again
      List: failed to read the manifest: connection to http://<store> broke while trying to read <id>/manifest.json -> check the network and the store, then try again
      Restore: failed to read the lease: connection to http://<store> broke while trying to read lease.json -> check the network and the store, then try again
      Verify: failed to read the lease: connection to http://<store> broke while trying to read lease.json -> check the network and the store, then try again
      Delete: failed to read the lease: connection to http://<store> broke while trying to read lease.json -> check the network and the store, then try again
    GetObject: busy, always: 
      Create: failed to read the lease: store refused to read lease.json: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
      List: failed to read the manifest: store refused to read <id>/manifest.json: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
      Restore: failed to read the lease: store refused to read lease.json: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
      Verify: failed to read the lease: store refused to read lease.json: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
      Delete: failed to read the lease: store refused to read lease.json: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
    HeadObject: reset, always: list, restore
      Create: failed to upload <id>/<object>: connection to http://<store> broke while trying to look at <id>/<object> -> check the network and the store, then try again
      Verify: failed to download <id>/<object>: connection to http://<store> broke while trying to look at <id>/<object> -> check the network and the store, then try again
      Delete: failed to list the backup: connection to http://<store> broke while trying to look at <id> -> check the network and the store, then try again
    HeadObject: busy, always: list, restore
      Create: failed to upload <id>/<object>: store refused to look at <id>/<object>: no code (503) -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
      Verify: failed to download <id>/<object>: store refused to look at <id>/<object>: no code (503) -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
      Delete: failed to list the backup: store refused to look at <id>: no code (503) -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
    PutObject: reset, always: list
      Create: failed to write the lease: connection to http://<store> broke while trying to write lease.json -> check the network and the store, then try again
      Restore: failed to write the lease: connection to http://<store> broke while trying to write lease.json -> check the network and the store, then try again
      Verify: failed to write the lease: connection to http://<store> broke while trying to write lease.json -> check the network and the store, then try again
      Delete: failed to write the lease: connection to http://<store> broke while trying to write lease.json -> check the network and the store, then try again
    PutObject: busy, always: list
      Create: failed to write the lease: store refused to write lease.json: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
      Restore: failed to write the lease: store refused to write lease.json: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
      Verify: failed to write the lease: store refused to write lease.json: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
      Delete: failed to write the lease: store refused to write lease.json: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
    CreateUpload: reset, always: list, restore, verify, delete
      Create: failed to upload <id>/<object>: connection to http://<store> broke while trying to begin the upload of <id>/<object> -> check the network and the store, then try again
    CreateUpload: busy, always: list, restore, verify, delete
      Create: failed to upload <id>/<object>: store refused to begin the upload of <id>/<object>: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
    UploadPart: reset, always: list, restore, verify, delete
      Create: failed to upload <id>/<object>: connection to http://<store> broke while trying to write part <n> of <id>/<object> -> check the network and the store, then try again
    UploadPart: busy, always: list, restore, verify, delete
      Create: failed to upload <id>/<object>: store refused to write part <n> of <id>/<object>: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
    CompleteUpload: reset, always: list, restore, verify, delete
      Create: failed to upload <id>/<object>: connection to http://<store> broke while trying to complete the upload of <id>/<object> -> check the network and the store, then try again
    CompleteUpload: busy, always: list, restore, verify, delete
      Create: failed to upload <id>/<object>: store refused to complete the upload of <id>/<object>: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
    AbortUpload: reset, always: create, list, restore, verify, delete
    AbortUpload: busy, always: create, list, restore, verify, delete
    DeleteObjects: reset, always: create, list, restore, verify
      Create leaves lease.json, uploads
      List leaves uploads
      Restore leaves lease.json, uploads
      Verify leaves lease.json, uploads
      Delete: failed to delete the backup: connection to http://<store> broke while trying to delete objects -> check the network and the store, then try again
      Delete leaves lease.json, uploads
    DeleteObjects: busy, always: create, list, restore, verify
      Create leaves lease.json, uploads
      List leaves uploads
      Restore leaves lease.json, uploads
      Verify leaves lease.json, uploads
      Delete: failed to delete the backup: store refused to delete objects: SlowDown (503): ordered by the test -> the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays
      Delete leaves lease.json, uploads
    ");
}
