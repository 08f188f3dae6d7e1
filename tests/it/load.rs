//! Backups of a server that is written to all through, and of files that do not hold still.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use harness::deadline::{Deadline, Look};
use harness::demo::Story;
use harness::load::Load;
use harness::matrix::{Homeserver, Session};
use harness::pod::WORKLOAD_ID;
use harness::world::World;
use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::Value;

const UNIT: &str = "synapse/0";
const SOON: Duration = Duration::from_secs(60);

/// Rows of local media whose file is not there, or has another length.
const LOST: &str = "\
import os, sqlite3
database = sqlite3.connect('file:/data/homeserver.db?mode=ro', uri=True)
rows = database.execute('SELECT media_id, media_length FROM local_media_repository WHERE url_cache IS NULL')
path = lambda media: f'/data/media/local_content/{media[:2]}/{media[2:4]}/{media[4:]}'
size = lambda media: os.path.getsize(path(media)) if os.path.exists(path(media)) else None
print(*(media for media, length in rows if size(media) != length))";

/// Users of a server, who may send as fast as they can.
fn users(world: &World, homeserver: &Homeserver) -> Vec<Session> {
    let register = |name: &str, admin: &str| {
        let words = [
            "register-user",
            &format!("username={name}"),
            &format!("admin={admin}"),
        ];
        let registered = world
            .act_with_yaml(UNIT, &words)
            .unwrap()
            .success()
            .unwrap();
        let password = registered["user-password"].as_str().unwrap().to_owned();
        homeserver.login(name, &password).unwrap()
    };
    let root = register("root", "true");
    let sessions: Vec<Session> = ["anna", "ben", "carl"]
        .map(|name| register(name, "false"))
        .into();
    for session in &sessions {
        root.unleash(session.user_id()).unwrap();
    }
    sessions
}

fn manifest(world: &World, id: &str) -> Value {
    let path = format!("demo.example/{id}/manifest.json");
    let text = fs::read(world.store().bucket().join(path)).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn create(world: &World) -> Value {
    let created = world.act(UNIT, &["create-backup"]).unwrap();
    created.success().unwrap()
}

fn id(created: &Value) -> &str {
    created["backup-id"].as_str().unwrap()
}

#[test]
fn what_was_acknowledged_before_the_snapshot_is_there_after_a_restore_and_all_media_has_its_file() {
    let world = World::new().unwrap();
    let story = Story::new(&world, |_| ());
    story.deploy().unwrap();
    story.connect().unwrap();
    let homeserver = world.homeserver(UNIT).unwrap();
    let load = Load::begin(users(&world, &homeserver));
    let goes_on = || {
        let before = load.messages();
        let more = || Ok(load.messages() > before + 30);
        world.wait_until("the load to be under way", more).unwrap();
    };
    goes_on();
    let (mut before, begun) = (load.messages(), SystemTime::now());
    let created = create(&world);
    before = load.messages() - before;
    goes_on();
    let record = load.finish().unwrap();
    assert_eq!(created["result"], "correct");
    let made = manifest(&world, id(&created));
    let started: Timestamp = made["started"].as_str().unwrap().parse().unwrap();
    let started = SystemTime::from(started);
    let (early, all) = (record.before(started), record.before(SystemTime::now()));
    println!(
        "{early:?} of {all:?}, {before} messages while it was made; {}",
        made["snapshot"]
    );
    assert!(started >= begun - Duration::from_secs(1) && before > 0);
    assert!(early.events >= 30 && early.media >= 5 && early.events < all.events);
    let media = &made["media"];
    assert_eq!(
        (&media["missing"], &media["wrong"]),
        (&0.into(), &0.into()),
        "{media}"
    );
    assert!(media["rows"].as_u64().unwrap() >= early.media as u64);

    let backup = format!("backup-id={}", id(&created));
    let restored = world.act(UNIT, &["restore-backup", &backup]).unwrap();
    restored.success().unwrap();
    record.check(&homeserver, started).unwrap();
    let late = SystemTime::now();
    assert!(
        record.check(&homeserver, late).is_err(),
        "it was no restore"
    );
    let words = ["python3", "-c", LOST];
    let lost = world
        .pod(UNIT)
        .unwrap()
        .workload_command(&words)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(lost.stdout).unwrap(),
        "\n",
        "{:?}",
        lost.stderr
    );

    let private = world.data(UNIT).unwrap().join(".synapse-operator");
    assert!(
        !private.join("snapshot").exists(),
        "the copy is still there"
    );
    let again = manifest(&world, id(&create(&world)));
    assert!(
        !private.join("snapshot").exists(),
        "the copy is still there"
    );
    let database = |manifest: &Value| manifest["components"]["database"]["members"].clone();
    assert_eq!((database(&made), database(&again)), (1.into(), 1.into()));
    let content = |manifest: &Value| manifest["content"].as_u64().unwrap();
    assert!(
        content(&again) < content(&made) * 5 / 4,
        "{} after {}",
        content(&again),
        content(&made)
    );
    world.finish().unwrap();
}

