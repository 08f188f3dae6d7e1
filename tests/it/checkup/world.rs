//! `check-backup-storage` as an operator meets it, and the policy of the reference in earnest.

use harness::demo::Story;
use harness::matrix::Diary;
use harness::s3::{Policy, Quirk};
use harness::world::World;
use regex::Regex;
use serde_json::Value;

const UNIT: &str = "synapse/0";
const SERVER: &str = "demo.example";

fn act(world: &World, words: &[&str]) -> Value {
    let done = world.act_with_yaml(UNIT, words).unwrap().success();
    done.unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// The table, with what differs from run to run under other names.
fn page(results: &Value) -> String {
    let mut told = results["formatted"].as_str().unwrap().to_owned();
    for (pattern, name) in [
        (r"127\.0\.0\.1:[0-9]+", "<address>"),
        (r"[0-9]+\.[0-9] ms", "<time>"),
        (r"[0-9]+\.[0-9] MiB/s", "<rate>"),
        (r"in [0-9]+\.[0-9] s\)", "in <time>)"),
        // What the store of the tests makes of this one is not the point here.
        (r"(checksum-crc64nvme) .*", "$1 | ..."),
        (
            r"the same as the store's|1 s (behind|ahead of) the store's",
            "<clock>",
        ),
    ] {
        told = Regex::new(pattern)
            .unwrap()
            .replace_all(&told, name)
            .into_owned();
    }
    told
}

#[test]
fn operator_reads_what_is_wrong_and_the_command_that_mends_it() {
    let world = World::new().unwrap();
    let story = Story::new(&world, |_| ());
    story.deploy().unwrap();

    // Without a relation there is an answer, too.
    let none = act(&world, &["check-backup-storage"]);
    assert_eq!(none["result"], "1 of 34 checks fails: relation");
    assert_eq!(none["checks"]["dns"], "not checked");
    assert!(
        page(&none).contains("-> run juju integrate synapse:backup s3-integrator"),
        "{}",
        page(&none)
    );

    story.connect().unwrap();
    let well = act(&world, &["check-backup-storage", "size=6MiB"]);
    println!("{}", page(&well));
    insta::assert_snapshot!(page(&well), @r"
    check              | answer      | finding
    -----------------------------------------------------------------------------
    relation           | pass        | http://<address>, bucket demo, path demo.example
    proxy              | pass        | none
    dns                | pass        | 127.0.0.1 is 127.0.0.1
    tcp                | pass        | <address> in <time>
    tls                | warn        | not used: names and sizes of backups can be seen on the way, their content not
                       |             | -> juju config s3-integrator endpoint=https://<address>
    answer             | pass        | an S3 store in <time>
    clock              | pass        | <clock>
    credentials        | pass        | the store accepts the signature
    region             | pass        | us-east-1 is accepted
    style              | pass        | path; host is not possible with this endpoint
    bucket             | pass        | demo is there
    put                | pass        | allowed, with CRC32C
    get                | pass        | allowed, and what was written comes back
    list               | pass        | allowed, and what was written is listed
    delete             | pass        | allowed
    multipart          | pass        | begun, sent and completed
    list-parts         | pass        | allowed
    abort              | pass        | allowed
    list-uploads       | pass        | allowed
    list-version       | pass        | ListObjectsV2
    conditional-put    | pass        | honoured
    checksum-crc64nvme | ...
    checksum-crc32c    | pass        | accepted, and a wrong one is refused
    checksum-md5       | pass        | accepted, and a wrong one is refused
    part-limit         | pass        | at most 900 parts of one size are sent; all stores that we know take so many, and the limit
                       |             | itself is not probed
    object-lock        | pass        | the store does not know such a setting
    versioning         | pass        | the store does not know such a setting
    lifecycle          | pass        | the store does not know such a setting
    storage-class      | pass        | none named: the bucket's own
    latency            | pass        | <time> in the middle, <time> at most
    upload-rate        | pass        | <rate> (6 MiB in <time>)
    download-rate      | pass        | <rate> (6 MiB in <time>)
    left-behind        | pass        | nothing
    owner              | pass        | nobody yet: the first create-backup makes the path this server's own
    ");
    assert_eq!(well["result"], "correct");
    let rows: Value = serde_json::from_str(well["checks-json"].as_str().unwrap()).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 34);
    assert_eq!(rows[0]["name"], "relation");

    // Each finding is told as it comes.
    let task = world
        .act_with_yaml(UNIT, &["check-backup-storage", "rate=false"])
        .unwrap();
    let log = world.juju(&["show-task", &task.task.to_string()]).unwrap();
    let log = log.success().unwrap();
    assert!(
        log.contains("credentials: pass: the store accepts the signature"),
        "{log}"
    );

    // A mistake, and its command.
    let set = |option: &str| {
        let set = world.juju(&["config", "s3-integrator", option]).unwrap();
        set.success().unwrap();
    };
    set("bucket=absent");
    let wrong = act(&world, &["check-backup-storage", "rate=false"]);
    assert_eq!(wrong["result"], "1 of 34 checks fails: bucket");
    assert!(
        page(&wrong).contains("-> juju config s3-integrator bucket="),
        "{}",
        page(&wrong)
    );
    let refused = world
        .act(UNIT, &["check-backup-storage", "size=none"])
        .unwrap();
    assert_eq!(
        refused.failure().unwrap().result("error-code"),
        "size-invalid"
    );
    set("bucket=demo");

    let objects = world.store().objects().unwrap();
    assert!(
        objects.iter().all(|(key, _)| !key.contains("check-")),
        "{objects:?}"
    );
    world.finish().unwrap();
}

#[test]
fn policy_of_the_reference_is_enough_for_every_action() {
    let world = World::new().unwrap();
    let text = include_str!("../../../docs/reference/iam-policy.json");
    let policy = Policy::read(text, &world.store().fact("bucket"), SERVER).unwrap();
    let store = world.store().server().unwrap();
    store.become_of(vec![Quirk::Policy(policy)]);
    let story = Story::new(&world, |_| ());
    story.deploy().unwrap();
    story.connect().unwrap();

    let homeserver = world.homeserver(UNIT).unwrap();
    let registered = act(&world, &["register-user", "username=anna"]);
    let password = registered["user-password"].as_str().unwrap();
    let diary = Diary::begin(&homeserver, "anna", password).unwrap();
    // Large enough for the store to copy most of it when the passphrase changes.
    let picture: Vec<u8> = (0..18_000_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let upload = diary
        .session()
        .upload("whales", "application/octet-stream", &picture);
    upload.unwrap();

    let created = act(&world, &["create-backup"]);
    let id = format!("backup-id={}", created["backup-id"].as_str().unwrap());
    let listed = act(&world, &["list-backups"]);
    assert_eq!(listed["count"], "1");
    assert_eq!(act(&world, &["show-backup", &id])["state"], "finished");
    assert_eq!(act(&world, &["verify-backup", &id])["result"], "correct");
    assert_eq!(act(&world, &["restore-backup", &id])["result"], "correct");

    let juju = |words: &[&str]| world.juju(words).unwrap().success().unwrap();
    let secret = juju(&["add-secret", "old", "first=correct horse battery staple"]);
    juju(&["grant-secret", "old", "synapse"]);
    juju(&[
        "config",
        "synapse",
        "backup_passphrase=another one that is long enough",
    ]);
    juju(&[
        "config",
        "synapse",
        &format!("backup_old_passphrases={}", secret.trim()),
    ]);
    let rotated = act(&world, &["rotate-passphrase"]);
    assert_eq!(rotated["rotated"], "1");
    assert_ne!(rotated["bytes-copied-by-store"], "0", "{rotated}");
    assert_eq!(act(&world, &["verify-backup", &id])["result"], "correct");

    let looked = act(&world, &["check-backup-storage", "size=20MiB"]);
    assert_eq!(looked["result"], "correct", "{}", page(&looked));
    assert_eq!(looked["not-checked"], "0", "{}", page(&looked));
    assert_eq!(act(&world, &["delete-backup", &id])["result"], "correct");
    world.finish().unwrap();
}
