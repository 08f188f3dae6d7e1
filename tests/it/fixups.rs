//! What an older database needs, which Synapse the workload holds, and old signing keys: each on a real Synapse.

#![expect(clippy::unwrap_used, reason = "tests")]

pub(crate) mod scene;

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use serde_json::{Value, json};
use synapse_operator::synapse::data::{
    Compatibility, FixUpError, compatibility, program, snapshot,
};
use synapse_operator::synapse::signing_keys::{OldSigningKeys, retire, verify_keys};

use scene::{AT, Scene, at, lines, signing_key};

/// What a device uploads: one-time keys of these names, and one fallback key.
fn uploads(one_time: &[&str], fallback: &str) -> Value {
    let key = |name: &str| json!({ "key": name, "signatures": {} });
    let keys: serde_json::Map<String, Value> = one_time
        .iter()
        .map(|name| (format!("signed_curve25519:{name}"), key(name)))
        .collect();
    let mut last = key(fallback);
    last["fallback"] = true.into();
    json!({ "one_time_keys": keys, "fallback_keys": { format!("signed_curve25519:{fallback}"): last } })
}

/// How many one-time keys the server says it has for a device, and for which types it has an unused fallback key.
fn told(sync: &Value) -> (&Value, &Value) {
    (
        &sync["device_one_time_keys_count"],
        &sync["device_unused_fallback_key_types"],
    )
}

