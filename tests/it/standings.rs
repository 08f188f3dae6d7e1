//! How backups stand, told from what lies in a bucket; a story for each state, and some that somebody forged.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod proofs;
mod requests;

use harness::s3::{Effect, Fault, Operation, Options, Server};
use jiff::Timestamp;
use serde_json::{Value, json};
use synapse_operator::backup::{
    BackupId, Catalogue, CatalogueError, FailedRun, Holder, Lease, Listed, Standing, Task, Terms,
};
use synapse_operator::s3::Bucket;

use crate::lease::bucket;

const ID: &str = "backup-20261121120405000678";
const OTHER: &str = "backup-20261122120405000678";
const VOLUME: &str = "volume-0001.tar.gpg";

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn id(text: &str) -> BackupId {
    BackupId::parse(text).unwrap()
}

/// A store, and the catalogue in it.
struct Shelf {
    server: Server,
    bucket: Bucket,
    catalogue: Catalogue,
}

impl Shelf {
    fn new() -> Self {
        let server = Server::start(Options::default()).unwrap();
        let bucket = bucket(&server.relation_data());
        let catalogue = Catalogue::new(bucket.clone());
        Self {
            server,
            bucket,
            catalogue,
        }
    }

    async fn lay(&self, key: &str, text: impl AsRef<[u8]>) {
        let text = text.as_ref().to_vec();
        self.bucket.put(key, text.into()).await.unwrap();
    }

    /// Lays a backup of two volumes; gives the bytes of its manifest.
    async fn backup(&self, id: &str) -> String {
        for number in 1..=2 {
            self.lay(&format!("{id}/volume-000{number}.tar.gpg"), [7; 100])
                .await;
        }
        self.lay(&format!("{id}/inventory.json.gpg"), "sealed")
            .await;
        let manifest = manifest(id).to_string();
        self.lay(&format!("{id}/manifest.json"), &manifest).await;
        manifest
    }

    async fn list(&self) -> Vec<Listed> {
        self.catalogue.list(now()).await.unwrap()
    }

    /// How the only backup stands.
    async fn standing(&self) -> Standing {
        let [listed] = <[Listed; 1]>::try_from(self.list().await).unwrap();
        let examined = self.catalogue.examine(&listed.id, now()).await.unwrap();
        assert_eq!(examined.listed, listed, "a close look tells something else");
        listed.standing
    }

    async fn take(&self, about: &str) -> Lease {
        let holder = Holder {
            unit: "synapse/1".to_owned(),
            model: "a-model".to_owned(),
            model_name: "prod".to_owned(),
        };
        let task = Task {
            backup: Some(id(about)),
            ..Task::from("create-backup")
        };
        let random = |_: &mut [u8]| Ok(());
        Lease::take(&self.catalogue, holder, task, Terms::default(), random, now)
            .await
            .unwrap()
    }

    async fn keys(&self) -> Vec<String> {
        let page = self.bucket.list("").all(1000).await.unwrap();
        page.objects.into_iter().map(|object| object.key).collect()
    }
}

fn manifest(id: &str) -> Value {
    let volume = |number: u32| {
        json!({
            "key": format!("{id}/volume-000{number}.tar.gpg"),
            "size": 100,
            "key-packet": 48,
            "sha256": "00".repeat(32),
            "members": 1,
            "content": 30,
        })
    };
    json!({
        "format": "synapse-operator-backup",
        "version": 1,
        "id": id,
        "started": "2026-11-21T12:04:05.000678Z",
        "finished": "2026-11-21T12:04:09Z",
        "state": "finished",
        "server-name": "example.org",
        "charm-version": "0.1.0",
        "places": ["keys", "database", "media"],
        "components": {"database": {"members": 2, "content": 60}},
        "volumes": [volume(1), volume(2)],
        "inventory": format!("{id}/inventory.json.gpg"),
        "size": 200,
        "members": 2,
        "content": 60,
    })
}

fn damaged(what: &str) -> Standing {
    Standing::Damaged {
        what: what.to_owned(),
    }
}

fn failed_run() -> FailedRun {
    FailedRun {
        id: id(ID),
        started: "2026-11-21T12:04:05Z".parse().unwrap(),
        failed: "2026-11-21T12:05:00Z".parse().unwrap(),
        unit: "synapse/0".to_owned(),
        code: "store-failed".to_owned(),
        reason: "the store refused".to_owned(),
        more: serde_json::Map::new(),
    }
}

