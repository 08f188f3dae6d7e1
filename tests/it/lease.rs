//! The lease on the backups of a bucket and path, against stores that honour conditions and stores that do not.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod settling;

use std::cell::Cell;
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use harness::s3::{Effect, Fault, Operation, Options, Server, Versitygw};
use jiff::Timestamp;
use serde_json::Value;
use synapse_operator::backup::{BackupId, Catalogue, CatalogueError};
use synapse_operator::backup::{Holder, Lease, LeaseError, Monitor, Phase, Task, Terms};
use synapse_operator::s3::{Bucket, Limits, Params, Proxy};

const KEY: &str = "lease.json";
const TASK: &str = "create-backup";
/// How long a test waits for what should come soon.
const PATIENCE: Duration = Duration::from_secs(20);

thread_local! {
    /// The seconds that a test's clock shows; each test runs on a thread of its own.
    static SECONDS: Cell<i64> = const { Cell::new(1_795_262_640) };
}

fn now() -> Timestamp {
    Timestamp::from_second(SECONDS.get()).unwrap()
}

fn later(seconds: i64) {
    SECONDS.set(SECONDS.get() + seconds);
}

/// A store and the catalogue in it.
struct Scene {
    server: Server,
    bucket: Bucket,
    catalogue: Catalogue,
}

impl Scene {
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

    async fn take(&self, unit: &str) -> Result<Lease, LeaseError> {
        take(&self.catalogue, unit, Terms::default(), TASK).await
    }

    /// What lies in the bucket.
    async fn document(&self) -> Option<Value> {
        let object = self.bucket.get(KEY).await.ok()?;
        let text = object.collect(1 << 20).await.unwrap();
        Some(serde_json::from_slice(&text).unwrap())
    }

    async fn holder(&self) -> String {
        let document = self.document().await.unwrap();
        document["holder"].as_str().unwrap().to_owned()
    }

