//! A real server that the Python charm backed up while it ran, restored by ours; and what is refused, with nothing touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::demo::Story;
use harness::matrix::{Diary, Homeserver, picture};
use harness::python_charm::{PythonCharm, Variant};
use harness::world::{Action, World};
use serde_json::Value;

use super::{ID, SECRET, plant};

const UNIT: &str = "synapse/0";
/// An id of its own for each further object.
const OTHER: &str = "backup-20240301000000000001";

/// A server with a user who has written, and goes on writing.
struct Scene {
    world: World,
    homeserver: Homeserver,
    diary: Diary,
}

impl Scene {
    fn new() -> Self {
        let world = World::new().unwrap();
        let (homeserver, mut diary) = Story::inhabited(&world).unwrap();
        diary.open_room("Travel").unwrap();
        diary.post("before.png", &picture(1)).unwrap();
        diary.write("the last words before the backup").unwrap();
        Self {
            world,
            homeserver,
            diary,
        }
    }

    fn data(&self, name: &str) -> PathBuf {
        self.world.data(UNIT).unwrap().join(name)
    }

    /// What the Python charm would have made of the data of this moment; Synapse goes on meanwhile.
    fn made(&self) -> Vec<u8> {
        PythonCharm::at(&self.data(""), SECRET).backup().unwrap()
    }

    fn shelf(&self) -> PathBuf {
        self.world.store().bucket().join("demo.example")
    }

    fn put(&self, id: &str, object: &[u8]) {
        fs::create_dir_all(self.shelf()).unwrap();
        fs::write(self.shelf().join(id), object).unwrap();
    }

    fn act(&self, words: &[&str]) -> Action {
        self.world.act_with_yaml(UNIT, words).unwrap()
    }

    fn verify(&self, id: &str) -> Action {
        self.act(&["verify-backup", &format!("backup-id={id}")])
    }

    fn restore(&self, id: &str, more: &[&str]) -> Action {
        let backup = format!("backup-id={id}");
        self.act(&[&["restore-backup", &backup], more].concat())
    }

    /// The data is gone, the container with it, and a blank server comes up.
    fn lose_everything(&self) {
        let disaster = "find /data -mindepth 1 -delete; kill 1";
        let before = self.world.pod(UNIT).unwrap().workload().unwrap();
        let words = ["ssh", "--container", "synapse", UNIT, disaster];
        self.world.juju(&words).unwrap().success().unwrap();
        assert!(before.wait(Duration::from_secs(60)).unwrap());
        let again = ["config", "synapse", "server_name=demo.example"];
        self.world.juju(&again).unwrap().success().unwrap();
        self.world.wait_for_status(UNIT, "active", "").unwrap();
    }

    /// Names in the charm's own place.
    fn private(&self) -> Vec<String> {
        let entries = fs::read_dir(self.data(".synapse-operator"));
        let entries = entries.into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name != "previous").collect();
        names.sort();
        names
    }
}

/// A copy of a data directory as it lies there now.
fn copied(data: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in [
        "demo.example.signing.key",
        "homeserver.db",
        "homeserver.db-wal",
    ] {
        if data.join(name).exists() {
            fs::copy(data.join(name), copy.path().join(name)).unwrap();
        }
    }
    copy
}

fn text<'a>(results: &'a Value, key: &str) -> &'a str {
    results[key].as_str().unwrap_or_default()
}

