//! Backups that are pruned, and those that may not be: plan, deletion, protection, and a deletion that is killed.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use harness::demo::Story;
use harness::s3::{Effect, Fault, Operation, Server};
use harness::world::{Action, World};
use serde_json::Value;

const UNIT: &str = "synapse/0";

/// A server with a place for backups.
struct Scene {
    world: World,
}

impl Scene {
    fn new() -> Self {
        let world = World::new().unwrap();
        Story::inhabited(&world).unwrap();
        Self { world }
    }

    fn store(&self) -> &Server {
        self.world.store().server().unwrap()
    }

    fn act(&self, words: &[&str]) -> Value {
        self.world.act(UNIT, words).unwrap().success().unwrap()
    }

    fn dry(&self) -> Value {
        let words = ["prune-backups", "dry-run=true"];
        self.world
            .act_with_yaml(UNIT, &words)
            .unwrap()
            .success()
            .unwrap()
    }

    fn refused(&self, words: &[&str]) -> Action {
        self.world.act(UNIT, words).unwrap().failure().unwrap()
    }

    fn create(&self) -> String {
        self.act(&["create-backup"])["backup-id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn config(&self, option: &str) {
        let config = ["config", "synapse", option];
        self.world.juju(&config).unwrap().success().unwrap();
    }

    /// What becomes of each backup, as the plan says it.
    fn plan(answer: &Value) -> Vec<(String, String)> {
        let rows: Value = serde_json::from_str(answer["plan-json"].as_str().unwrap()).unwrap();
        let told = |row: &Value| {
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            (
                text("backup-id"),
                format!("{}: {}", text("fate"), text("why")),
            )
        };
        rows.as_array().unwrap().iter().map(told).collect()
    }

    /// Each backup that is listed, and how it stands.
    fn listed(&self) -> Vec<(String, String)> {
        let listed = self.act(&["list-backups"]);
        let rows: Value = serde_json::from_str(listed["backups-json"].as_str().unwrap()).unwrap();
        let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| (text(row, "backup-id"), text(row, "state")))
            .collect()
    }
}

fn pairs(pairs: &[(&String, &str)]) -> Vec<(String, String)> {
    let pair = |(id, text): &(&String, &str)| ((*id).clone(), (*text).to_owned());
    pairs.iter().map(pair).collect()
}

#[test]
fn what_no_rule_keeps_is_pruned_and_what_is_protected_stays() {
    let scene = Scene::new();
    let ids: Vec<String> = (0..4).map(|_| scene.create()).collect();
    let before = scene.world.store().objects().unwrap();

    let answer = scene.act(&["prune-backups"]);
    assert_eq!(answer["to-delete"], "0");
    let note = answer["note"].as_str().unwrap();
    assert!(note.contains("no policy is set"), "{note}");
    assert_eq!(scene.world.store().objects().unwrap(), before);

    let protect = [
        "protect-backup",
        &format!("backup-id={}", ids[0]),
        "reason=before the move",
    ];
    scene.act(&protect);
    scene.act(&["verify-backup", &format!("backup-id={}", ids[1])]);
    scene.config("backup_retention=last=1");
    let planned = pairs(&[
        (&ids[0], "keep: protected"),
        (&ids[1], "keep: the newest that was verified in full"),
        (&ids[2], "delete: no rule keeps it"),
        (&ids[3], "keep: the newest, last=1"),
    ]);
    let answer = scene.dry();
    assert_eq!(Scene::plan(&answer), planned);
    assert_eq!(
        (&answer["result"], &answer["to-delete"]),
        (&"ready".into(), &"1".into())
    );
    assert_eq!(scene.listed().len(), 4, "a dry run deletes nothing");

    let answer = scene.act(&["prune-backups"]);
    assert_eq!(Scene::plan(&answer), planned);
    assert_eq!(
        (&answer["result"], &answer["deleted"]),
        (&"correct".into(), &"1".into())
    );
    assert_eq!(answer["bytes-freed"], answer["bytes-to-free"]);
    let finished = "finished";
    let left = pairs(&[
        (&ids[0], finished),
        (&ids[1], finished),
        (&ids[3], finished),
    ]);
    assert_eq!(scene.listed(), left);
    let objects = scene.world.store().objects().unwrap();
    assert!(
        !objects.iter().any(|(key, _)| key.contains(&ids[2])),
        "{objects:?}"
    );
    assert_eq!(
        scene.act(&["prune-backups"])["deleted"],
        "0",
        "twice is once"
    );

    // Neither by name nor by age does a protected one go.
    let delete = ["delete-backup", &format!("backup-id={}", ids[0])];
    let refused = scene.refused(&delete);
    assert_eq!(refused.result("error-code"), "backup-protected");
    assert!(
        refused.message.contains("by synapse/0 (before the move)"),
        "{}",
        refused.message
    );
    scene.act(&["unprotect-backup", &format!("backup-id={}", ids[0])]);
    let answer = scene.act(&["prune-backups", "older-than=1s"]);
    assert_eq!(
        Scene::plan(&answer)[0],
        (
            ids[0].clone(),
            "delete: older than 1s (older-than)".to_owned()
        )
    );
    assert_eq!(scene.listed(), left[1..]);

    let shown = scene.act(&["show-backup", "backup-id=latest"]);
    assert_eq!(shown["backup-id"], ids[3].as_str());
    let deleted = scene.act(&["delete-backup", "backup-id=latest"]);
    assert_eq!(deleted["backup-id"], ids[3].as_str());
    scene.world.finish().unwrap();
}

