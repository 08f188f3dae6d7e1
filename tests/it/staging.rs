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
use synapse_operator::openpgp::{Passphrase, open};

const UNIT: &str = "synapse/0";
const SECRET: &str = "the passphrase of this test";
const VOLUME: &str = "volume-0001.tar.gpg";

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

    /// Leaves what a run leaves that is killed when its only volume is whole.
    fn stage(&self) -> PathBuf {
        let data = self.world.data(UNIT).unwrap();
        let owner = fs::metadata(data.join("homeserver.db")).unwrap();
        let staging = data.join(".synapse-operator/staging");
        let unpacked = staging.join(VOLUME);
        fs::create_dir_all(&unpacked).unwrap();

        let passphrase = Passphrase::parse(&SECRET.into()).unwrap();
        let sealed = std::io::Cursor::new(self.object(VOLUME));
        let mut archive = Vec::new();
        let mut message = open(sealed, &passphrase).unwrap();
        message.read_to_end(&mut archive).unwrap();
        let file = self.world.path("volume.tar");
        fs::write(&file, archive).unwrap();
        let unpacking = Command::new("tar")
            .args(["--extract", "--preserve-permissions"])
            .arg(format!("--file={}", file.display()))
            .arg(format!("--directory={}", unpacked.display()))
            .status();
        assert!(unpacking.unwrap().success());

        let manifest: Value = serde_json::from_slice(&self.object("manifest.json")).unwrap();
        let note = json!({
            "backup": self.id,
            "inventory-sha256": manifest["inventory"]["sha256"],
        });
        fs::write(staging.join("backup.json"), note.to_string()).unwrap();
        fs::write(staging.join(format!("{VOLUME}.done")), "").unwrap();
        own(&data.join(".synapse-operator"), &owner);
        unpacked
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
