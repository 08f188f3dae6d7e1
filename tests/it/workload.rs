//! The programs that the charm runs in the workload, each by the image's own Python on real databases.

#![expect(clippy::unwrap_used, reason = "tests")]

mod media;
mod rehearsal;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::matrix;
use serde_json::json;
use synapse_operator::synapse::data::{Check, CheckError, check, snapshot};
use synapse_operator::synapse::pulse;
use synapse_operator::synapse::signing_keys::OldSigningKeys;

use crate::fixups::scene::Scene;

/// Who has the database of a scene open writes for a second, in the middle of which nobody else can.
const WRITER: &str = "\
import sqlite3, time
database = sqlite3.connect('/data/homeserver.db', isolation_level=None, timeout=30)
database.execute('BEGIN IMMEDIATE')
print('held', flush=True)
time.sleep(1)
database.execute('ROLLBACK')";

fn inhabited() -> Scene {
    let scene = Scene::new();
    scene.set_up(&OldSigningKeys::default());
    scene.start_synapse();
    scene
}

#[test]
fn snapshot_of_a_running_server_is_one_file_and_tells_what_it_holds() {
    let scene = inhabited();
    scene.user("anna");
    scene.user("ben");
    let client = matrix::Homeserver::at(scene.pod.address());
    let anna = client.login("anna", "of a test").unwrap();
    let room = anna.create_room("Travel").unwrap();
    anna.send(&room, "Hello").unwrap();
    let copied = |name: &str| scene.block_on(snapshot(&scene.client, name)).unwrap();

    let first = copied("/data/first.db");
    assert_eq!(first.check, Check::Integrity);
    assert_eq!(
        (first.schema_version, first.schema_compat_version),
        (94, 84)
    );
    assert_eq!(first.server_name.unwrap().as_str(), "demo.example");
    assert_eq!((first.rows["users"], first.rows["rooms"]), (2, 1));
    assert!(first.rows["events"] >= 7, "{:?}", first.rows);
    assert_eq!(first.foreign_key_violations, 0);
    let files = scene.workload("cd /data && stat -c '%n %a %u %s' first.db*");
    assert_eq!(files, format!("first.db 600 991 {}", first.size));

    // Synapse has foreign keys on, so what hangs on a device goes with it. Others may have written with them off.
    let logout = "/_matrix/client/v3/logout";
    scene.ask(logout, Some(anna.token()), Some(&json!({})));
    assert_eq!(copied("/data/later.db").foreign_key_violations, 0);
    scene.sql("/data/homeserver.db", "DELETE FROM rooms");
    let second = copied("/data/second.db");
    assert!(second.foreign_key_violations > 0);

    // At rest it is the same that it was.
    let bytes = || fs::read(scene.pod.host_path(Path::new("/data/second.db"))).unwrap();
    let before = bytes();
    let checked = scene
        .block_on(check(&scene.client, "/data/second.db"))
        .unwrap();
    assert_eq!(checked.rows, second.rows);
    assert_eq!(
        checked.foreign_key_violations,
        second.foreign_key_violations
    );
    assert!(bytes() == before, "it was changed");
    assert_eq!(
        scene.workload("ls /data | grep .db-"),
        "homeserver.db-shm\nhomeserver.db-wal"
    );
}

#[test]
fn database_that_was_copied_hot_is_whole_again_with_its_log() {
    let scene = inhabited();
    scene.user("anna");
    // As `tar` takes them from under a running server, one after the other.
    scene.workload("cd /data && mkdir hot && cp homeserver.db homeserver.db-wal homeserver.db-shm hot && chown -R 991:991 hot");
    let hot = "/data/hot/homeserver.db";
    let checked = scene.block_on(check(&scene.client, hot)).unwrap();
    assert_eq!(checked.rows["users"], 1);
    assert_eq!(checked.server_name.unwrap().as_str(), "demo.example");
    assert_eq!(scene.workload("ls /data/hot"), "homeserver.db");

    // Without its log, much of a young database is not there.
    scene.workload("cd /data && rm hot/* && cp homeserver.db hot && chown 991:991 hot/*");
    match scene.block_on(check(&scene.client, hot)) {
        Ok(checked) => assert_ne!(checked.rows.get("users"), Some(&1)),
        Err(error) => assert!(matches!(error, CheckError::Damaged(_)), "{error:?}"),
    }
}

#[test]
fn damaged_databases_are_told_from_those_that_cannot_be_checked() {
    let scene = Scene::new();
    let large = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX i ON t (b); \
                 WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 9999) INSERT INTO t SELECT x, hex(randomblob(100)) FROM n";
    scene.sql("/data/whole.db", large);
    let path = |name: &str| format!("/data/{name}.db");
    let checked = |name: &str| scene.block_on(check(&scene.client, &path(name)));
    let whole = checked("whole").unwrap();
    assert_eq!((whole.schema_version, whole.server_name), (0, None));
    assert!(whole.rows.is_empty());

    scene.workload(
        "cd /data && cp -p whole.db torn.db && truncate --size=-40960 torn.db; \
         cp -p whole.db flipped.db && dd if=/dev/urandom of=flipped.db bs=4096 seek=50 count=3 conv=notrunc 2> /dev/null; \
         cp -p whole.db headless.db && dd if=/dev/zero of=headless.db bs=50 count=1 conv=notrunc 2> /dev/null; \
         > empty.db; chown 991:991 empty.db",
    );
    for name in ["torn", "flipped", "headless", "empty"] {
        let error = checked(name).unwrap_err();
        assert!(matches!(error, CheckError::Damaged(_)), "{name}: {error:?}");
    }
    let error = checked("missing").unwrap_err();
    assert!(matches!(error, CheckError::Ask(_)), "{error:?}");

    // Above 256 MiB the quick check is made, which still sees what is torn.
    let more = "INSERT INTO t SELECT NULL, NULL; ALTER TABLE t ADD COLUMN c BLOB; UPDATE t SET c = zeroblob(300000000) WHERE b IS NULL";
    scene.sql("/data/whole.db", more);
    assert_eq!(checked("whole").unwrap().check, Check::Quick);
    scene.workload("truncate --size=-40960 /data/whole.db");
    assert!(matches!(
        checked("whole").unwrap_err(),
        CheckError::Damaged(_)
    ));
}

#[test]
fn pulse_shows_what_a_client_waits_for_when_a_writer_is_held_up() {
    let scene = inhabited();
    let anna = scene.user("anna");
    let server = scene.homeserver();
    let (quiet, pulse_of_quiet) = scene.block_on(pulse(&server, async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        1
    }));
    assert_eq!((quiet, pulse_of_quiet.failed), (1, 0));
    assert!(pulse_of_quiet.requests >= 3, "{pulse_of_quiet:?}");

    // Somebody else has the database for a second, and a user writes meanwhile.
    let mut writer = scene.pod.workload_command(&["python3", "-c", WRITER]);
    let mut writer = writer.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut held = String::new();
    let output = std::io::BufReader::new(writer.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut { output }, &mut held).unwrap();
    assert_eq!(held, "held\n");
    let begun = Instant::now();
    let written = std::thread::scope(|threads| {
        let request = json!({ "name": "Travel" });
        let writing = threads.spawn(move || anna.post("/_matrix/client/v3/createRoom", &request));
        let written = async {
            tokio::task::yield_now().await;
            while !writing.is_finished() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let ((), told) = scene.block_on(pulse(&server, written));
        told
    });
    writer.wait().unwrap();
    let took = begun.elapsed();
    assert_eq!(written.failed, 0);
    assert!(
        written.slowest > Duration::from_millis(400),
        "{written:?} in {took:?}"
    );
}
