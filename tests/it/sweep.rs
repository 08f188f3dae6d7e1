//! What killed runs leave in a bucket, and what of it is swept.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod world;

use std::time::Duration;

use bytes::Bytes;
use harness::s3::{Operation, Options, Quirk, Server};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use synapse_operator::backup::{BackupId, Catalogue, Holder, Lease, Swept, Task, Terms};
use synapse_operator::s3::{Bucket, PartPlan, Upload};

use crate::lease::bucket;

const ID: &str = "backup-20261121120405000678";
const OTHER: &str = "backup-20261122120405000678";
const MIB: usize = 1 << 20;

/// Long after all that a test does.
fn later() -> Timestamp {
    soon() + SignedDuration::from_mins(10)
}

fn soon() -> Timestamp {
    Timestamp::now()
}

/// A store, and the catalogue below a path of its bucket.
struct Shelf {
    server: Server,
    bucket: Bucket,
    catalogue: Catalogue,
}

impl Shelf {
    fn new(quirks: Vec<Quirk>) -> Self {
        let server = Server::start(Options {
            quirks,
            ..Options::default()
        })
        .unwrap();
        let bucket = at(&server, "prod");
        let catalogue = Catalogue::new(bucket.clone());
        Self {
            server,
            bucket,
            catalogue,
        }
    }

    async fn lay(&self, keys: &[&str]) {
        lay(&self.bucket, keys).await;
    }

    /// Lays a backup of the volumes of these keys.
    async fn commit(&self, id: &str, volumes: &[&str]) {
        let volume = |key: &&str| json!({"key": key, "size": 7, "key-packet": 46, "sha256": "0".repeat(64), "members": 1, "content": 1});
        let manifest = json!({
            "format": "synapse-operator-backup", "version": 1, "id": id, "started": later(), "finished": later(),
            "state": "finished", "server-name": "x.org", "charm-version": "0", "places": [], "components": {},
            "volumes": volumes.iter().map(volume).collect::<Vec<_>>(),
            "inventory": format!("{id}/inventory.json.gpg"), "size": 7, "members": 1, "content": 1,
        });
        let text = Bytes::from(manifest.to_string());
        self.bucket
            .put(&format!("{id}/manifest.json"), text)
            .await
            .unwrap();
        self.lay(volumes).await;
        self.catalogue
            .manifest(&BackupId::parse(id).unwrap())
            .await
            .unwrap();
    }

    /// Begins an upload and forgets it, as a process does that is killed.
    async fn abandon(&self, key: &str) {
        abandon(&self.bucket, key).await;
    }

    async fn keys(&self) -> Vec<String> {
        let page = self.bucket.list("").all(1000).await.unwrap();
        page.objects.into_iter().map(|object| object.key).collect()
    }

    async fn sweep(&self, now: Timestamp) -> Swept {
        self.catalogue.sweep(now).await.unwrap()
    }
}

fn at(server: &Server, path: &str) -> Bucket {
    let mut databag = server.relation_data();
    databag.insert("path".to_owned(), path.to_owned());
    bucket(&databag)
}

async fn lay(bucket: &Bucket, keys: &[&str]) {
    for key in keys {
        let seven = Bytes::from_static(b"1234567");
        bucket.put(key, seven).await.unwrap();
    }
}

async fn abandon(bucket: &Bucket, key: &str) {
    let plan = PartPlan::of_parts(PartPlan::SMALLEST);
    let mut upload = Upload::begin(bucket, key, plan, 1).await.unwrap();
    upload.write(&vec![7; 11 * MIB]).await.unwrap();
}

fn volume(id: &str, number: usize) -> String {
    format!("{id}/volume-{number:04}.tar.gpg")
}

#[tokio::test]
async fn what_a_killed_run_left_is_swept_when_it_is_old_and_not_before() {
    let shelf = Shelf::new(Vec::new());
    shelf
        .lay(&[&volume(ID, 1), &format!("{ID}/inventory.json.gpg")])
        .await;
    shelf.abandon(&volume(ID, 2)).await;
    assert_eq!(shelf.sweep(soon()).await, Swept::default());
    assert_eq!(shelf.server.open_uploads(), 1);
    let swept = Swept {
        uploads: 1,
        objects: 2,
        bytes: 14,
    };
    assert_eq!(shelf.sweep(later()).await, swept);
    assert_eq!(shelf.server.open_uploads(), 0);
    assert!(shelf.keys().await.is_empty(), "{:?}", shelf.keys().await);
    assert_eq!(shelf.sweep(later()).await, Swept::default());
}

#[tokio::test]
async fn stores_that_do_not_list_uploads_are_swept_by_the_notes_of_them() {
    for quirk in [Quirk::NoListUploads, Quirk::UploadsByKeyOnly] {
        let shelf = Shelf::new(vec![quirk.clone()]);
        shelf.abandon(&volume(ID, 1)).await;
        assert_eq!(shelf.sweep(soon()).await, Swept::default(), "{quirk:?}");
        assert_eq!(shelf.sweep(later()).await.uploads, 1, "{quirk:?}");
        assert_eq!(shelf.server.open_uploads(), 0, "{quirk:?}");
        assert!(shelf.keys().await.is_empty(), "the note is gone");
    }
}