#[test]
fn running_server_of_the_python_charm_is_restored_with_the_rows_of_its_log() {
    let scene = Scene::new();
    // The newest rows are committed and not yet in the main file, which a copy without the log would show.
    let words = b"the last words before the backup";
    let holds = |name: &str| {
        let bytes = fs::read(scene.data(name)).unwrap();
        bytes.windows(words.len()).any(|part| part == words)
    };
    assert!(holds("homeserver.db-wal") && !holds("homeserver.db"));
    scene.put(ID, &scene.made());
    let saved = scene.diary.clone();
    let mut later = scene.diary.clone();
    later.write("after the backup").unwrap();

    let synapse = scene.world.synapse(UNIT).unwrap();
    let private = scene.private();
    let verified = scene.verify(ID).success().unwrap();
    assert_eq!(text(&verified, "result"), "correct");
    assert_eq!(text(&verified, "kind"), "legacy");
    let database = text(&verified, "database");
    assert!(
        database.contains("write-ahead log") && database.contains("check: good"),
        "{database}"
    );
    let lacks = text(&verified, "not-promised");
    assert!(
        lacks.contains("copied while") && lacks.contains("homeserver.yaml"),
        "{lacks}"
    );
    assert_eq!(scene.private(), private, "verify-backup left something");

    let plan = scene.restore(ID, &["dry-run=true"]).success().unwrap();
    let plan = text(&plan, "plan");
    for expected in [
        "by the Python charm",
        "an SQLite database with a write-ahead log",
        "in the way  nothing",
    ] {
        assert!(plan.contains(expected), "{plan}");
    }
    assert_eq!(scene.world.synapse(UNIT).unwrap(), synapse);
    later.check(&scene.homeserver).unwrap();

    scene.lose_everything();
    let secret = fs::read(scene.data("macaroon.secret")).unwrap();
    let restored = scene.restore(ID, &[]).success().unwrap();
    assert_eq!(text(&restored, "result"), "correct");
    assert_eq!(text(&restored, "kind"), "legacy");
    assert_eq!(text(&restored, "server-name"), "demo.example");
    assert!(
        text(&restored, "database").contains("check: good"),
        "{restored}"
    );
    saved.check(&scene.homeserver).unwrap();
    assert!(later.check(&scene.homeserver).is_err());
    let now = fs::read(scene.data("macaroon.secret")).unwrap();
    assert!(now == secret, "the secrets of this application stay");
    assert!(scene.data("homeserver.yaml").is_file());

    let undone = scene.act(&["rollback-restore"]).success().unwrap();
    assert_eq!(text(&undone, "result"), "correct");
    assert!(
        saved.check(&scene.homeserver).is_err(),
        "the blank server is back"
    );
    scene.act(&["rollback-restore"]).success().unwrap();
    saved.check(&scene.homeserver).unwrap();
    scene.world.finish().unwrap();
}

#[test]
fn names_with_a_slash_and_a_media_store_of_its_own_are_put_where_they_belong() {
    let scene = Scene::new();
    let copy = copied(&scene.data(""));
    fs::write(copy.path().join("demo.example.macaroon.key"), "secret").unwrap();
    let variant = Variant {
        tar: &["--absolute-names"],
        gpg: &["-z", "0"],
    };
    let charm = PythonCharm::at(copy.path(), SECRET).with_media_store(&scene.data("media"));
    scene.put(ID, &charm.backup_as(&variant).unwrap());
    scene.lose_everything();
    let restored = scene.restore(ID, &[]).success().unwrap();
    assert_eq!(text(&restored, "left-out"), "demo.example.macaroon.key");
    scene.diary.check(&scene.homeserver).unwrap();
    assert!(!scene.data("demo.example.macaroon.key").exists());
    assert!(!scene.data("media_store").exists());
    scene.world.finish().unwrap();
}

