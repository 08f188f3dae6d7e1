//! Backups that are another server's: they are read and restored, and nothing is added to them or taken away.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use harness::demo::Story;
use harness::world::World;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::lease::bucket;

const UNIT: &str = "synapse/0";
/// How long one small object may take.
const SOON: Duration = Duration::from_secs(20);
const THEIRS: &str = "demo.example (synapse in model prod)";

/// Writes the document of an owner.
fn owner(world: &World, text: &str) {
    let mut relation = world.store().server().unwrap().relation_data();
    relation.insert("path".to_owned(), "demo.example".to_owned());
    let bucket = bucket(&relation);
    let written = bucket.put("owner.json", text.to_owned().into());
    Runtime::new()
        .unwrap()
        .block_on(async { timeout(SOON, written).await.unwrap().unwrap() });
}

#[test]
fn backups_of_another_server_are_restored_and_not_written_to_unless_forced() {
    let world = World::new().unwrap();
    let story = Story::new(&world, |_| ());
    story.deploy().unwrap();
    story.connect().unwrap();
    let act = |words: &[&str]| world.act(UNIT, words).unwrap();
    let created = act(&["create-backup"]).success().unwrap();
    let id = format!("backup-id={}", created["backup-id"].as_str().unwrap());
    let path = world.store().bucket().join("demo.example/owner.json");
    let document = || serde_json::from_slice::<Value>(&std::fs::read(&path).unwrap()).unwrap();
    let mine = document();
    assert_eq!(mine["server-name"], "demo.example");
    assert_eq!(mine["application"], "synapse");

    // The model whose clone this one is.
    let mut theirs = mine.clone();
    theirs["model"] = json!("7c54ae69-7c0b-4e8b-8c9c-0e0e7a4c2f11");
    theirs["model-name"] = json!("prod");
    owner(&world, &theirs.to_string());
    let before = world.store().objects().unwrap();
    for words in [
        &["create-backup"][..],
        &["delete-backup", &id],
        &["rotate-passphrase"],
    ] {
        let refused = act(words).failure().unwrap();
        assert_eq!(refused.result("error-code"), "not-owner", "{refused:?}");
        let told = format!("The backups in this bucket and path belong to {THEIRS}.");
        assert!(refused.message.contains(&told), "{}", refused.message);
        assert!(
            refused.message.contains("force=owner once"),
            "{}",
            refused.message
        );
    }
    let verified = act(&["verify-backup", &id]).success().unwrap();
    let note = verified["note"].as_str().unwrap();
    assert!(
        note.contains("could not be kept beside the backup"),
        "{note}"
    );
    assert_eq!(world.store().objects().unwrap(), before);
    assert_eq!(act(&["list-backups"]).success().unwrap()["owner"], THEIRS);
    let _ = act(&["restore-backup", &id]).success().unwrap();
    let status = format!("path belongs to {THEIRS}");
    world.wait_for_status(UNIT, "active", &status).unwrap();

    // That server is gone for good.
    let wrong = act(&["create-backup", "force=server-name"])
        .failure()
        .unwrap();
    assert_eq!(wrong.result("error-code"), "force-invalid");
    let _ = act(&["create-backup", "force=owner"]).success().unwrap();
    assert_eq!(document()["model"], mine["model"]);
    let _ = act(&["create-backup"]).success().unwrap();

    // What says nothing is nobody's word; and where nothing is said, the newest backup says it.
    owner(&world, "{}");
    let refused = act(&["delete-backup", &id]).failure().unwrap();
    assert_eq!(refused.result("error-code"), "not-owner", "{refused:?}");
    std::fs::remove_file(&path).unwrap();
    let _ = act(&["delete-backup", &id]).success().unwrap();
    let _ = act(&["create-backup"]).success().unwrap();
    assert_eq!(document()["model"], mine["model"]);
    world.finish().unwrap();
}
