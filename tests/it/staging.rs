//! A restore that goes on where a killed one had come to: volumes that lie whole on the data volume are used again.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::demo::Story;
use harness::world::World;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use synapse_operator::openpgp::{Passphrase, open};

const UNIT: &str = "synapse/0";
const SECRET: &str = "the passphrase of this test";
/// The volume that the picture is in; the database is in one of its own.
const VOLUME: &str = "volume-0002.tar.gpg";
const FIRST: &str = "volume-0001.tar.gpg";

struct Scene {
    world: World,
    id: String,
}

impl Scene {
    /// A server with a backup that holds one picture.
    fn new() -> Self {
        let world = World::new().unwrap();
        let (_, diary) = Story::inhabited(&world).unwrap();
        let option = format!("backup_passphrase={SECRET}");
        let set = world.juju(&["config", "synapse", &option]).unwrap();
        set.success().unwrap();
        let session = diary.session();
        session
            .upload("picture", "image/png", &vec![7; 300_000])
            .unwrap();
        let created = world.act(UNIT, &["create-backup"]).unwrap();
        let results = created.success().unwrap();
        let id = results["backup-id"].as_str().unwrap().to_owned();
        Self { world, id }
    }

    fn object(&self, name: &str) -> Vec<u8> {
        let objects = self.world.store().objects().unwrap();
        let key = objects
            .iter()
            .map(|(key, _)| key)
            .find(|key| key.ends_with(&format!("{}/{name}", self.id)));
        fs::read(self.world.store().bucket().join(key.unwrap())).unwrap()
    }

    /// Leaves what a run leaves that is killed when all its volumes are whole.
    fn stage(&self) -> PathBuf {
        let data = self.world.data(UNIT).unwrap();
        let owner = fs::metadata(data.join("homeserver.db")).unwrap();
        let staging = data.join(".synapse-operator/staging");
        for volume in [FIRST, VOLUME] {
            self.unpack(volume, &staging.join(volume));
            fs::write(staging.join(format!("{volume}.done")), "").unwrap();
        }
        let bytes = self.object("manifest.json");
        let manifest: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(manifest["volumes"].as_array().unwrap().len(), 2);
        let digest = Sha256::digest(&bytes);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let note = json!({
            "backup": self.id,
            "manifest-sha256": digest,
            "scope": manifest["places"],
        });
        fs::write(staging.join("backup.json"), note.to_string()).unwrap();
        own(&data.join(".synapse-operator"), &owner);
        staging.join(VOLUME)
    }

    fn unpack(&self, volume: &str, into: &Path) {
        fs::create_dir_all(into).unwrap();
        let passphrase = Passphrase::parse(&SECRET.into()).unwrap();
        let sealed = std::io::Cursor::new(self.object(volume));
        let mut archive = Vec::new();
        let mut message = open(sealed, &passphrase).unwrap();
        message.read_to_end(&mut archive).unwrap();
        let file = self.world.path("volume.tar");
        fs::write(&file, archive).unwrap();
        let unpacking = Command::new("tar")
            .args(["--extract", "--preserve-permissions"])
            .arg(format!("--file={}", file.display()))
            .arg(format!("--directory={}", into.display()))
            .status();
        assert!(unpacking.unwrap().success());
    }

    fn restore(&self) {
        let id = format!("backup-id={}", self.id);
        let restored = self.world.act(UNIT, &["restore-backup", &id]).unwrap();
        assert_eq!(restored.success().unwrap()["result"], "correct");
    }
}

/// Gives a tree to the owner of something else.
fn own(path: &Path, owner: &fs::Metadata) {
    chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            own(&entry.unwrap().path(), owner);
        }
    }
}

/// The largest file of a tree: the picture, wherever Synapse has put it.
fn picture(root: &Path) -> PathBuf {
    let mut found = Vec::new();
    let mut ways = vec![root.to_owned()];
    while let Some(path) = ways.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            ways.extend(entries.map(|entry| entry.unwrap().path()));
        } else if path.iter().any(|part| part == "local_content") {
            found.push((metadata.len(), path));
        }
    }
    found.into_iter().max().unwrap().1
}

#[test]
fn whole_volume_of_a_killed_run_is_used_again_and_an_altered_one_is_not() {
    let scene = Scene::new();
    let live = scene.world.data(UNIT).unwrap().join("media");

    let staged = fs::metadata(picture(&scene.stage())).unwrap();
    scene.restore();
    let restored = fs::metadata(picture(&live)).unwrap();
    assert_eq!(restored.ino(), staged.ino(), "it was fetched again");

    // The same size, the same mode, and one other byte.
    let altered = picture(&scene.stage());
    let mut content = fs::read(&altered).unwrap();
    content[150_000] ^= 1;
    fs::write(&altered, content).unwrap();
    let staged = fs::metadata(&altered).unwrap();
    scene.restore();
    let restored = picture(&live);
    assert_ne!(fs::metadata(&restored).unwrap().ino(), staged.ino());
    assert_eq!(fs::read(restored).unwrap(), vec![7; 300_000]);
    scene.world.finish().unwrap();
}
