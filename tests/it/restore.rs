//! What an operator does with a restore: look before it, make it, go back, go forth again, let go.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use harness::demo::Story;
use harness::matrix::{Diary, Homeserver, picture};
use harness::world::World;
use serde_json::Value;

const UNIT: &str = "synapse/0";

/// A server with a user who wrote before its backup and after it.
struct Scene {
    world: World,
    homeserver: Homeserver,
    /// As it was when the backup was made.
    saved: Diary,
    /// With what came later.
    later: Diary,
    id: String,
}

impl Scene {
    fn new() -> Self {
        let world = World::new().unwrap();
        let (homeserver, mut diary) = Story::inhabited(&world).unwrap();
        diary.open_room("Travel").unwrap();
        diary.post("before.png", &picture(1)).unwrap();
        let saved = diary.clone();
        let created = world.act(UNIT, &["create-backup"]).unwrap();
        let created = created.success().unwrap();
        let id = created["backup-id"].as_str().unwrap().to_owned();
        diary.post("after.png", &picture(2)).unwrap();
        Self {
            world,
            homeserver,
            saved,
            later: diary,
            id,
        }
    }

    fn restore(&self, more: &[&str]) -> harness::world::Action {
        let backup = format!("backup-id={}", self.id);
        let words = [&["restore-backup", &backup], more].concat();
        self.world.act_with_yaml(UNIT, &words).unwrap()
    }

    fn act(&self, action: &str) -> Value {
        self.world.act(UNIT, &[action]).unwrap().success().unwrap()
    }

    /// Only what was saved is there.
    fn is_saved(&self) {
        self.saved.check(&self.homeserver).unwrap();
        assert!(self.later.check(&self.homeserver).is_err());
    }

    fn is_later(&self) {
        self.later.check(&self.homeserver).unwrap();
    }

    fn status(&self) -> String {
        self.world.status(UNIT).unwrap()
    }

    /// The status says this, or, on a machine whose disk is nearly full, what to do about that.
    fn tells(&self, beginning: &str) {
        let status = self.status();
        let told = ["low space: ", beginning].iter().any(|text| {
            let status = status.strip_prefix("active: ");
            status.is_some_and(|status| status.starts_with(text))
        });
        assert!(told, "{status}");
    }

    fn data(&self, name: &str) -> PathBuf {
        self.world.data(UNIT).unwrap().join(name)
    }

    /// How many replaced trees are kept.
    fn kept(&self) -> usize {
        let previous = self.data(".synapse-operator/previous");
        fs::read_dir(previous).map_or(0, Iterator::count)
    }

    /// The data is gone, the container with it, and a blank server of this name comes up.
    fn lose_everything(&self, server_name: &str) {
        let disaster = "find /data -mindepth 1 -delete; kill 1";
        let before = self.world.pod(UNIT).unwrap().workload().unwrap();
        self.juju(&["ssh", "--container", "synapse", UNIT, disaster]);
        assert!(before.wait(Duration::from_secs(60)).unwrap());
        self.juju(&["config", "synapse", &format!("server_name={server_name}")]);
        self.world.wait_for_status(UNIT, "active", "").unwrap();
    }

    fn juju(&self, words: &[&str]) {
        self.world.juju(words).unwrap().success().unwrap();
    }
}

#[test]
fn restore_is_undone_and_redone_until_it_is_confirmed() {
    let scene = Scene::new();
    fs::write(scene.data("notes.txt"), "the administrator's").unwrap();

    let restored = scene.restore(&[]).success().unwrap();
    assert_eq!(restored["result"], "correct");
    assert_eq!(restored["server-name"], "demo.example");
    let left = restored["left-alone"].as_str().unwrap();
    assert!(left.contains("notes.txt"), "{left}");
    scene.is_saved();
    scene.tells(&format!("restored {}, undo possible until ", scene.id));

    scene.act("rollback-restore");
    scene.is_later();
    scene.tells(&format!(
        "restore of {} undone, redo possible until ",
        scene.id
    ));
    scene.act("rollback-restore");
    scene.is_saved();
    assert_eq!(scene.kept(), 1);

    // What a further restore replaces becomes the way back; the older one goes, and that is said.
    let again = scene.restore(&[]).success().unwrap();
    assert!(
        again["note"].as_str().unwrap().contains("was freed"),
        "{again}"
    );
    assert_eq!(scene.kept(), 1);

    let confirmed = scene.act("confirm-restore");
    assert_ne!(confirmed["freed"], "0");
    assert_eq!((scene.kept(), scene.status()), (0, "active".to_owned()));
    for action in ["confirm-restore", "rollback-restore"] {
        let refused = scene.world.act(UNIT, &[action]).unwrap().failure().unwrap();
        assert_eq!(refused.result("error-code"), "nothing-kept");
    }
    scene.is_saved();
    let notes = fs::read_to_string(scene.data("notes.txt")).unwrap();
    assert_eq!(
        notes, "the administrator's",
        "what is not Synapse's was touched"
    );
    scene.world.finish().unwrap();
}