#[tokio::test]
async fn what_is_not_ours_is_never_touched() {
    let shelf = Shelf::new(Vec::new());
    let foreign = [
        "notes.txt".to_owned(),
        "volume-0001.tar.gpg".to_owned(),
        format!("{ID}/notes.txt"),
        format!("{ID}/volume-1.tar.gpg"),
        format!("{ID}/x/volume-0001.tar.gpg"),
        format!("{ID}-copy/volume-0001.tar.gpg"),
        format!("x/{ID}/volume-0001.tar.gpg"),
        "backup-1/volume-0001.tar.gpg".to_owned(),
        "uploads/notes.json".to_owned(),
        format!("uploads/{}.json", "a".repeat(32)),
        "check-0123456789abcdef/probe".to_owned(),
        // An object of a backup's very name is a backup of the Python charm.
        OTHER.to_owned(),
    ];
    let foreign: Vec<&str> = foreign.iter().map(String::as_str).collect();
    shelf.lay(&foreign).await;
    let outside = at(&shelf.server, "");
    let sibling = [format!("prod2/{}", volume(ID, 1)), volume(ID, 1)];
    lay(&outside, &[&sibling[0], &sibling[1]]).await;
    for key in [&sibling[0], &sibling[1], &"prod/mine".to_owned()] {
        abandon(&outside, key).await;
    }
    let before = shelf.keys().await;
    assert_eq!(shelf.sweep(later()).await, Swept::default());
    assert_eq!(shelf.keys().await, before);
    assert_eq!(shelf.server.open_uploads(), 3);
    for key in &sibling {
        assert!(outside.stat(key).await.unwrap().is_some(), "{key}");
    }
}

#[tokio::test]
async fn a_failed_run_keeps_its_words_and_a_volume_that_is_referred_to_stays() {
    let shelf = Shelf::new(Vec::new());
    let (shared, own) = (volume(ID, 1), volume(ID, 2));
    let words = [format!("{ID}/failed.json"), format!("{ID}/run.log")];
    shelf.lay(&[&own, &words[0], &words[1]]).await;
    shelf.commit(OTHER, &[&shared, &volume(OTHER, 1)]).await;
    assert_eq!(shelf.sweep(later()).await.objects, 1);
    let mut left = vec![words[0].clone(), words[1].clone(), shared];
    left.extend([format!("{OTHER}/manifest.json"), volume(OTHER, 1)]);
    assert_eq!(shelf.keys().await, left);
}

#[tokio::test]
async fn nothing_is_deleted_while_a_manifest_cannot_be_read() {
    let shelf = Shelf::new(Vec::new());
    let manifest = format!("{OTHER}/manifest.json");
    shelf.lay(&[&volume(ID, 1), &manifest]).await;
    assert_eq!(shelf.sweep(later()).await, Swept::default());
    assert_eq!(shelf.keys().await, [volume(ID, 1), manifest]);
}

#[tokio::test]
async fn a_finished_backup_whose_manifest_is_not_listed_yet_stays() {
    let shelf = Shelf::new(vec![Quirk::LateLists(1000)]);
    shelf.commit(ID, &[&volume(ID, 1)]).await;
    shelf.server.become_of(Vec::new());
    // The listing shows the volume; the manifest is hidden by what a listing may show late.
    let manifest = format!("{ID}/manifest.json");
    let text = shelf.bucket.get(&manifest).await.unwrap();
    let text = text.collect(1 << 20).await.unwrap();
    let _ = shelf.bucket.delete(&[&manifest]).await.unwrap();
    shelf.server.become_of(vec![Quirk::LateLists(1000)]);
    shelf.bucket.put(&manifest, text.into()).await.unwrap();
    assert_eq!(shelf.keys().await, [volume(ID, 1)]);
    assert_eq!(shelf.sweep(later()).await, Swept::default());
    shelf.server.become_of(Vec::new());
    assert_eq!(shelf.keys().await.len(), 2);
}

#[tokio::test]
async fn what_somebody_is_at_work_on_stays_however_old_it_is() {
    let shelf = Shelf::new(Vec::new());
    shelf.lay(&[&volume(ID, 1), &volume(OTHER, 1)]).await;
    shelf.abandon(&volume(ID, 2)).await;
    let holder = Holder {
        unit: "synapse/1".to_owned(),
        model: "m".to_owned(),
        model_name: "m".to_owned(),
    };
    let task = Task {
        backup: Some(BackupId::parse(ID).unwrap()),
        ..Task::from("create-backup")
    };
    // It lasts for longer than all that is there is old.
    let terms = Terms {
        lasts: Duration::from_secs(3600),
        ..Terms::default()
    };
    let random = |bytes: &mut [u8]| {
        bytes.fill(7);
        Ok(())
    };
    let lease = Lease::take(&shelf.catalogue, holder, task, terms, random, soon)
        .await
        .unwrap();
    // By the store's own time, which the lease has, nothing is old yet.
    assert_eq!(shelf.sweep(later()).await, Swept::default());
    shelf
        .server
        .age(Duration::from_secs(600), "lease.json")
        .unwrap();
    let swept = shelf.sweep(later()).await;
    assert_eq!((swept.uploads, swept.objects), (0, 1));
    assert!(shelf.bucket.stat(&volume(ID, 1)).await.unwrap().is_some());
    assert_eq!(shelf.server.open_uploads(), 1);
    lease.release().await;
    assert!(shelf.server.calls(Operation::ListUploads) > 0);
}
