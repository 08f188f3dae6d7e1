//! Actions that are killed, or that the store lets down, in the middle: what was there stays, and the next one works.
//!
//! A fault of the store makes the moment certain: the action is known to stand still exactly there. That an upload is
//! tried again before it is given up, for how long and how often, is shown with shorter times in the store's own room.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use harness::demo::Story;
use harness::matrix::{Diary, Homeserver};
use harness::pod::Process;
use harness::s3::{Effect, Fault, Operation, Server};
use harness::world::World;
use serde_json::Value;

const UNIT: &str = "synapse/0";
const MIB: usize = 1 << 20;

/// A server with a user who writes, and with a place for backups.
struct Scene {
    world: World,
    homeserver: Homeserver,
    synapse: Process,
    diary: Diary,
}

impl Scene {
    fn new() -> Self {
        let world = World::new().unwrap();
        let (homeserver, mut diary) = Story::inhabited(&world).unwrap();
        diary.open_room("Travel").unwrap();
        diary.write("before the backup").unwrap();
        let synapse = world.synapse(UNIT).unwrap();
        Self {
            world,
            homeserver,
            synapse,
            diary,
        }
    }

    fn store(&self) -> &Server {
        self.world.store().server().unwrap()
    }

    fn create(&self) -> String {
        let created = self.world.act(UNIT, &["create-backup"]).unwrap();
        let results = created.success().unwrap();
        results["backup-id"].as_str().unwrap().to_owned()
    }

    /// Each backup that is listed, and how it stands.
    fn listed(&self) -> Vec<(String, String)> {
        let listed = self.world.act(UNIT, &["list-backups"]).unwrap();
        let results = listed.success().unwrap();
        let rows: Value = serde_json::from_str(results["backups-json"].as_str().unwrap()).unwrap();
        let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| (text(row, "backup-id"), text(row, "state")))
            .collect()
    }

    /// What is listed is one backup that seems to be at work: nobody knows yet that its process was killed.
    fn is_at_work(&self) {
        let listed = self.listed();
        let [(_, state)] = &listed[..] else {
            panic!("{listed:?}");
        };
        assert!(state.starts_with("in progress (synapse/0 "), "{listed:?}");
    }

    /// Starts an action, and kills it when it has come to the call at which it is to stand still.
    fn kill_at(&self, words: &[&str], still: Fault) {
        let before = self.store().struck();
        let what = format!("{words:?} to come to {still:?}");
        self.store().order(still.always());
        let task = self.world.begin(UNIT, words).unwrap();
        let there = || Ok(self.store().struck() > before);
        self.world.wait_until(&what, there).unwrap();
        let killed = self.world.cancel(task).unwrap();
        assert_eq!(killed.status, "aborted", "{killed:?}");
        self.store().clear_faults();
        // What was killed could not say so; the next hook finds how things stand.
        self.world
            .juju(&["lever", "hook", UNIT, "update-status"])
            .unwrap()
            .success()
            .unwrap();
    }

    /// The Synapse that has run all along still serves its users.
    fn untouched(&self) {
        assert_eq!(self.world.synapse(UNIT).unwrap(), self.synapse);
        self.homeserver
            .resume(self.diary.session().token())
            .unwrap();
        assert_eq!(self.world.status(UNIT).unwrap(), "active");
    }

    /// Names in the charm's private directory on the data volume, but that of the time of the last sweep.
    fn private(&self) -> Vec<String> {
        let mut names = names(&self.world.data(UNIT).unwrap().join(".synapse-operator"));
        names.retain(|name| name != "swept");
        names
    }
}

fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn killed_create_is_no_backup_and_the_next_one_works() {
    let scene = Scene::new();
    let create = ["create-backup"];
    let stall = |operation| Fault::on(operation, Effect::Stall);

    scene.kill_at(&create, stall(Operation::UploadPart));
    scene.untouched();
    scene.is_at_work();

    // All is in the bucket but the commit, which is the last.
    let commit = stall(Operation::PutObject).starting_at("/manifest.json");
    scene.kill_at(&create, commit);
    scene.untouched();
    scene.is_at_work();
    let objects = scene.world.store().objects().unwrap();
    let left: Vec<&str> = objects
        .iter()
        .filter_map(|(key, _)| key.split('/').nth(1))
        .filter(|name| name.starts_with("backup-"))
        .collect();
    assert_eq!(left.len(), 3, "{objects:?}");
    let restore = ["restore-backup", &format!("backup-id={}", left[0])];
    let refused = scene.world.act(UNIT, &restore).unwrap().failure().unwrap();
    assert_eq!(
        refused.result("error-code"),
        "backup-not-found",
        "{refused:?}"
    );
    let delete = ["delete-backup", &format!("backup-id={}", left[0])];
    let deleted = scene.world.act(UNIT, &delete).unwrap().success().unwrap();
    assert_eq!(deleted["objects"], "3");
    assert!(
        deleted["note"]
            .as_str()
            .unwrap()
            .contains("no finished backup"),
        "{deleted}"
    );

    let id = scene.create();
    assert_eq!(scene.listed(), [(id, "finished".to_owned())]);
    assert_eq!(
        scene.private(),
        [""; 0],
        "what the killed ones left is gone"
    );
    scene.untouched();
    scene.world.finish().unwrap();
}

#[test]
fn killed_restore_leaves_the_old_data_and_the_next_one_works() {
    let mut scene = Scene::new();
    // Enough that the volume does not pass in one go.
    let session = scene.diary.session();
    session
        .upload("large.bin", "application/octet-stream", &vec![7; 3 * MIB])
        .unwrap();
    let saved = scene.diary.clone();
    let id = scene.create();
    scene.diary.write("after the backup").unwrap();
    let restore = ["restore-backup", &format!("backup-id={id}")];

    // Of the volume one half arrives.
    let half = Fault::on(Operation::GetObject, Effect::StallBody(MIB as u64));
    scene.kill_at(&restore, half.starting_at("/volume-0001.tar.gpg"));
    scene.untouched();
    scene.diary.check(&scene.homeserver).unwrap();
    assert_eq!(scene.private(), [""; 0], "what was not whole is gone");

    let answer = scene.world.act(UNIT, &restore).unwrap().success().unwrap();
    assert_eq!(answer["result"], "correct");
    saved.check(&scene.homeserver).unwrap();
    assert!(
        scene.diary.check(&scene.homeserver).is_err(),
        "what came after the backup is still there"
    );
    assert_eq!(scene.private(), ["previous"]);
    let status = scene.world.status(UNIT).unwrap();
    assert!(status.starts_with("active: "), "{status}");
    scene.world.finish().unwrap();
}

