//! What an operator chooses: what goes into a backup, and what of it comes back.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use harness::demo::Story;
use harness::matrix::{Diary, Homeserver, picture};
use harness::world::World;
use serde_json::Value;

const UNIT: &str = "synapse/0";

/// A server with a user, a text and a picture.
struct Scene {
    world: World,
    homeserver: Homeserver,
    diary: Diary,
    /// Address of the picture.
    media: String,
}

impl Scene {
    fn new() -> Self {
        let world = World::new().unwrap();
        let (homeserver, mut diary) = Story::inhabited(&world).unwrap();
        diary.open_room("Travel").unwrap();
        let media = diary.post("one.png", &picture(1)).unwrap();
        Self {
            world,
            homeserver,
            diary,
            media,
        }
    }

    fn configure(&self, options: &[&str]) {
        let words = [&["config", "synapse"], options].concat();
        self.world.juju(&words).unwrap().success().unwrap();
        self.world.wait_for_status(UNIT, "active", "").unwrap();
    }

    fn act(&self, words: &[&str]) -> Value {
        let action = self.world.act_with_yaml(UNIT, words).unwrap();
        action.success().unwrap()
    }

    fn create(&self, more: &[&str]) -> (String, Value) {
        let created = self.act(&[&["create-backup"], more].concat());
        let id = created["backup-id"].as_str().unwrap();
        (format!("backup-id={id}"), created)
    }

    fn data(&self, name: &str) -> PathBuf {
        self.world.data(UNIT).unwrap().join(name)
    }