    /// Waits until the lease was written so many times more.
    async fn written(&self, times: usize) {
        let calls = || self.server.calls(Operation::PutObject);
        let enough = calls() + times;
        let waiting = async {
            while calls() < enough {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "the lease is not renewed");
    }
}

/// A bucket, as what an integrator writes names it.
pub(super) fn bucket(databag: &std::collections::BTreeMap<String, String>) -> Bucket {
    let limits = Limits {
        first_pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(20),
        ..Limits::default()
    };
    Bucket::open(&Params::parse(databag).unwrap(), &Proxy::default(), limits)
}

async fn take(
    catalogue: &Catalogue,
    unit: &str,
    terms: Terms,
    task: impl Into<Task>,
) -> Result<Lease, LeaseError> {
    static TOKENS: AtomicU64 = AtomicU64::new(0);
    let holder = Holder {
        unit: unit.to_owned(),
        model: "a-model".to_owned(),
        model_name: "prod".to_owned(),
    };
    let random = |bytes: &mut [u8]| {
        let token = TOKENS.fetch_add(1, Ordering::Relaxed);
        bytes[..8].copy_from_slice(&token.to_be_bytes());
        Ok(())
    };
    Lease::take(catalogue, holder, task, terms, random, now).await
}

fn quick() -> Terms {
    Terms {
        renewed_every: Duration::from_millis(20),
        settles: Duration::from_millis(200),
        ..Terms::default()
    }
}

/// The unit that works, if that is why the lease cannot be had.
fn busy(refused: Result<Lease, LeaseError>) -> String {
    match refused {
        Err(LeaseError::Busy { holder, .. }) => holder,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn lease_is_for_one_until_it_is_given_back() {
    let scene = Scene::new();
    let lease = scene.take("synapse/0").await.unwrap();
    later(60);
    match scene.take("synapse/1").await {
        Err(LeaseError::Busy {
            holder,
            task,
            since,
            expires,
        }) => {
            assert_eq!((&*holder, &*task), ("synapse/0", "create-backup"));
            assert_eq!(since.duration_until(now()).as_secs(), 60);
            assert_eq!(now().duration_until(expires).as_secs(), 60);
        }
        other => panic!("{other:?}"),
    }
    lease.release().await;
    assert_eq!(scene.document().await, None);
    scene.take("synapse/1").await.unwrap().release().await;
}

#[tokio::test]
async fn lease_that_is_not_renewed_ends_by_itself() {
    let scene = Scene::new();
    let killed = scene.take("synapse/0").await.unwrap();
    later(119);
    assert_eq!(busy(scene.take("synapse/1").await), "synapse/0");
    later(1);
    let lease = scene.take("synapse/1").await.unwrap();
    // Who comes back from the dead takes nothing away.
    killed.release().await;
    assert_eq!(scene.holder().await, "synapse/1");
    lease.release().await;
}

#[tokio::test]
async fn own_lease_of_a_killed_run_is_taken_over_at_once() {
    let scene = Scene::new();
    let killed = scene.take("synapse/0").await.unwrap();
    let lease = scene.take("synapse/0").await.unwrap();
    killed.release().await;
    assert_eq!(busy(scene.take("synapse/1").await), "synapse/0");
    lease.release().await;
    assert_eq!(scene.document().await, None);
}

#[tokio::test]
async fn lease_is_renewed_while_the_work_goes_on() {
    let scene = Scene::new();
    let mut lease = take(&scene.catalogue, "synapse/0", quick(), TASK)
        .await
        .unwrap();
    let outcome = lease
        .while_held(async {
            for _ in 0..3 {
                later(100);
                // The second of them began after the clock was set.
                scene.written(2).await;
                assert_eq!(busy(scene.take("synapse/1").await), "synapse/0");
            }
            "done"
        })
        .await;
    assert_eq!(outcome, "done");
    assert!(lease.lost().is_none());
    let document = scene.document().await.unwrap();
    assert_ne!(document["since"], document["renewed"]);
    lease.release().await;
    assert_eq!(scene.document().await, None);
}

#[tokio::test]
async fn renewed_lease_tells_how_far_the_work_has_come() {
    let scene = Scene::new();
    let (monitor, progress) = Monitor::new();
    let id = BackupId::at(now());
    let task = Task {
        name: "create-backup",
        backup: Some(id.clone()),
        progress: Some(progress),
    };
    let mut lease = take(&scene.catalogue, "synapse/0", quick(), task).await;
    let lease = lease.as_mut().unwrap();
    monitor.enter(Phase::Uploading, 1000);
    monitor.add(430);
    lease.while_held(scene.written(2)).await;
    let told = scene.catalogue.at_work(now()).await.unwrap().unwrap();
    assert_eq!(told.backup, Some(id));
    assert_eq!(
        (told.phase.as_deref(), told.percent),
        (Some("uploading"), Some(43))
    );
    assert_eq!((&*told.unit, &*told.task), ("synapse/0", "create-backup"));
    later(120);
    assert_eq!(scene.catalogue.at_work(now()).await.unwrap(), None);
}

#[tokio::test]
async fn store_that_is_away_for_a_while_costs_no_lease() {
    let scene = Scene::new();
    let mut lease = take(&scene.catalogue, "synapse/0", quick(), TASK)
        .await
        .unwrap();
    let refused = || Effect::refuse(403, "AccessDenied");
    scene
        .server
        .order(Fault::on(Operation::GetObject, refused()).times(3));
    scene
        .server
        .order(Fault::on(Operation::PutObject, refused()).times(3));
    lease.while_held(scene.written(6)).await;
    assert!(lease.lost().is_none());
    // Somebody tidied up by hand: the lease is written again.
    let _ = scene.bucket.delete(&[KEY]).await.unwrap();
    lease.while_held(scene.written(2)).await;
    assert_eq!(scene.holder().await, "synapse/0");
    lease.release().await;
}

#[tokio::test]
async fn lost_lease_is_told_and_the_work_goes_on() {
    let scene = Scene::new();
    let mut lease = take(&scene.catalogue, "synapse/0", quick(), TASK)
        .await
        .unwrap();
    // As if this process had stood still for as long as a lease lasts.
    later(120);
    let other = scene.take("synapse/1").await.unwrap();
    let told = tokio::time::timeout(PATIENCE, async {
        while lease.lost().is_none() {
            // Long enough for many renewals; the work is never broken off.
            let work = tokio::time::timeout(quick().renewed_every * 20, pending::<()>());
            assert!(lease.while_held(work).await.is_err());
        }
    });
    assert!(told.await.is_ok(), "nobody saw that the lease was lost");
    let lost = lease.lost().unwrap().to_string();
    assert_eq!(lost, "synapse/1 has taken the lease over (create-backup)");
    lease.release().await;
    assert_eq!(scene.holder().await, "synapse/1");
    other.release().await;
}

#[tokio::test]
async fn read_only_store_is_told_from_one_that_fails() {
    let scene = Scene::new();
    let order = |effect| {
        scene
            .server
            .order(Fault::on(Operation::PutObject, effect).always());
    };
    order(Effect::refuse(403, "AccessDenied"));
    let refused = scene.take("synapse/0").await.unwrap_err();
    assert!(matches!(refused, LeaseError::ReadOnly(_)), "{refused:?}");
    scene.server.clear_faults();
    order(Effect::refuse(405, "MethodNotAllowed"));
    let refused = scene.take("synapse/0").await.unwrap_err();
    assert!(matches!(refused, LeaseError::ReadOnly(_)), "{refused:?}");
    scene.server.clear_faults();
    order(Effect::refuse(507, "InsufficientStorage"));
    let refused = scene.take("synapse/0").await.unwrap_err();
    assert!(matches!(refused, LeaseError::Store { .. }), "{refused:?}");
    scene.server.clear_faults();

    // Who may only read is told all the same that somebody works.
    let lease = scene.take("synapse/1").await.unwrap();
    order(Effect::refuse(403, "AccessDenied"));
    assert_eq!(busy(scene.take("synapse/0").await), "synapse/1");
    scene.server.clear_faults();
    lease.release().await;
}

#[tokio::test]
async fn answer_that_was_lost_is_found_by_reading_again() {
    let scene = Scene::new();
    let lost = Effect::refuse_after(500, "InternalError");
    scene.server.order(Fault::on(Operation::PutObject, lost));
    let lease = scene.take("synapse/0").await.unwrap();
    // Two for the lease, and three that try what the store makes of conditions.
    assert_eq!(scene.server.calls(Operation::PutObject), 5);
    lease.release().await;
    assert_eq!(scene.document().await, None);
}

#[tokio::test]
async fn something_else_in_the_place_of_a_lease_is_overwritten() {
    let scene = Scene::new();
    for junk in [String::new(), "{}".to_owned(), "x".repeat(100_000)] {
        scene.bucket.put(KEY, junk.into()).await.unwrap();
        scene.take("synapse/0").await.unwrap().release().await;
    }
}

#[tokio::test]
async fn lease_is_no_backup_and_is_not_deleted_with_one() {
    let scene = Scene::new();
    let lease = scene.take("synapse/0").await.unwrap();
    assert_eq!(scene.catalogue.list(now()).await.unwrap().len(), 0);
    let id = BackupId::at(now());
    let deleted = scene.catalogue.delete(&id).await;
    assert!(matches!(deleted, Err(CatalogueError::Absent(_))));
    let objects = scene.bucket.list("").all(10).await.unwrap().objects;
    assert_eq!(objects.len(), 1);
    lease.release().await;
}

#[tokio::test]
async fn lease_works_on_a_store_that_others_wrote() {
    let store = Versitygw::start(None).unwrap();
    let catalogue = Catalogue::new(bucket(&store.relation_data()));
    let lease = take(&catalogue, "synapse/0", Terms::default(), TASK)
        .await
        .unwrap();
    let second = take(&catalogue, "synapse/1", Terms::default(), TASK).await;
    assert_eq!(busy(second), "synapse/0");
    later(120);
    let other = take(&catalogue, "synapse/1", Terms::default(), TASK)
        .await
        .unwrap();
    lease.release().await;
    let third = take(&catalogue, "synapse/2", Terms::default(), TASK).await;
    assert_eq!(busy(third), "synapse/1");
    other.release().await;
}
