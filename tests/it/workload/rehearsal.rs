//! A second Synapse on a copy of the data: what it shows, and that it talks to nobody.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::matrix;
use harness::parts::machine_program;
use serde_json::json;
use synapse_operator::synapse::ServerName;
use synapse_operator::synapse::data::snapshot;
use synapse_operator::synapse::rehearsal::{RehearsalError, Rehearsed, rehearse};

use super::inhabited;
use crate::fixups::scene::Scene;

const STAGED: &str = "/data/staged";
const LIMIT: Duration = Duration::from_secs(90);

/// Puts a copy of a running server's data where a rehearsal finds it; its media is left out.
fn staged(scene: &Scene) {
    scene.workload("mkdir /data/staged && chown 991:991 /data/staged");
    let copy = snapshot(&scene.client, "/data/staged/homeserver.db");
    scene.block_on(copy).unwrap();
    scene.workload("cp -p /data/*.secret /data/*.signing.key /data/staged");
}

fn rehearsed(scene: &Scene, limit: Duration) -> Result<Rehearsed, RehearsalError> {
    let name = ServerName::parse("demo.example").unwrap();
    scene.block_on(rehearse(&scene.client, STAGED, &name, limit))
}

/// Every process of the rehearsal is gone.
fn assert_over(scene: &Scene) {
    let running =
        "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'staged/[r]ehearsal.yaml' || true";
    let deadline = Instant::now() + Duration::from_secs(40);
    while scene.workload(running) != "0" {
        assert!(Instant::now() < deadline, "the rehearsal runs on");
    }
}

/// Notes all calls for the network of whatever a scene's Pebble starts from now on.
fn strace(scene: &Scene, log: &Path) -> Child {
    let pebble = scene.pod.workload().unwrap().id().to_string();
    let tracer = Command::new(machine_program("strace", "strace").unwrap())
        .args([
            "-f",
            "-y",
            "-e",
            "trace=connect,sendto,sendmsg,sendmmsg",
            "-o",
        ])
        .arg(log)
        .args(["-p", &pebble])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let traced = || fs::read_to_string(format!("/proc/{pebble}/status")).unwrap();
    while traced().contains("TracerPid:\t0\n") {
        assert!(Instant::now() < deadline, "strace does not begin");
    }
    tracer
}

#[test]
fn rehearsal_works_on_the_data_and_talks_to_nobody() {
    let scene = inhabited();
    scene.user("anna");
    let anna = matrix::Homeserver::at(scene.pod.address())
        .login("anna", "of a test")
        .unwrap();
    let room = anna.create_room("Travel").unwrap();
    anna.send(&room, "Hello").unwrap();
    let pusher = json!({
        "app_id": "a", "app_display_name": "a", "device_display_name": "d", "kind": "http", "lang": "en", "pushkey": "k",
        "data": { "url": "http://198.51.100.7/_matrix/push/v1/notify" },
    });
    scene.ask(
        "/_matrix/client/v3/pushers/set",
        Some(anna.token()),
        Some(&pusher),
    );
    staged(&scene);
    // What a server would at once be on the telephone for, if it were let.
    scene.sql(
        "/data/staged/homeserver.db",
        "INSERT INTO device_lists_remote_extremeties VALUES ('@dora:198.51.100.8', '6'); \
         INSERT INTO device_lists_remote_resync VALUES ('@dora:198.51.100.8', 7); \
         INSERT INTO destinations (destination, retry_last_ts, retry_interval, failure_ts, last_successful_stream_ordering) VALUES ('198.51.100.9', 0, 0, 0, 1); \
         INSERT INTO destination_rooms (destination, room_id, stream_ordering) SELECT '198.51.100.9', room_id, 5 FROM rooms",
    );
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("calls");
    let mut tracer = strace(&scene, &log);

    let seen = rehearsed(&scene, LIMIT).unwrap();
    assert_eq!(seen.version, "1.163.2");
    assert_eq!(
        (seen.database.rows["users"], seen.database.rows["rooms"]),
        (1, 1)
    );
    assert_eq!(seen.database.schema_version, 94);
    assert!(seen.made_up.is_empty(), "{:?}", seen.made_up);
    assert_over(&scene);
    // The server that runs was not touched.
    matrix::Homeserver::at(scene.pod.address())
        .wait_healthy(LIMIT)
        .unwrap();

    // Pebble itself looks whether the server that runs is well.
    let pebble = scene.pod.workload().unwrap().id();
    let threads = fs::read_dir(format!("/proc/{pebble}/task")).unwrap();
    let threads: Vec<String> = threads
        .map(|thread| thread.unwrap().file_name().into_string().unwrap())
        .collect();
    scene.pod.kill_all().unwrap();
    tracer.wait().unwrap();
    let calls = fs::read_to_string(&log).unwrap();
    let outward: Vec<&str> = calls
        .lines()
        .filter(|call| {
            !threads
                .iter()
                .any(|thread| call.split(' ').next() == Some(thread))
        })
        .filter(|call| call.contains("AF_INET"))
        .collect();
    assert!(outward.len() >= 3, "the probe itself asks: {calls}");
    // All go to one port of the loopback: neither to the others that the database knows, nor where the proxy is not,
    // nor to whoever knows names.
    let port = outward[0].split("htons(").nth(1).unwrap();
    let own = format!(
        "sin_port=htons({}), sin_addr=inet_addr(\"127.0.0.1\")",
        port.split(')').next().unwrap()
    );
    for call in outward {
        assert!(call.contains(&own), "{call}\n{calls}");
    }
    assert!(
        !own.contains("htons(53)") && !own.contains("htons(1)"),
        "{own}"
    );
}