    /// The names of all members of a backup.
    fn members(&self, backup: &str) -> Vec<String> {
        let shown = self.act(&["show-backup", backup, "contents=true", "limit=1000"]);
        let rows: Value = serde_json::from_str(shown["contents-json"].as_str().unwrap()).unwrap();
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["path"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Files of one upload, content and thumbnails.
    fn files_of(&self, media: &str) -> Vec<PathBuf> {
        let id = media.rsplit('/').next().unwrap();
        let place = Path::new(&id[..2]).join(&id[2..4]).join(&id[4..]);
        let roots = ["media/local_content", "media/local_thumbnails"];
        roots.map(|root| self.data(root).join(&place)).into()
    }
}

fn lose(path: &Path) {
    match path.is_dir() {
        true => fs::remove_dir_all(path).unwrap(),
        false => fs::remove_file(path).unwrap(),
    }
}

#[test]
fn one_upload_comes_back_and_nothing_else_changes() {
    let mut scene = Scene::new();
    let (backup, _) = scene.create(&[]);
    let later = scene.diary.post("two.png", &picture(2)).unwrap();
    scene.diary.write("after the backup").unwrap();
    let one = scene.media.clone();
    let thumbnail = scene.diary.session().thumbnail(&one).unwrap();
    for path in scene.files_of(&one) {
        lose(&path);
    }
    assert!(scene.diary.session().download(&one).is_err());

    let media = format!("media-id={one}");
    let restored = scene.act(&["restore-backup", &backup, &media]);
    assert_eq!(scene.diary.session().download(&one).unwrap(), picture(1));
    assert_eq!(scene.diary.session().thumbnail(&one).unwrap(), thumbnail);
    assert_eq!(scene.diary.session().download(&later).unwrap(), picture(2));
    scene.diary.check(&scene.homeserver).unwrap();
    let fix_ups = restored["fix-ups"].as_str().unwrap();
    assert!(fix_ups.starts_with("row of "), "{fix_ups}");
    let media = restored["media"].as_str().unwrap();
    assert!(media.starts_with("2 of 2 media"), "{media}");

    let unknown = [
        "restore-backup",
        &backup,
        "media-id=AAAAAAAAAAAAAAAAAAAAAAAA",
    ];
    let refused = scene.world.act_with_yaml(UNIT, &unknown).unwrap();
    let refused = refused.failure().unwrap();
    assert_eq!(refused.result("error-code"), "part-absent");
}

#[test]
fn media_alone_comes_back_and_the_database_stays() {
    let mut scene = Scene::new();
    let (backup, _) = scene.create(&[]);
    scene.diary.write("after the backup").unwrap();
    lose(&scene.data("media/local_content"));
    scene.act(&["restore-backup", &backup, "components=media"]);
    scene.diary.check(&scene.homeserver).unwrap();
    let refused = ["restore-backup", &backup, "components=extra"];
    let refused = scene.world.act_with_yaml(UNIT, &refused).unwrap();
    let refused = refused.failure().unwrap();
    assert_eq!(refused.result("error-code"), "part-invalid");
    assert!(
        refused
            .message
            .contains("it holds keys, config, database, media")
            || refused
                .message
                .contains("It holds keys, config, database, media"),
        "{}",
        refused.message
    );
}

#[test]
fn backup_holds_what_was_chosen_and_a_dry_run_tells_before() {
    let scene = Scene::new();
    fs::create_dir(scene.data("modules")).unwrap();
    fs::write(scene.data("modules/spam.py"), "print()").unwrap();
    fs::write(scene.data("modules/left.tmp"), "x").unwrap();
    scene.configure(&[
        "backup_extra_paths=modules /data/absent",
        "backup_exclude=modules/*.tmp",
        "backup_volume_size=1MiB",
    ]);
    let plan = scene.act(&["create-backup", "dry-run=true"]);
    assert_eq!(plan["result"], "ready");
    let text = plan["plan"].as_str().unwrap();
    for line in [
        "keys ",
        "config ",
        "database ",
        "media ",
        "extra ",
        "not there: extra:absent",
    ] {
        assert!(text.lines().any(|told| told.starts_with(line)), "{text}");
    }
    assert_eq!(plan["components"]["extra"]["files"], "2");

    let (all, created) = scene.create(&[]);
    assert_eq!(created["state"], "finished with warnings");
    let members = scene.members(&all);
    assert!(members.iter().any(|name| name == "data/modules/spam.py"));
    assert!(!members.iter().any(|name| name.ends_with("left.tmp")));

    let (keys, _) = scene.create(&["components=keys,extra"]);
    let members = scene.members(&keys);
    let chosen = |name: &String| name.ends_with(".signing.key") || name.starts_with("data/modules");
    assert!(members.iter().all(chosen), "{members:?}");
    let wrong = ["create-backup", "components=everything"];
    let refused = scene.world.act_with_yaml(UNIT, &wrong).unwrap();
    let refused = refused.failure().unwrap();
    assert_eq!(refused.result("error-code"), "components-invalid");
}

#[test]
fn backup_that_shrank_is_told_in_result_and_status_until_the_next() {
    let scene = Scene::new();
    scene
        .diary
        .session()
        .upload("large", "application/octet-stream", &vec![7; 24 << 20])
        .unwrap();
    scene.create(&[]);
    lose(&scene.data("media/local_content"));
    let (backup, created) = scene.create(&[]);
    assert_eq!(created["state"], "finished with warnings");
    let warnings = created["warnings"].as_str().unwrap();
    assert!(warnings.contains(" % less than backup-"), "{warnings}");
    assert!(
        warnings.contains("2 media of the database have no file"),
        "{warnings}"
    );
    let status = scene.world.status(UNIT).unwrap();
    assert!(status.contains("% less than the one before"), "{status}");
    let shown = scene.act(&["show-backup", &backup]);
    let id = scene.media.rsplit('/').next().unwrap();
    let text = shown["formatted"].as_str().unwrap();
    assert!(text.contains(id), "{text}");
    scene.create(&[]);
    let status = scene.world.status(UNIT).unwrap();
    assert!(!status.contains("less than"), "{status}");
}

#[test]
fn what_was_proven_is_listed_and_nothing_is_left_of_the_rehearsal() {
    let scene = Scene::new();
    let (backup, _) = scene.create(&[]);
    for level in ["quick", "full", "rehearse"] {
        let verified = scene.act(&["verify-backup", &backup, &format!("level={level}")]);
        assert_eq!(verified["result"], "correct", "{verified}");
        let listed = scene.act(&["list-backups"]);
        let table = listed["formatted"].as_str().unwrap();
        assert!(table.contains(level), "{table}");
        let private = fs::read_dir(scene.data(".synapse-operator"));
        let left = private.map_or(0, Iterator::count);
        assert_eq!(left, 0, "after {level}");
    }
    scene.diary.check(&scene.homeserver).unwrap();
}