#[test]
fn keys_of_an_older_database_are_never_handed_out_again() {
    let scene = Scene::new();
    scene.set_up(&OldSigningKeys::default());
    scene.start_synapse();
    let (anna, ben) = (scene.user("anna"), scene.user("ben"));
    let upload = |keys: &Value| anna.post("/_matrix/client/v3/keys/upload", keys);
    let claim = || {
        let wanted =
            json!({ "one_time_keys": { &anna.id: { &anna.device: "signed_curve25519" } } });
        let answer = ben.post("/_matrix/client/v3/keys/claim", &wanted);
        let keys = answer["one_time_keys"][&anna.id][&anna.device].as_object();
        keys.map_or_else(Vec::new, |keys| keys.keys().cloned().collect())
    };
    // Each goes on where the one before ended, as a client does, also over the restart.
    let sync = |before: Option<&Value>| {
        let since = before.map_or_else(String::new, |before| {
            format!("&since={}", before["next_batch"].as_str().unwrap())
        });
        anna.get(&format!("/_matrix/client/v3/sync?timeout=0{since}"))
    };

    upload(&uploads(&["one", "two"], "last"));
    let before = sync(None);
    let expected = (
        &json!({ "signed_curve25519": 2 }),
        &json!(["signed_curve25519"]),
    );
    assert_eq!(told(&before), expected);
    let copy = scene
        .block_on(snapshot(&scene.client, "/data/copy.db"))
        .unwrap();
    assert_eq!(copy.schema_version, 94);
    // Used up after the copy was made.
    assert_eq!(claim(), ["signed_curve25519:one"]);
    assert_eq!(claim(), ["signed_curve25519:two"]);
    assert_eq!(claim(), ["signed_curve25519:last"]);

    // The older database comes back, in which two other servers' users are known, one of them marked already.
    scene.stop_synapse();
    scene.sql(
        "/data/copy.db",
        "INSERT INTO device_lists_remote_extremeties VALUES ('@carl:far.example', '5'), ('@dora:far.example', '6'); \
         INSERT INTO device_lists_remote_resync VALUES ('@dora:far.example', 7)",
    );
    scene.workload("rm -f /data/homeserver.db*; mv /data/copy.db /data/homeserver.db; chown 991:991 /data/homeserver.db");
    let fixed = scene.fix_up().unwrap();
    insta::assert_snapshot!(lines(&fixed), @r"
    one-time keys cleared: 2
    fallback keys cleared: 1
    device lists of remote users to be fetched anew: 1
    ");
    let marked = scene.sql(
        "/data/homeserver.db",
        "SELECT * FROM device_lists_remote_resync ORDER BY 1",
    );
    assert_eq!(
        marked,
        format!("@carl:far.example {AT}\n@dora:far.example 7")
    );
    scene.assert_alone();
    assert_eq!(scene.journal(), "rollback");
    scene.assert_fixed_already();

    scene.start_synapse();
    assert_eq!(claim(), Vec::<String>::new());
    let after = sync(Some(&before));
    let expected = (&json!({ "signed_curve25519": 0 }), &json!([]));
    assert_eq!(told(&after), expected);

    // What a client does then; the same keys count as new ones, and are gone again after the next time.
    upload(&uploads(&["three"], "last"));
    let anew = sync(Some(&after));
    let expected = (
        &json!({ "signed_curve25519": 1 }),
        &json!(["signed_curve25519"]),
    );
    assert_eq!(told(&anew), expected);
    scene.stop_synapse();
    assert_eq!(scene.journal(), "write-ahead log");
    let fixed = scene.fix_up().unwrap();
    insta::assert_snapshot!(lines(&fixed), @r"
    one-time keys cleared: 1
    fallback keys cleared: 1
    device lists of remote users to be fetched anew: 0
    ");
    scene.assert_alone();
    assert_eq!(scene.journal(), "write-ahead log");
    scene.assert_fixed_already();
}

#[test]
fn a_database_that_is_missing_old_broken_or_in_use_is_not_made_worse() {
    let scene = Scene::new();
    let database = "/data/homeserver.db";

    assert!(scene.fix_up().unwrap().is_empty());
    assert_eq!(scene.workload("ls -A /data"), "", "nothing is made");

    scene.sql(
        database,
        "CREATE TABLE e2e_one_time_keys_json (key_id TEXT); INSERT INTO e2e_one_time_keys_json VALUES ('one'); \
         CREATE TABLE device_lists_remote_extremeties (user_id TEXT)",
    );
    insta::assert_snapshot!(lines(&scene.fix_up().unwrap()), @r"
    one-time keys cleared: 1
    fallback keys skipped: the database has no table e2e_fallback_keys_json
    device lists of remote users skipped: the database has no table device_lists_remote_resync
    ");

    // Somebody reads it, as Synapse would: what was done stands, and it is not taken for a success.
    scene.sql(
        database,
        "PRAGMA journal_mode = WAL; INSERT INTO e2e_one_time_keys_json VALUES ('two')",
    );
    let read = "import sqlite3, sys; d = sqlite3.connect('/data/homeserver.db'); \
                d.execute('SELECT * FROM e2e_one_time_keys_json').fetchall(); print('open', flush=True); sys.stdin.read()";
    let mut reader = scene
        .pod
        .workload_command(&["python3", "-c", read])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(reader.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "open\n");
    let error = scene.fix_up().unwrap_err();
    drop(reader.stdin.take());
    assert!(reader.wait().unwrap().success());
    assert!(
        stderr(&error).contains("somebody else has the database open"),
        "{error:?}"
    );
    assert_eq!(
        lines(&scene.fix_up().unwrap()).lines().next(),
        Some("one-time keys cleared: 0")
    );

    scene.workload("rm /data/homeserver.db*; echo 'no database, but longer than the header of one: 100 bytes and more ....................' > /data/homeserver.db");
    let before = scene.digest();
    let error = scene.fix_up().unwrap_err();
    assert!(
        stderr(&error).contains("file is not a database"),
        "{error:?}"
    );
    assert_eq!(scene.digest(), before);
}

fn stderr(error: &FixUpError) -> &str {
    error.stderr()
}

#[test]
fn old_signing_keys_are_published_by_the_synapse_that_the_workload_holds() {
    let scene = Scene::new();
    let begun = Instant::now();
    let held = scene.block_on(program(&scene.client)).unwrap();
    eprintln!("the program was known after {:?}", begun.elapsed());
    assert_eq!((held.schema_version, held.schema_compat_version), (94, 84));

    let in_use = verify_keys(&signing_key("a_new", 1).into()).unwrap();
    let replaced =
        verify_keys(&(signing_key("a_old", 2) + &signing_key("a_older", 3)).into()).unwrap();
    let old = retire(OldSigningKeys::default(), &replaced, &in_use, at());
    scene.set_up(&old);
    scene.start_synapse();

    let published = scene.get("/_matrix/key/v2/server");
    let used = json!({ in_use[0].id.as_str(): { "key": in_use[0].key.as_str() } });
    assert_eq!(published["verify_keys"], used);
    let expired = |number: usize| json!({ "key": replaced[number].key.as_str(), "expired_ts": AT });
    let old = json!({ "ed25519:a_old": expired(0), "ed25519:a_older": expired(1) });
    assert_eq!(published["old_verify_keys"], old);

    let server = scene.homeserver();
    assert_eq!(
        scene
            .block_on(server.served_server_name())
            .unwrap()
            .as_str(),
        "demo.example"
    );
    assert_eq!(scene.block_on(server.version()).unwrap(), held.version);
    let copy = scene
        .block_on(snapshot(&scene.client, "/data/copy.db"))
        .unwrap();
    let verdict = compatibility(copy.schema_version, copy.schema_compat_version, &held);
    assert_eq!(verdict, Compatibility::Same);
}