#[test]
fn data_that_synapse_does_not_take_fails_with_its_last_words() {
    let scene = inhabited();
    scene.user("anna");
    assert!(matches!(
        rehearsed(&scene, LIMIT).unwrap_err(),
        RehearsalError::NoDatabase
    ));
    staged(&scene);
    // As in a backup of the Python charm: no secrets. They are made up.
    scene.workload("rm /data/staged/*.secret");
    let seen = rehearsed(&scene, LIMIT).unwrap();
    let secrets = ["macaroon.secret", "form.secret", "registration.secret"];
    assert_eq!(seen.made_up, secrets);

    scene.sql(
        "/data/staged/homeserver.db",
        "UPDATE schema_compat_version SET compat_version = 900; UPDATE schema_version SET version = 900",
    );
    let begun = Instant::now();
    match rehearsed(&scene, LIMIT).unwrap_err() {
        RehearsalError::Died(error) => {
            assert!(error.stderr().contains("schema version"), "{error}");
        }
        RehearsalError::Left(words) => assert!(words.contains("schema version"), "{words}"),
        error => panic!("{error:?}"),
    }
    assert!(begun.elapsed() < LIMIT, "its end was not noticed");
    assert_over(&scene);
}

#[test]
fn rehearsal_that_takes_too_long_or_is_dropped_leaves_nothing_running() {
    let scene = inhabited();
    scene.user("anna");
    staged(&scene);
    // Somebody else writes to the copy for longer than the rehearsal waits.
    let hold = "import sqlite3, sys; d = sqlite3.connect('/data/staged/homeserver.db', isolation_level=None); \
                d.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()";
    let mut holder = scene
        .pod
        .workload_command(&["python3", "-c", hold])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = holder.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    match rehearsed(&scene, Duration::from_secs(2)).unwrap_err() {
        RehearsalError::Silent { .. } | RehearsalError::Died(_) => {}
        error => panic!("{error:?}"),
    }
    assert_over(&scene);
    drop(holder.stdin.take());
    holder.wait().unwrap();

    let name = ServerName::parse("demo.example").unwrap();
    scene.block_on(async {
        let rehearsal = rehearse(&scene.client, STAGED, &name, LIMIT);
        let dropped = tokio::time::timeout(Duration::from_millis(300), rehearsal);
        assert!(dropped.await.is_err(), "it was quicker than this");
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        let there =
            "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'staged/[r]ehearsal.yaml' || true";
        while scene.workload(there) != "0" {
            assert!(tokio::time::Instant::now() < deadline, "it runs on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}
