//! Secrets that are planted, used by every action, and then looked for everywhere.

#![expect(clippy::unwrap_used, reason = "tests")]

mod quotes;
mod search;

use std::fs;
use std::path::Path;

use harness::demo::Story;
use harness::s3::Options;
use harness::world::{Store, World};
use search::{Needles, Watch};

const UNIT: &str = "synapse/0";
// Not those of other tests, whose commands run beside this one's and are watched too.
const PASSPHRASE: &str = "planted passphrase, sung by 7 whales";
const IN_SECRET: &str = "planted passphrase in a secret, for 8 owls";
const OLD: &str = "planted passphrase of last year, of 9 elks";
const SECRET_KEY: &str = "planted/secret+key-of-the-store-4711";

/// Files that may hold Synapse's own secrets: they are where Synapse reads them, also when a restore has put them aside.
fn is_their_home(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let (Some(at), Some(name)) = (text.find("/data/"), path.file_name()) else {
        return false;
    };
    let name = name.to_string_lossy();
    let below = &text[at + "/data/".len()..];
    let place = below.strip_suffix(name.as_ref()).unwrap_or(below);
    let parts: Vec<&str> = place.split_terminator('/').collect();
    (name.ends_with(".secret") || name.ends_with(".signing.key"))
        && matches!(parts[..], [] | [".synapse-operator", "previous", _, "data"])
}

#[test]
fn planted_secrets_are_found_nowhere_but_at_home() {
    let options = Options {
        secret_key: SECRET_KEY.to_owned(),
        ..Options::default()
    };
    let world =
        World::with(|directory| Store::embedded_with(&directory.join("s3"), options)).unwrap();
    let story = Story::new(&world, |_| ());
    story.deploy().unwrap();
    story.connect().unwrap();
    let juju = |words: &[&str]| world.juju(words).unwrap().success().unwrap();
    let secret = |name: &str, content: &str| {
        let uri = juju(&["add-secret", name, content]);
        juju(&["grant-secret", name, "synapse"]);
        uri.trim().to_owned()
    };
    let current = secret("backup", &format!("passphrase={IN_SECRET}"));
    let older = secret("older", &format!("last-year={OLD}"));
    juju(&[
        "config",
        "synapse",
        &format!("backup_passphrase={PASSPHRASE}"),
        &format!("backup_passphrase_secret={current}"),
        &format!("backup_old_passphrases={older}"),
    ]);

    let mut needles = Needles::default();
    needles.add("passphrase", PASSPHRASE);
    needles.add("passphrase in a secret", IN_SECRET);
    needles.add("old passphrase", OLD);
    needles.add("secret-key", SECRET_KEY);
    let data = world.data(UNIT).unwrap();
    let mut own = 0;
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        if is_their_home(&path) {
            let text = fs::read_to_string(&path).unwrap();
            // A signing key's file says `ed25519 a_1 <seed>`.
            let secret = text.split_whitespace().last().unwrap();
            needles.add(&path.file_name().unwrap().to_string_lossy(), secret);
            own += 1;
        }
    }
    assert_eq!(
        own, 4,
        "macaroon, form, registration, signing key: {needles:?}"
    );

    let watch = Watch::begin(&needles);
    let mut shown = String::new();
    let mut act = |words: &[&str]| {
        let results = world.act(UNIT, words).unwrap().success().unwrap();
        shown += &results.to_string();
        shown += &world.status(UNIT).unwrap();
        results
    };
    let registered = act(&["register-user", "username=anna"]);
    let id = act(&["create-backup"])["backup-id"]
        .as_str()
        .unwrap()
        .to_owned();
    let id = format!("backup-id={id}");
    act(&["list-backups"]);
    act(&["verify-backup", &id]);
    act(&["rotate-passphrase"]);
    act(&["restore-backup", &id]);
    // Failures are told at greater length than successes.
    let mut told = String::new();
    for wrong in ["backup-id=backup-20260101000000000001", "backup-id=../x"] {
        let refused = world
            .act(UNIT, &["restore-backup", wrong])
            .unwrap()
            .failure()
            .unwrap();
        told += &format!("{refused:?}");
    }
    let in_bucket = needles.below(&world.store().bucket(), |_| false);
    act(&["delete-backup", &id]);
    let seen = watch.end();
    assert!(
        seen.processes > 20,
        "only {} processes were seen",
        seen.processes
    );
    assert!(seen.of_the_charm > 0, "no process of the charm was seen");
    assert_eq!(seen.found, [""; 0]);
    assert_eq!(in_bucket, [""; 0]);

    assert_eq!(
        needles.within("results and statuses", shown.as_bytes()),
        [""; 0]
    );
    assert_eq!(needles.within("refusals", told.as_bytes()), [""; 0]);
    let password = registered["user-password"].as_str().unwrap();
    needles.add("user-password", password);
    for words in [
        &["debug-log", "--replay", "--level", "TRACE"] as &[_],
        &["status", "--format", "json"],
        &["status", "--relations"],
    ] {
        let told = world.juju(words).unwrap().success().unwrap();
        assert!(!told.is_empty());
        assert_eq!(needles.within(&words.join(" "), told.as_bytes()), [""; 0]);
    }

    let pod = world.pod(UNIT).unwrap();
    assert_eq!(needles.below(pod.directory(), is_their_home), [""; 0]);
    let root = format!("/proc/{}/root", pod.workload().unwrap().id());
    for place in ["run", "root", "var/log", "dev/shm", "tmp"] {
        assert_eq!(
            needles.below(&Path::new(&root).join(place), |_| false),
            [""; 0]
        );
    }
    let homes = needles.below(pod.directory(), |_| false);
    assert_eq!(
        homes.len(),
        8,
        "the four files, live and replaced: {homes:#?}"
    );
    world.finish().unwrap();
}

#[test]
fn search_finds_what_was_planted_on_purpose() {
    let secret = "planted on purpose, 0815";
    let mut needles = Needles::default();
    needles.add("it", secret);
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("a/b");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("plain"), format!("\0\u{1}{secret}\0")).unwrap();
    fs::write(
        place.join("long"),
        [vec![b'x'; 3 << 20], secret.into()].concat(),
    )
    .unwrap();
    fs::write(
        place.join("encoded"),
        "x cGxhbnRlZCBvbiBwdXJwb3NlLCAwODE1 x",
    )
    .unwrap();
    fs::write(
        place.join("escaped"),
        "https://x/?p=planted%20on%20purpose%2C%200815",
    )
    .unwrap();
    fs::write(place.join("innocent"), "planted on purpose, 0816").unwrap();
    let found = needles.below(directory.path(), |path| path.ends_with("plain"));
    let names: Vec<&str> = found
        .iter()
        .filter_map(|line| line.rsplit('/').next())
        .collect();
    assert_eq!(names, ["encoded", "escaped", "long"]);

    for (argument, variable) in [(secret, "nothing"), ("nothing", secret)] {
        let watch = Watch::begin(&needles);
        let mut child = std::process::Command::new("sleep");
        let child = child.args(["60"]).env("PLANTED", variable);
        let mut child = match argument == secret {
            true => std::process::Command::new("sh")
                .args(["-c", "sleep 60; :", secret])
                .spawn()
                .unwrap(),
            false => child.spawn().unwrap(),
        };
        let seen = watch.until_found();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!seen.found.is_empty(), "{argument} {variable}");
    }
}