#[test]
fn store_that_fails_in_the_middle_is_the_cause_and_nothing_is_left() {
    let scene = Scene::new();
    let kept = scene.create();
    let objects = scene.world.store().objects().unwrap();
    // A store that never answers well is given up after fifteen times as long.
    let impatient = ["config", "synapse", "backup_stall_seconds=1"];
    scene.world.juju(&impatient).unwrap().success().unwrap();
    let mut told = String::new();
    let mut fail = |words: &[&str], what: &str, fault: Fault| {
        scene.store().order(fault);
        let failed = scene.world.act(UNIT, words).unwrap().failure().unwrap();
        scene.store().clear_faults();
        told += &format!(
            "{what}:\n  {} [{}]\n",
            failed.message,
            failed.result("error-code")
        );
        // A lease that the store does not let us give back ends by itself, and a run that failed leaves word.
        let mut left = scene.world.store().objects().unwrap();
        let words = ["/lease.json", "/failed.json", "/run.log"];
        let is_word = |key: &str| words.iter().any(|word| key.ends_with(word));
        left.retain(|(key, _)| key.contains(&kept) || !is_word(key));
        assert_eq!(left, objects, "{what}");
        assert_eq!(scene.store().open_uploads(), 0, "{what}");
        assert_eq!(scene.private(), [""; 0], "{what}");
        scene.untouched();
    };

    let create = ["create-backup"];
    let on = Fault::on;
    let unavailable = || Effect::refuse(503, "SlowDown");
    fail(
        &create,
        "403 at a part",
        on(Operation::UploadPart, Effect::refuse(403, "AccessDenied")).always(),
    );
    fail(
        &create,
        "503 at completion",
        on(Operation::CompleteUpload, unavailable()).always(),
    );
    fail(
        &create,
        "connection cut at completion",
        on(Operation::CompleteUpload, Effect::Drop).always(),
    );
    let hidden = Effect::refuse(200, "InternalError");
    fail(
        &create,
        "error in a 200 at completion",
        on(Operation::CompleteUpload, hidden).always(),
    );
    fail(
        &create,
        "503 at the manifest",
        on(Operation::PutObject, unavailable())
            .starting_at("/manifest.json")
            .always(),
    );
    fail(
        &create,
        "object lost after completion",
        on(Operation::CompleteUpload, Effect::Forget),
    );
    fail(
        &create,
        "object shortened after completion",
        on(Operation::CompleteUpload, Effect::Shorten),
    );

    let restore = ["restore-backup", &format!("backup-id={kept}")];
    let volume = |effect| {
        on(Operation::GetObject, effect)
            .starting_at("/volume-0001.tar.gpg")
            .always()
    };
    fail(
        &restore,
        "403 at the volume",
        volume(Effect::refuse(403, "AccessDenied")),
    );
    fail(
        &restore,
        "volume cut at its first byte",
        volume(Effect::Cut(0)),
    );

    let told = told.replace(&kept, "<kept>");
    let told = regex::Regex::new("backup-[0-9]{20}")
        .unwrap()
        .replace_all(&told, "<new>")
        .into_owned();
    let told = told.replace(&scene.store().endpoint(), "<store>");
    let told = regex::Regex::new(r"\b[0-9]{5,}\b")
        .unwrap()
        .replace_all(&told, "<bytes>")
        .into_owned();
    insta::assert_snapshot!(told, @r"
    403 at a part:
      Error Creating Backup. Failed to upload <new>/volume-0001.tar.gpg: <store> does not allow to write part 1 of <new>/volume-0001.tar.gpg. Allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key. [access-denied]
    503 at completion:
      Error Creating Backup. Failed to upload <new>/volume-0001.tar.gpg: store refused to complete the upload of <new>/volume-0001.tar.gpg: SlowDown (503): ordered by the test. The store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays. [store-failed]
    connection cut at completion:
      Error Creating Backup. Failed to upload <new>/volume-0001.tar.gpg: connection to <store> broke while trying to complete the upload of <new>/volume-0001.tar.gpg: client error (SendRequest): connection closed before message completed. Check the network and the store, then try again. [store-failed]
    error in a 200 at completion:
      Error Creating Backup. Failed to upload <new>/volume-0001.tar.gpg: store refused to complete the upload of <new>/volume-0001.tar.gpg: InternalError (200): ordered by the test. See the store's message and its log. [store-failed]
    503 at the manifest:
      Error Creating Backup. Failed to upload <new>/manifest.json: store refused to write <new>/manifest.json: SlowDown (503): ordered by the test. The store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays. [store-failed]
    object lost after completion:
      Error Creating Backup. Failed to upload <new>/volume-0001.tar.gpg: store has no bytes of <new>/volume-0001.tar.gpg where <bytes> were sent. Try again; if it stays, do not trust this store or what lies between. [store-failed]
    object shortened after completion:
      Error Creating Backup. Failed to upload <new>/volume-0001.tar.gpg: store has <bytes> bytes of <new>/volume-0001.tar.gpg where <bytes> were sent. Try again; if it stays, do not trust this store or what lies between. [store-failed]
    403 at the volume:
      Error Restoring Backup. Failed to download <kept>/volume-0001.tar.gpg: <store> does not allow to read <kept>/volume-0001.tar.gpg. Allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key. Nothing was changed, and Synapse was not stopped. [access-denied]
    volume cut at its first byte:
      Error Restoring Backup. Failed to download <kept>/volume-0001.tar.gpg: connection to <store> broke while trying to read <kept>/volume-0001.tar.gpg: error reading a body from connection: end of file before message length reached. Check the network and the store, then try again. Nothing was changed, and Synapse was not stopped. [store-failed]
    ");
    let mut listed = scene.listed();
    listed.retain(|(_, state)| state == "finished");
    assert_eq!(listed, [(kept, "finished".to_owned())]);
    let mut failed = scene.listed();
    failed.retain(|(_, state)| state.starts_with("failed: "));
    // Of one run the store took no word either.
    assert_eq!(failed.len(), 6, "{failed:?}");
    scene.world.finish().unwrap();
}