/// A file of a directory that a process has open, and how far it has read.
fn open_below(process: i32, directory: &str) -> Option<(PathBuf, u64)> {
    let table = format!("/proc/{process}");
    for entry in fs::read_dir(format!("{table}/fd")).ok()? {
        let number = entry.ok()?.file_name().to_string_lossy().into_owned();
        let path = fs::read_link(format!("{table}/fd/{number}")).unwrap_or_default();
        let facts = fs::read_to_string(format!("{table}/fdinfo/{number}")).unwrap_or_default();
        let at = facts
            .strip_prefix("pos:")
            .and_then(|rest| rest.lines().next());
        if let (true, Some(at)) = (path.to_string_lossy().contains(directory), at) {
            match at.trim().parse() {
                Ok(at)
                    if at > 0
                        && fs::metadata(format!("{table}/fd/{number}"))
                            .is_ok_and(|facts| facts.is_file()) =>
                {
                    return Some((path, at));
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
    None
}

#[test]
fn files_that_shrink_vanish_and_grow_while_they_are_read_are_counted_and_named() {
    const SIZE: u64 = 96 << 20;
    let world = World::new().unwrap();
    Story::inhabited(&world).unwrap();
    let directory = world.data(UNIT).unwrap().join("media/local_content/zz/zz");
    fs::create_dir_all(&directory).unwrap();
    for name in ["one", "two", "three"] {
        let path = directory.join(name);
        File::create(&path).unwrap().set_len(SIZE).unwrap();
        chown(&path, Some(WORKLOAD_ID), Some(WORKLOAD_ID)).unwrap();
    }
    let task = world.begin(UNIT, &["create-backup"]).unwrap();
    let begun = Deadline::after(SOON);
    // The first of them is being read, and the charm stands still: so does `tar`, as nobody takes what it reads.
    let (charm, reading) = begun
        .wait_for("tar to read one of the files", || {
            let Ok(tar) = world.tar(UNIT) else {
                return Ok(Look::NotYet("no tar"));
            };
            let Some((path, at)) = open_below(tar.id(), "/zz/zz/") else {
                return Ok(Look::NotYet("none is open"));
            };
            let charm = world.charm_process(UNIT)?.unwrap();
            charm.signal(Signal::STOP)?;
            assert!(at < SIZE, "it was missed");
            Ok(Look::Done((charm, path)))
        })
        .unwrap();
    let tar = world.tar(UNIT).unwrap().id();
    let mut seen = (0, 0);
    begun
        .wait_for("tar to stand still", || {
            let (path, at) = open_below(tar, "/zz/zz/").unwrap();
            assert_eq!(path, reading);
            seen = if seen.0 == at {
                (at, seen.1 + 1)
            } else {
                (at, 0)
            };
            Ok(if seen.1 > 30 {
                Look::Done(())
            } else {
                Look::NotYet(at)
            })
        })
        .unwrap();

    let reading = reading.file_name().unwrap();
    let mut others: Vec<PathBuf> = ["one", "two", "three"]
        .iter()
        .filter(|name| **name != reading.to_string_lossy())
        .map(|name| directory.join(name))
        .collect();
    let (vanishing, growing) = (others.pop().unwrap(), others.pop().unwrap());
    File::options()
        .write(true)
        .open(directory.join(reading))
        .unwrap()
        .set_len(seen.0)
        .unwrap();
    fs::remove_file(&vanishing).unwrap();
    let over = AtomicBool::new(false);
    let ended = std::thread::scope(|threads| {
        threads.spawn(|| grow(&growing, &over));
        charm.signal(Signal::CONT).unwrap();
        let ended = world.wait_for_task(task);
        over.store(true, Ordering::Relaxed);
        ended
    });
    let created = ended.unwrap().success().unwrap();
    assert_eq!(created["state"], "finished with warnings");
    let warnings = created["warnings"].as_str().unwrap();
    assert!(
        warnings.contains("3 files changed while they were read"),
        "{created}"
    );
    let changed = created["changed"].as_str().unwrap();
    assert_eq!(changed.lines().count(), 3, "{changed}");
    for (path, what) in [
        (directory.join(reading), "padding with zeros"),
        (vanishing, "File removed before we read it"),
        (growing, "file changed as we read it"),
    ] {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let told = changed
            .lines()
            .any(|line| line.contains(&format!("zz/zz/{name}:")) && line.contains(what));
        assert!(told, "{name}: {changed}");
    }
    let backup = format!("backup-id={}", id(&created));
    let verified = world
        .act(UNIT, &["verify-backup", &backup, "level=rehearse"])
        .unwrap();
    let verified = verified.success().unwrap();
    assert!(
        verified["checked"]
            .as_str()
            .unwrap()
            .contains("the start of Synapse"),
        "{verified}"
    );
    let scratch = world.data(UNIT).unwrap().join(".synapse-operator/proof");
    assert!(!scratch.exists(), "what was unpacked is still there");
    world.finish().unwrap();
}

fn grow(path: &Path, over: &AtomicBool) {
    let mut file = File::options().append(true).open(path).unwrap();
    while !over.load(Ordering::Relaxed) {
        file.write_all(b"more").unwrap();
        std::thread::yield_now();
    }
}