#[test]
fn dry_run_tells_everything_at_once_and_only_what_may_be_is_overridden() {
    let scene = Scene::new();
    let plan = scene.restore(&["dry-run=true"]).success().unwrap();
    assert_eq!(plan["result"], "ready");
    let text = plan["plan"].as_str().unwrap();
    for expected in [
        &scene.id,
        "the same schema",
        "homeserver.db",
        "in the way  nothing",
    ] {
        assert!(text.contains(expected), "{text}");
    }

    // Another server, with another unit, and a volume of the backup that was cut short: one answer names all three.
    scene.lose_everything("other.example");
    scene.juju(&["add-unit", "synapse"]);
    let bucket = scene.world.store().bucket().join("demo.example");
    let volume = bucket.join(&scene.id).join("volume-0001.tar.gpg");
    let whole = fs::read(&volume).unwrap();
    fs::write(&volume, &whole[..whole.len() - 1]).unwrap();
    let synapse = scene.world.synapse(UNIT).unwrap();
    for words in [&["dry-run=true"][..], &[]] {
        let refused = scene.restore(words).failure().unwrap();
        for finding in [
            "is of the server demo.example, and this is other.example",
            "ther units have data of their own: synapse/1",
            "volume-0001.tar.gpg has",
            "force=server-name",
            "force=other-units",
        ] {
            assert!(refused.message.contains(finding), "{}", refused.message);
        }
        let leads = refused.message.matches("Error Restoring Backup.").count();
        assert_eq!(leads, 1, "{}", refused.message);
    }
    let all = "force=server-name,other-units";
    let refused = scene.restore(&[all]).failure().unwrap();
    assert_eq!(refused.result("error-code"), "volume-size", "{refused:?}");
    for force in ["force=volume-size", "force=everything"] {
        let refused = scene.restore(&[force]).failure().unwrap();
        assert_eq!(refused.result("error-code"), "force-invalid", "{refused:?}");
    }
    assert_eq!(scene.world.synapse(UNIT).unwrap(), synapse);
    assert_eq!(scene.kept(), 0);

    fs::write(&volume, whole).unwrap();
    let forced = scene.restore(&[all]).success().unwrap();
    let overridden = forced["overridden"].as_str().unwrap();
    assert!(overridden.contains("server-name: "), "{overridden}");
    assert!(overridden.contains("other-units: "), "{overridden}");
    scene.is_saved();
    let told = "blocked: server_name cannot change: juju config synapse server_name=demo.example";
    assert_eq!(scene.status(), told);
    scene.world.finish().unwrap();
}

#[test]
fn server_that_lost_everything_publishes_the_key_that_it_signed_with_meanwhile() {
    let scene = Scene::new();
    scene.lose_everything("demo.example");
    let key = fs::read_to_string(scene.data("demo.example.signing.key")).unwrap();
    let name = format!("ed25519:{}", key.split(' ').nth(1).unwrap());
    let restored = scene.restore(&[]).success().unwrap();
    let fix_ups = restored["fix-ups"].as_str().unwrap();
    assert!(
        fix_ups.contains(&format!("signing key {name} was in use before")),
        "{fix_ups}"
    );
    scene.is_saved();
    let configuration = || fs::read_to_string(scene.data("homeserver.yaml")).unwrap();
    assert!(
        configuration().contains(&format!("{name}:")),
        "{}",
        configuration()
    );
    // It outlives a hook that writes the configuration anew.
    scene.juju(&["config", "synapse", "report_stats=true"]);
    assert!(configuration().contains("report_stats: true"));
    assert!(
        configuration().contains(&format!("{name}:")),
        "{}",
        configuration()
    );
    // And a further backup and its restore.
    let created = scene.act("create-backup");
    let backup = format!("backup-id={}", created["backup-id"].as_str().unwrap());
    let restored = scene.world.act(UNIT, &["restore-backup", &backup]).unwrap();
    restored.success().unwrap();
    assert!(
        configuration().contains(&format!("{name}:")),
        "{}",
        configuration()
    );
    scene.world.finish().unwrap();
}

#[test]
fn restored_data_that_synapse_cannot_start_on_is_taken_back_by_itself() {
    let scene = Scene::new();
    // A database in which Synapse finds no users: sound, of the right schema, and of no use.
    let break_it = "import sqlite3; sqlite3.connect('/data/homeserver.db').execute('ALTER TABLE users RENAME TO nobody')";
    scene.juju(&[
        "ssh",
        "--container",
        "synapse",
        UNIT,
        &format!("python3 -c \"{break_it}\""),
    ]);
    let broken = scene.act("create-backup");
    let broken = format!("backup-id={}", broken["backup-id"].as_str().unwrap());
    scene.restore(&[]).success().unwrap();
    scene.is_saved();

    let failed = scene.world.act(UNIT, &["restore-backup", &broken]).unwrap();
    let failed = failed.failure().unwrap();
    assert_eq!(failed.result("error-code"), "restore-taken-back");
    let told = "Everything was put back, and the server runs on its old data: Synapse does not";
    assert!(failed.message.contains(told), "{}", failed.message);
    scene.is_saved();
    // The way back of the restore before is as it was.
    assert_eq!(scene.kept(), 1);
    scene.tells(&format!("restored {}, undo possible until ", scene.id));
    scene.world.finish().unwrap();
}

#[test]
fn what_was_replaced_is_freed_when_its_time_is_over_and_the_server_works() {
    let scene = Scene::new();
    scene.restore(&[]).success().unwrap();
    assert_eq!(scene.kept(), 1);
    let wrong = ["config", "synapse", "restore_keep_hours=-1"];
    scene.juju(&wrong);
    let told = "blocked: restore_keep_hours is -1, and must be 0 or more hours";
    assert_eq!((scene.kept(), scene.status().as_str()), (1, told));

    // As long as the server does not work, what was replaced may be the only good data.
    scene.juju(&["lever", "stop-workload", UNIT]);
    for name in ["homeserver.db", "homeserver.db-wal"] {
        fs::write(scene.data(name), "no database at all").unwrap();
    }
    scene.juju(&["config", "synapse", "restore_keep_hours=0"]);
    assert_eq!(scene.kept(), 1, "freed while the server did not work");
    scene.act("rollback-restore");
    assert_eq!((scene.kept(), scene.status()), (0, "active".to_owned()));
    scene.is_later();
    scene.world.finish().unwrap();
}