#[test]
fn legacy_backup_that_cannot_be_used_is_refused_and_nothing_is_touched() {
    let scene = Scene::new();
    let good = scene.made();
    let middle = good.len() / 2;
    let mut flipped = good.clone();
    flipped[middle] ^= 1;

    let copy = copied(&scene.data(""));
    let seal = || PythonCharm::at(copy.path(), SECRET).backup().unwrap();
    let renamed = |from: &str, to: &str| {
        fs::rename(copy.path().join(from), copy.path().join(to)).unwrap();
    };
    renamed("demo.example.signing.key", "other.example.signing.key");
    let other = seal();
    renamed("other.example.signing.key", "demo.example.signing.key");
    // Pages in the middle of the database, as a copy of another moment has them.
    let database = copy.path().join("homeserver.db");
    let mut bytes = fs::read(&database).unwrap();
    let (start, end) = (bytes.len() / 4, bytes.len() / 2);
    bytes[start..end].fill(0x5a);
    fs::write(&database, bytes).unwrap();
    fs::remove_file(copy.path().join("homeserver.db-wal")).ok();
    let broken = seal();
    fs::remove_file(&database).unwrap();
    let without = seal();
    let wrong = PythonCharm::at(copy.path(), "another passphrase")
        .backup()
        .unwrap();
    let link = tempfile::tempdir().unwrap();
    plant(
        link.path(),
        &[
            ("demo.example.signing.key", b"key"),
            ("media/local_content/x", b"x"),
        ],
    );
    std::os::unix::fs::symlink("/etc", link.path().join("media/local_content/way")).unwrap();
    let link = PythonCharm::at(link.path(), SECRET).backup().unwrap();

    let synapse = scene.world.synapse(UNIT).unwrap();
    let private = scene.private();
    for (what, object, code, told, verifies) in [
        (
            "wrong passphrase",
            &wrong,
            "decryption-failed",
            "passphrase is wrong",
            false,
        ),
        ("cut", &good[..middle].to_vec(), "", "", false),
        ("flipped", &flipped, "", "", false),
        (
            "no backup",
            &b"a note".to_vec(),
            "",
            "not an OpenPGP message",
            false,
        ),
        (
            "a link",
            &link,
            "archive-refused",
            "local_content/way",
            false,
        ),
        (
            "damaged database",
            &broken,
            "database-damaged",
            "database is damaged",
            false,
        ),
        (
            "another server",
            &other,
            "legacy-server-name",
            "is of the server other.example",
            false,
        ),
        (
            "no database",
            &without,
            "database-kind",
            "holds no database",
            true,
        ),
    ] {
        scene.put(OTHER, object);
        let failed = scene.restore(OTHER, &[]).failure().unwrap();
        assert!(failed.message.contains(told), "{what}: {}", failed.message);
        assert!(
            failed.message.contains("Nothing was changed"),
            "{what}: {}",
            failed.message
        );
        if !code.is_empty() {
            assert_eq!(
                failed.result("error-code"),
                code,
                "{what}: {}",
                failed.message
            );
        }
        let verified = scene.verify(OTHER);
        let good = verified.status == "completed";
        assert_eq!(
            good, verifies,
            "{what}: {} {}",
            verified.message, verified.results
        );
        assert_eq!(scene.private(), private, "{what}: something was left");
        assert_eq!(scene.world.synapse(UNIT).unwrap(), synapse, "{what}");
    }
    scene.diary.check(&scene.homeserver).unwrap();
    assert!(!scene.data(".synapse-operator/previous").exists());
    scene.world.finish().unwrap();
}

#[test]
fn legacy_backup_is_listed_and_deleted_and_what_lies_beside_it_is_left_alone() {
    let scene = Scene::new();
    let object = scene.made();
    scene.put(ID, &object);
    // An application with a longer path, and what other people keep in the bucket and below the path.
    let beside = [
        format!("demo.example-staging/{ID}"),
        format!("demo.example-staging/{OTHER}"),
        OTHER.to_owned(),
        format!("demo.example/{ID}.bak"),
        format!("demo.example/old-{ID}"),
        format!("demo.example/notes/{ID}"),
        "demo.example/notes.txt".to_owned(),
    ];
    let bucket = scene.world.store().bucket();
    for name in &beside {
        plant(&bucket, &[(name, name.as_bytes())]);
    }
    let created = scene.act(&["create-backup"]).success().unwrap();
    let own = text(&created, "backup-id").to_owned();

    let listed = scene.act(&["list-backups"]).success().unwrap();
    let rows: Value = serde_json::from_str(text(&listed, "backups-json")).unwrap();
    let told = |key: &str| -> Vec<String> {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| {
            row[key]
                .as_str()
                .map_or_else(|| row[key].to_string(), str::to_owned)
        })
        .collect()
    };
    assert_eq!(told("backup-id"), [ID, &own]);
    assert_eq!(told("state"), ["legacy", "finished"]);
    assert_eq!(told("size")[0], object.len().to_string());
    for action in ["verify-backup", "restore-backup", "delete-backup"] {
        let words = [action, &format!("backup-id={OTHER}")];
        let failed = scene.act(&words).failure().unwrap();
        assert!(
            failed.message.contains("does not exist"),
            "{}",
            failed.message
        );
    }

    let delete = ["delete-backup", &format!("backup-id={ID}")];
    let deleted = scene.act(&delete).success().unwrap();
    assert_eq!(text(&deleted, "objects"), "1");
    let failed = scene.act(&delete).failure().unwrap();
    assert!(
        failed.message.contains("does not exist"),
        "{}",
        failed.message
    );
    assert!(!scene.shelf().join(ID).exists());
    for name in &beside {
        assert_eq!(fs::read_to_string(bucket.join(name)).unwrap(), *name);
    }
    scene.verify(&own).success().unwrap();
    scene.world.finish().unwrap();
}