#[tokio::test]
async fn finished_backup_is_listed_with_its_time_and_size() {
    let shelf = Shelf::new();
    shelf.backup(ID).await;
    assert_eq!(shelf.standing().await, Standing::Finished);
    let [listed] = <[Listed; 1]>::try_from(shelf.list().await).unwrap();
    assert_eq!(listed.last, "2026-11-21T12:04:09Z".parse().ok());
    assert_eq!((listed.size, listed.proven), (200, None));
    let mut warned = manifest(ID);
    warned["state"] = "finished-with-warnings".into();
    shelf
        .lay(&format!("{ID}/manifest.json"), warned.to_string())
        .await;
    assert_eq!(shelf.standing().await, Standing::FinishedWithWarnings);
}

#[tokio::test]
async fn backup_is_in_progress_while_its_lease_lives_and_interrupted_afterwards() {
    let shelf = Shelf::new();
    let lease = shelf.take(ID).await;
    let Standing::InProgress(work) = shelf.standing().await else {
        panic!("nothing of it lies there yet, and somebody makes it");
    };
    assert_eq!((&*work.unit, work.since), ("synapse/1", now()));
    shelf.lay(&format!("{ID}/{VOLUME}"), "half").await;
    assert!(matches!(shelf.standing().await, Standing::InProgress(_)));
    // What lies beside it is not what is being made.
    shelf.lay(&format!("{OTHER}/{VOLUME}"), "half").await;
    let listed = shelf.list().await;
    assert_eq!(listed[1].standing, Standing::Interrupted);
    lease.release().await;
    let listed = shelf.list().await;
    assert!(
        listed
            .iter()
            .all(|one| one.standing == Standing::Interrupted)
    );
    assert_eq!((listed[0].size, listed.len()), (4, 2));
}

#[tokio::test]
async fn lease_that_has_ended_keeps_no_backup_in_progress() {
    let shelf = Shelf::new();
    shelf.lay(&format!("{ID}/{VOLUME}"), "half").await;
    // Killed: it is not given back.
    drop(shelf.take(ID).await);
    let later = now()
        .checked_add(std::time::Duration::from_secs(121))
        .unwrap();
    let listed = shelf.catalogue.list(later).await.unwrap();
    assert_eq!(listed[0].standing, Standing::Interrupted);
}

#[tokio::test]
async fn failed_run_says_why_and_what_it_logged() {
    let shelf = Shelf::new();
    let run = failed_run();
    shelf.catalogue.note_failure(&run, b"a log".to_vec()).await;
    assert_eq!(
        shelf.standing().await,
        Standing::Failed {
            reason: "the store refused".to_owned(),
            at: Some(run.failed),
        }
    );
    let examined = shelf.catalogue.examine(&id(ID), now()).await.unwrap();
    assert_eq!((examined.failure, examined.log), (Some(run), true));
    assert_eq!(
        shelf.keys().await,
        [format!("{ID}/failed.json"), format!("{ID}/run.log")]
    );
    let deleted = shelf.catalogue.delete(&id(ID)).await.unwrap();
    assert_eq!((deleted.objects, deleted.committed), (2, false));
    assert!(shelf.list().await.is_empty());
}

#[tokio::test]
async fn forged_failure_is_bounded_and_never_shown_as_it_is() {
    let shelf = Shelf::new();
    let unreadable = |shelf: &Standing| matches!(shelf, Standing::Failed { reason, at: None } if reason.contains("cannot be read"));
    let other = FailedRun {
        id: id(OTHER),
        ..failed_run()
    };
    let misplaced = json!({"format": "synapse-operator-failure", "version": 1, "id": other.id,
        "started": other.started, "failed": other.failed, "unit": "x", "code": "x", "reason": "x"});
    for text in [
        "{".to_owned(),
        "x".repeat(1 << 20),
        misplaced.to_string(),
        misplaced
            .to_string()
            .replace(OTHER, ID)
            .replace("\"version\":1", "\"version\":2"),
    ] {
        shelf.lay(&format!("{ID}/failed.json"), text).await;
        let standing = shelf.standing().await;
        assert!(unreadable(&standing), "{standing:?}");
    }
    let loud = FailedRun {
        reason: format!("\u{1b}[31m{}", "x".repeat(40_000)),
        ..failed_run()
    };
    shelf.catalogue.note_failure(&loud, Vec::new()).await;
    let Standing::Failed { reason, .. } = shelf.standing().await else {
        panic!("it failed");
    };
    assert!(!reason.contains('\u{1b}') && reason.len() < 3000);
}

