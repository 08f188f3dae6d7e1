//! A server whose passphrases change.

use std::fs;
use std::path::PathBuf;

use harness::demo::Story;
use harness::matrix::{Diary, Homeserver};
use harness::world::World;
use serde_json::Value;

pub(super) const UNIT: &str = "synapse/0";

/// A server with a user, and a place for backups.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) homeserver: Homeserver,
    pub(super) diary: Diary,
}

impl Scene {
    pub(super) fn new() -> Self {
        let world = World::new().unwrap();
        let (homeserver, diary) = Story::inhabited(&world).unwrap();
        Self {
            world,
            homeserver,
            diary,
        }
    }

    pub(super) fn juju(&self, words: &[&str]) -> String {
        self.world.juju(words).unwrap().success().unwrap()
    }

    pub(super) fn config(&self, setting: &str) {
        self.juju(&["config", "synapse", setting]);
    }

    pub(super) fn add_secret(&self, name: &str, content: &str) -> String {
        self.juju(&["add-secret", name, content]).trim().to_owned()
    }

    pub(super) fn update_secret_from_file(&self, name: &str, key: &str, text: &str) {
        let file = self.world.path("a secret");
        fs::write(&file, text).unwrap();
        let content = format!("{key}#file={}", file.display());
        self.juju(&["update-secret", name, &content]);
        fs::remove_file(file).unwrap();
    }

    pub(super) fn update_status(&self) {
        self.juju(&["lever", "hook", UNIT, "update-status"]);
    }

    pub(super) fn says(&self, status: &str) {
        assert_eq!(self.world.status(UNIT).unwrap(), status);
    }

    pub(super) fn act(&self, words: &[&str]) -> Value {
        self.world.act(UNIT, words).unwrap().success().unwrap()
    }

    /// What an action says that fails, and its code.
    pub(super) fn refused(&self, words: &[&str]) -> String {
        let refused = self.world.act(UNIT, words).unwrap().failure().unwrap();
        format!("{} [{}]", refused.message, refused.result("error-code"))
    }

    pub(super) fn create(&self) -> String {
        let created = self.act(&["create-backup"]);
        created["backup-id"].as_str().unwrap().to_owned()
    }

    /// Reads a backup back, every byte of it.
    pub(super) fn verify(&self, id: &str) {
        let verified = self.act(&["verify-backup", &format!("backup-id={id}"), "level=full"]);
        assert_eq!(verified["result"], "correct");
    }

    /// The file of an object of a backup, or of the backup itself if it is one object.
    pub(super) fn object(&self, key: &str) -> PathBuf {
        let objects = self.world.store().objects().unwrap();
        let found = objects.iter().map(|(found, _)| found);
        let found: Vec<&String> = found.filter(|found| found.ends_with(key)).collect();
        assert_eq!(found.len(), 1, "{key} in {objects:?}");
        self.world.store().bucket().join(found[0])
    }

    pub(super) fn finish(self) {
        self.world.finish().unwrap();
    }
}
