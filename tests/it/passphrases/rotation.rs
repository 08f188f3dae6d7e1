//! Backups that are moved from an older passphrase to the current one.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use harness::s3::{Effect, Fault, Operation};

use super::scene::{Scene, UNIT};
use super::{PLAIN, SECRET};

/// The volume of the database, and that of the media, which is large enough for the store to copy most of it by itself.
const FIRST: &str = "volume-0001.tar.gpg";
const MEDIA: &str = "volume-0002.tar.gpg";
const INVENTORY: &str = "inventory.json.gpg";

/// All objects of backups with their bytes, but for what says how a run or a verification went.
fn objects(scene: &Scene) -> Vec<(String, Vec<u8>)> {
    let bucket = scene.world.store().bucket();
    let objects = scene.world.store().objects().unwrap();
    let of_backups = objects.into_iter().filter(|(key, _)| {
        let beside = ["/proof.json", "/run.log", "lease.json"];
        !beside.iter().any(|name| key.ends_with(name))
    });
    of_backups
        .map(|(key, _)| {
            let bytes = fs::read(bucket.join(&key)).unwrap();
            (key, bytes)
        })
        .collect()
}

/// A backup as the Python charm makes it: one object, its key made of the passphrase.
fn seal_as_gpg(passphrase: &str, content: &[u8]) -> Vec<u8> {
    let home = tempfile::tempdir().unwrap();
    let mut gpg = Command::new("gpg")
        .env("GNUPGHOME", home.path())
        .args([
            "--batch",
            "--quiet",
            "--no-symkey-cache",
            "--pinentry-mode",
            "loopback",
        ])
        .args(["--passphrase", passphrase, "--symmetric"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    gpg.stdin.take().unwrap().write_all(content).unwrap();
    let output = gpg.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn rotated_backups_open_with_the_current_passphrase_alone_and_restore() {
    let mut scene = Scene::new();
    scene.diary.open_room("Travel").unwrap();
    scene.diary.write("Before the passphrase changed.").unwrap();
    let picture: Vec<u8> = (0..18_000_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let session = scene.diary.session();
    session
        .upload("whales", "application/octet-stream", &picture)
        .unwrap();
    let id = scene.create();
    let legacy = "backup-20240229010203000004";
    let locked = "backup-20240229010203000005";
    let folder = scene
        .object(&format!("{id}/{MEDIA}"))
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .to_owned();
    fs::write(folder.join(legacy), seal_as_gpg(PLAIN, b"not really")).unwrap();
    fs::write(
        folder.join(locked),
        seal_as_gpg("nobody knows it", b"not really"),
    )
    .unwrap();

    scene.config(&format!("backup_passphrase={SECRET}"));
    let older = format!(
        "active: Backup: {id} opens only with an older passphrase: juju run synapse/leader rotate-passphrase"
    );
    scene.says(&format!(
        "active: Backup: {id} opens with none of the passphrases: set backup_old_passphrases"
    ));
    let old = scene.add_secret("old", &format!("until-november={PLAIN}"));
    scene.juju(&["grant-secret", "old", "synapse"]);
    scene.config(&format!("backup_old_passphrases={old}"));
    scene.says(&older);
    scene.verify(&id);
    let before = objects(&scene);

    let planned = scene
        .world
        .act_with_yaml(UNIT, &["rotate-passphrase", "dry-run=true"]);
    let planned = planned.unwrap().success().unwrap();
    assert_eq!(planned["result"], "ready");
    assert_eq!(planned["backups"], id.as_str());
    assert!(objects(&scene) == before, "a dry run has changed something");

    // Killed while the store copies.
    let store = scene.world.store().server().unwrap();
    store.order(Fault::on(Operation::CopyPart, Effect::Stall).always());
    let task = scene.world.begin(UNIT, &["rotate-passphrase"]).unwrap();
    let copying = || Ok(store.calls(Operation::CopyPart) > 0);
    scene
        .world
        .wait_until("the store to copy", copying)
        .unwrap();
    assert_eq!(scene.world.cancel(task).unwrap().status, "aborted");
    store.clear_faults();
    // What it had come to by then is moved, the other objects are as they were.
    let first = format!("{id}/{FIRST}");
    for ((key, before), (_, killed)) in before.iter().zip(&objects(&scene)) {
        assert_eq!(before != killed, key.ends_with(&first), "{key}");
    }
    assert!(store.open_uploads() > 0);
    scene.verify(&id);

    let rotated = scene.act(&["rotate-passphrase"]);
    let number = |key: &str| rotated[key].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(
        (rotated["rotated"].as_str(), rotated["skipped"].as_str()),
        (Some("1"), Some("0"))
    );
    assert_eq!(
        (
            rotated["backups"].as_str(),
            rotated["legacy"].as_str(),
            rotated["locked"].as_str()
        ),
        (Some(id.as_str()), Some(legacy), Some(locked))
    );
    assert!(number("bytes-copied-by-store") > 1_000_000, "{rotated}");
    assert_eq!(store.open_uploads(), 0, "what the killed run left is open");
    scene.says("active");

    // The heads are others, and not one byte behind them.
    let after = objects(&scene);
    for ((key, before), (_, after)) in before.iter().zip(&after) {
        let sealed = key.contains(&id) && key.ends_with(".gpg");
        assert_eq!(before.get(..48) != after.get(..48), sealed, "{key}");
        assert!(before.get(48..) == after.get(48..), "{key}");
    }

    // Any mixture that runs may leave opens as well, and is brought to its end.
    for name in [INVENTORY, MEDIA] {
        let key = format!("{id}/{name}");
        let (_, bytes) = before
            .iter()
            .find(|(found, _)| found.ends_with(&key))
            .unwrap();
        fs::write(scene.object(&key), bytes).unwrap();
        scene.verify(&id);
        let again = scene.act(&["rotate-passphrase"]);
        assert_eq!(again["backups"], id.as_str(), "{again}");
        let once_more = scene.act(&["rotate-passphrase"]);
        assert_eq!(once_more["skipped"], "1", "{once_more}");
    }

    scene.config("--reset=backup_old_passphrases");
    scene.says("active");
    scene.verify(&id);
    scene.diary.write("Lost with the restore.").unwrap();
    let restored = scene.act(&["restore-backup", &format!("backup-id={id}")]);
    assert_eq!(restored["result"], "correct");
    assert!(scene.diary.check(&scene.homeserver).is_err());
    scene.act(&["rollback-restore"]);
    scene.diary.check(&scene.homeserver).unwrap();
    scene.finish();
}