#[tokio::test]
async fn what_is_missing_or_has_another_size_is_named() {
    let shelf = Shelf::new();
    let manifest = shelf.backup(ID).await;
    let key = |name: &str| format!("{ID}/{name}");

    shelf.lay(&key("volume-0002.tar.gpg"), [7; 99]).await;
    let wrong = damaged("volume-0002.tar.gpg has 99 bytes, and 100 when it was written");
    assert_eq!(shelf.standing().await, wrong);
    let gone = [key("volume-0002.tar.gpg")];
    let _ = shelf.bucket.delete(&gone).await.unwrap();
    assert_eq!(
        shelf.standing().await,
        damaged("volume-0002.tar.gpg is missing")
    );
    let gone = [key("inventory.json.gpg")];
    let _ = shelf.bucket.delete(&gone).await.unwrap();
    let both = "inventory.json.gpg is missing, and 1 more";
    assert_eq!(shelf.standing().await, damaged(both));

    for (text, what) in [
        (
            manifest[..1].to_owned(),
            "manifest of the backup cannot be read",
        ),
        (manifest.replace(ID, OTHER), "says that it belongs to"),
        (
            manifest.replace("\"version\":1", "\"version\":9"),
            "format version 9",
        ),
        (manifest.replace("-backup\"", "-else\""), "is of the kind"),
        (" ".repeat(2 << 20), "larger than"),
    ] {
        shelf.lay(&key("manifest.json"), text).await;
        let standing = shelf.standing().await;
        let Standing::Damaged { what: told } = &standing else {
            panic!("{standing:?}");
        };
        assert!(told.contains(what), "{told}");
    }
}

#[tokio::test]
async fn volume_may_lie_in_the_folder_of_another_backup() {
    let shelf = Shelf::new();
    shelf.backup(ID).await;
    let shared = manifest(ID).to_string().replace(ID, OTHER);
    let shared = shared.replace(&format!("{OTHER}/volume"), &format!("{ID}/volume"));
    shelf.lay(&format!("{OTHER}/inventory.json.gpg"), "x").await;
    shelf.lay(&format!("{OTHER}/manifest.json"), shared).await;
    let listed = shelf.list().await;
    assert!(listed.iter().all(|one| one.standing == Standing::Finished));
    let examined = shelf.catalogue.examine(&id(OTHER), now()).await.unwrap();
    assert_eq!(examined.listed.standing, Standing::Finished);
}

#[tokio::test]
async fn backup_that_was_finished_behind_the_back_of_a_listing_is_finished() {
    let shelf = Shelf::new();
    shelf.backup(ID).await;
    let early = format!(
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>{ID}/{VOLUME}</Key>\
         <Size>100</Size></Contents></ListBucketResult>"
    );
    let early = Effect::Answer {
        status: 200,
        headers: Vec::new(),
        body: early,
    };
    shelf.server.order(Fault::on(Operation::ListObjects, early));
    let [listed] = <[Listed; 1]>::try_from(shelf.list().await).unwrap();
    assert_eq!(listed.standing, Standing::Finished);
}

#[tokio::test]
async fn backup_of_the_python_charm_is_legacy() {
    let shelf = Shelf::new();
    shelf.lay(ID, "a flat object").await;
    assert_eq!(shelf.standing().await, Standing::Legacy);
    let [listed] = <[Listed; 1]>::try_from(shelf.list().await).unwrap();
    assert_eq!(listed.size, 13);
    assert!(listed.last.is_some());
    let deleted = shelf.catalogue.delete(&id(ID)).await.unwrap();
    assert_eq!((deleted.objects, deleted.committed), (1, true));
    assert!(shelf.keys().await.is_empty());
}

#[tokio::test]
async fn what_belongs_to_somebody_else_is_neither_listed_nor_touched() {
    let shelf = Shelf::new();
    let manifest = shelf.backup(ID).await;
    let mut foreign = vec![
        format!("{ID}-copy"),
        format!("{ID}-staging/manifest.json"),
        format!("{ID}/below/manifest.json"),
        format!("{ID}0"),
        "backup-/manifest.json".to_owned(),
        "backup-20261121120405/manifest.json".to_owned(),
        "notes/manifest.json".to_owned(),
        format!("x/{OTHER}"),
    ];
    for key in &foreign {
        shelf.lay(key, &manifest).await;
    }
    assert_eq!(shelf.standing().await, Standing::Finished);
    let deleted = shelf.catalogue.delete(&id(ID)).await.unwrap();
    assert_eq!(deleted.objects, 4);
    foreign.sort();
    assert_eq!(shelf.keys().await, foreign);
    assert!(shelf.list().await.is_empty());
    let again = shelf.catalogue.delete(&id(ID)).await;
    assert!(matches!(again, Err(CatalogueError::Absent(_))), "{again:?}");
}
