//! Two units that both work on the backups: one is told who does, and since when.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::time::Duration;

use harness::demo::Story;
use harness::s3::{Effect, Fault, Operation};
use harness::world::World;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::lease::bucket;

const FIRST: &str = "synapse/0";
const SECOND: &str = "synapse/1";
/// How long one small object may take.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn second_unit_is_told_who_works_and_the_lease_of_the_dead_ends_by_itself() {
    let world = World::new().unwrap();
    let story = Story::new(&world, |_| ());
    story.deploy().unwrap();
    story.connect().unwrap();
    let juju = |words: &[&str]| world.juju(words).unwrap().success().unwrap();
    juju(&["add-unit", "synapse"]);
    world.wait_for_status(SECOND, "active", "").unwrap();
    let backup = |unit| world.act(unit, &["create-backup"]).unwrap();
    let created = backup(FIRST).success().unwrap();
    let id = format!("backup-id={}", created["backup-id"].as_str().unwrap());

    // The first unit is at work when its node is lost, and the other becomes the leader.
    let store = world.store().server().unwrap();
    store.order(Fault::on(Operation::UploadPart, Effect::Stall).always());
    let before = store.calls(Operation::UploadPart);
    let task = world.begin(FIRST, &["create-backup"]).unwrap();
    let there = || Ok(store.calls(Operation::UploadPart) > before);
    world
        .wait_until("the upload to stand still", there)
        .unwrap();
    let killed = world.cancel(task).unwrap();
    assert_eq!(killed.status, "aborted");
    store.clear_faults();
    juju(&["lever", "lead", SECOND]);

    for words in [
        &["create-backup"][..],
        &["restore-backup", &id, "force=other-units"],
        &["delete-backup", &id],
    ] {
        let refused = world.act(SECOND, words).unwrap().failure().unwrap();
        assert_eq!(refused.result("error-code"), "backup-busy", "{refused:?}");
        for told in [
            "synapse/0 is at work",
            "create-backup, since ",
            "ends by itself at ",
        ] {
            assert!(refused.message.contains(told), "{}", refused.message);
        }
    }
    let listed = world.act(SECOND, &["list-backups"]).unwrap();
    let listed = listed.success().unwrap();
    assert_eq!(listed["count"], "2");
    let table = listed["formatted"].as_str().unwrap();
    assert!(table.contains("| in progress (synapse/0 since "), "{table}");

    // Its time is over: nobody has to remove it.
    let lease = world.store().bucket().join("demo.example/lease.json");
    let mut document: Value = serde_json::from_slice(&fs::read(&lease).unwrap()).unwrap();
    document["expires"] = "2026-01-01T00:00:00Z".into();
    let mut relation = store.relation_data();
    relation.insert("path".to_owned(), "demo.example".to_owned());
    let ended = document.to_string().into();
    let runtime = Runtime::new().unwrap();
    let bucket = bucket(&relation);
    let written = bucket.put("lease.json", ended);
    runtime.block_on(async { timeout(SOON, written).await.unwrap().unwrap() });
    backup(SECOND).success().unwrap();
    assert!(!lease.exists(), "the lease was not given back");
    world.finish().unwrap();
}