#[test]
fn backup_is_found_by_what_was_said_of_it_and_goes_when_its_time_is_over() {
    let scene = Scene::new();
    let said = [
        "create-backup",
        "label=before the move",
        "tags=manual prod:eu",
        "expires-after=1s",
    ];
    let first = scene.act(&said)["backup-id"].as_str().unwrap().to_owned();
    let made = Instant::now();
    let over = || Ok(made.elapsed() > Duration::from_secs(1));
    scene.world.wait_until("its time to be over", over).unwrap();
    let second = scene.create();
    let found = |words: &[&str]| {
        let answer = scene.act(&[&["list-backups"], words].concat());
        let rows: Value = serde_json::from_str(answer["backups-json"].as_str().unwrap()).unwrap();
        let ids = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["backup-id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<String>>()
    };
    assert_eq!(found(&["tags=prod:eu,manual"]), [first.as_str()]);
    assert_eq!(found(&["filter=THE MOVE"]), [first.as_str()]);
    assert_eq!(found(&["order=newest"]), [second.as_str(), first.as_str()]);
    assert_eq!(found(&["state=failed"]), [""; 0]);
    let shown = scene.act(&["show-backup", &format!("backup-id={first}")]);
    assert_eq!(
        (&shown["label"], &shown["tags"]),
        (&"before the move".into(), &"manual prod:eu".into())
    );
    let table = scene.act(&["list-backups", "format=table"]);
    assert!(
        table["formatted"]
            .as_str()
            .unwrap()
            .contains("manual prod:eu")
            && table["backups-json"].is_null(),
        "{table}"
    );

    for (words, code) in [
        (["create-backup", "tags=a/b"], "parameter-invalid"),
        (["create-backup", "expires-after=soon"], "interval-invalid"),
        (["list-backups", "since=yesterday"], "parameter-invalid"),
    ] {
        assert_eq!(
            scene.refused(&words).result("error-code"),
            code,
            "{words:?}"
        );
    }
    let answer = scene.act(&["prune-backups"]);
    let (_, why) = &Scene::plan(&answer)[0];
    assert!(why.starts_with("delete: was to be kept until "), "{why}");
    assert_eq!(found(&[]), [second.as_str()]);
    scene.world.finish().unwrap();
}

#[test]
fn pruning_that_is_refused_or_killed_leaves_no_half_of_a_backup_listed() {
    let scene = Scene::new();
    let ids: Vec<String> = (0..3).map(|_| scene.create()).collect();

    for (words, code) in [
        (["prune-backups", "older-than=0D"], "interval-invalid"),
        (
            ["protect-backup", "backup-id=backup-20200101000000000000"],
            "backup-not-found",
        ),
        (
            ["unprotect-backup", "backup-id=backup-20200101000000000000"],
            "backup-not-found",
        ),
    ] {
        assert_eq!(
            scene.refused(&words).result("error-code"),
            code,
            "{words:?}"
        );
    }
    scene.config("backup_retention=nightly=3");
    let refused = scene.refused(&["prune-backups"]);
    assert_eq!(refused.result("error-code"), "option-invalid");
    let status = scene.world.status(UNIT).unwrap();
    assert!(
        status.starts_with("blocked: backup_retention: "),
        "{status}"
    );
    scene.config("backup_retention=last=1");

    // After the probe of the lease the store keeps the first manifest; the other backup is deleted all the same.
    let objects = scene.world.store().objects().unwrap();
    let manifest = |(key, _): &&(String, u64)| key.ends_with(&format!("{}/manifest.json", ids[0]));
    let (key, _) = objects.iter().find(manifest).unwrap();
    let lock = (
        "x-amz-object-lock-retain-until-date",
        "2037-01-01T00:00:00Z",
    );
    let lock = Effect::Header(lock.0, Some(lock.1));
    scene
        .store()
        .order(Fault::on(Operation::HeadObject, lock).always());
    let refuse = Effect::Answer {
        status: 200,
        headers: Vec::new(),
        body: format!(
            "<DeleteResult><Error><Key>{key}</Key><Code>AccessDenied</Code></Error></DeleteResult>"
        ),
    };
    scene
        .store()
        .order(Fault::on(Operation::DeleteObjects, refuse).after(1));
    let failed = scene.refused(&["prune-backups"]);
    assert!(
        failed
            .message
            .contains("1 of 2 backups could not be deleted"),
        "{}",
        failed.message
    );
    let lock = "AccessDenied, locked until 2037-01-01 00:00:00 UTC";
    assert!(failed.message.contains(lock), "{}", failed.message);
    scene.store().clear_faults();
    assert_eq!(failed.result("deleted"), "1");
    assert_eq!(scene.listed().len(), 2);

    // Killed when the manifest is gone and the rest is not.
    let still = Fault::on(Operation::DeleteObjects, Effect::Stall).after(2);
    scene.store().order(still.always());
    let struck = scene.store().struck();
    let task = scene.world.begin(UNIT, &["prune-backups"]).unwrap();
    let there = || Ok(scene.store().struck() > struck);
    scene
        .world
        .wait_until("the rest to be deleted", there)
        .unwrap();
    assert_eq!(scene.world.cancel(task).unwrap().status, "aborted");
    scene.store().clear_faults();
    let half = pairs(&[(&ids[0], "failed: interrupted"), (&ids[2], "finished")]);
    assert_eq!(scene.listed(), half);
    scene.act(&["delete-backup", &format!("backup-id={}", ids[0])]);
    assert_eq!(scene.listed(), half[1..]);
    scene.world.finish().unwrap();
}
