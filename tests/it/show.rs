//! `show-backup` and `list-backups` of backups in every state, as an operator meets them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use harness::demo::Story;
use harness::matrix::Diary;
use harness::s3::{Effect, Fault, Operation};
use harness::world::World;
use serde_json::Value;

const UNIT: &str = "synapse/0";

struct Scene {
    world: World,
}

impl Scene {
    fn new() -> Self {
        let world = World::new().unwrap();
        let story = Story::new(&world, |_| ());
        story.deploy().unwrap();
        story.connect().unwrap();
        Self { world }
    }

    fn act(&self, words: &[&str]) -> Value {
        let done = self.world.act(UNIT, words).unwrap();
        done.success()
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    fn code(&self, words: &[&str]) -> String {
        let failed = self.world.act(UNIT, words).unwrap().failure().unwrap();
        failed.result("error-code").to_owned()
    }

    fn show(&self, id: &str, more: &[&str]) -> Value {
        let id = format!("backup-id={id}");
        self.act(&[&["show-backup", &id], more].concat())
    }

    /// The paths of one page, and where the next one begins.
    fn page(&self, id: &str, more: &[&str]) -> (Vec<String>, Option<String>) {
        let results = self.show(id, &[&["contents=true"], more].concat());
        let rows: Value = serde_json::from_str(results["contents-json"].as_str().unwrap()).unwrap();
        let rows = rows.as_array().unwrap().iter();
        let paths = rows.map(|row| row["path"].as_str().unwrap().to_owned());
        let next = results["next-after"].as_str().map(str::to_owned);
        (paths.collect(), next)
    }

    fn states(&self) -> Vec<(String, String)> {
        let results = self.act(&["list-backups"]);
        let rows: Value = serde_json::from_str(results["backups-json"].as_str().unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| (text(&row["backup-id"]), text(&row["state"])))
            .collect()
    }
}

#[test]
fn backup_is_shown_in_every_state_and_page_by_page() {
    let scene = Scene::new();
    let homeserver = scene.world.homeserver(UNIT).unwrap();
    let registered = scene.act(&["register-user", "username=anna"]);
    let password = registered["user-password"].as_str().unwrap();
    let diary = Diary::begin(&homeserver, "anna", password).unwrap();
    for name in ["one", "two", "three"] {
        let upload = diary.session().upload(name, "image/png", name.as_bytes());
        upload.unwrap();
    }
    let created = scene.act(&["create-backup"]);
    let id = created["backup-id"].as_str().unwrap().to_owned();

    let shown = scene.show(&id, &[]);
    assert_eq!(shown["state"], "finished");
    assert_eq!(shown["inventory"], "opened");
    assert_eq!(shown["files"], created["files"]);
    assert!(shown["components"]["media"]["files"].as_str().unwrap() >= "3");
    assert!(shown["run.log"].is_null());
    let text = shown["formatted"].as_str().unwrap();
    assert!(
        text.contains("log of run") && text.contains("database"),
        "{text}"
    );
    let json: Value = serde_json::from_str(shown["backup-json"].as_str().unwrap()).unwrap();
    assert_eq!(json["manifest"]["id"], id.as_str());

    let verify = ["verify-backup", &format!("backup-id={id}"), "level=quick"];
    let _ = scene.act(&verify);
    let proven = scene.show(&id, &[]);
    assert_eq!(proven["proofs"]["quick"]["result"], "good", "{proven}");

    // Page by page it is the same as at once.
    let (all, end) = scene.page(&id, &[]);
    assert_eq!(
        (all.len().to_string(), end),
        (created["files"].as_str().unwrap().to_owned(), None)
    );
    let (mut paged, mut after) = (Vec::new(), Some("0".to_owned()));
    while let Some(from) = after {
        let page = scene.page(&id, &["limit=4", &format!("after={from}")]);
        assert!(page.0.len() <= 4 && !page.0.is_empty());
        paged.extend(page.0);
        after = page.1;
    }
    assert_eq!(paged, all);
    assert_eq!(
        scene.page(&id, &["match=homeserver.db"]).0,
        ["data/homeserver.db"]
    );
    let keys = scene.page(&id, &["match=data/*.signing.key"]).0;
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert!(scene.page(&id, &["match=nothing-like-it"]).0.is_empty());

    // Another passphrase shows what is clear, and no contents.
    let set = |passphrase: &str| {
        let option = format!("backup_passphrase={passphrase}");
        let set = scene.world.juju(&["config", "synapse", &option]).unwrap();
        set.success().unwrap();
    };
    set("not the passphrase it was");
    let shut = scene.show(&id, &[]);
    assert_eq!(
        shut["inventory"],
        "the passphrase that is set does not open it"
    );
    assert_eq!(shut["server-name"], shown["server-name"]);
    let contents = ["show-backup", &format!("backup-id={id}"), "contents=true"];
    assert_eq!(scene.code(&contents), "decryption-failed");

    // A run that fails says why, in the bucket; one that is killed cannot.
    let store = scene.world.store().server().unwrap();
    let refuse = Effect::refuse(403, "AccessDenied");
    store.order(Fault::on(Operation::UploadPart, refuse).always());
    assert_eq!(scene.code(&["create-backup"]), "access-denied");
    store.clear_faults();
    let (failed, state) = scene.states().pop().unwrap();
    assert!(state.starts_with("failed: failed to upload"), "{state}");
    let told = scene.show(&failed, &[]);
    assert_eq!(told["failure"]["code"], "access-denied");
    let contents = [
        "show-backup",
        &format!("backup-id={failed}"),
        "contents=true",
    ];
    assert_eq!(scene.code(&contents), "no-inventory");

    let calls = store.calls(Operation::CompleteUpload);
    store.order(Fault::on(Operation::CompleteUpload, Effect::Stall).always());
    let task = scene.world.begin(UNIT, &["create-backup"]).unwrap();
    let stalled = || Ok(store.calls(Operation::CompleteUpload) > calls);
    scene
        .world
        .wait_until("a backup to stand still", stalled)
        .unwrap();
    let _ = scene.world.cancel(task).unwrap();
    store.clear_faults();
    // Its lease is still there, and says so until it ends.
    let (_, state) = scene.states().pop().unwrap();
    assert!(state.starts_with("in progress (synapse/0 since "), "{state}");

    // And the Python charm's, and one that has lost a volume.
    let bucket = scene.world.store().bucket().join("demo.example");
    let legacy = "backup-20200101000000000001";
    fs::write(bucket.join(legacy), "of the Python charm").unwrap();
    assert_eq!(scene.show(legacy, &[])["state"], "legacy");
    fs::remove_file(bucket.join(&id).join("volume-0001.tar.gpg")).unwrap();
    let damaged = scene.show(&id, &[]);
    assert_eq!(damaged["state"], "damaged: volume-0001.tar.gpg is missing");

    for rest in [&failed, legacy] {
        let _ = scene.act(&["delete-backup", &format!("backup-id={rest}")]);
    }
    let left: Vec<String> = scene.states().into_iter().map(|(_, state)| state).collect();
    assert_eq!(left, ["damaged: volume-0001.tar.gpg is missing"]);
    let shut: Vec<String> = scene
        .world
        .store()
        .objects()
        .unwrap()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert!(shut.iter().all(|key| !key.contains(&failed)), "{shut:?}");
    scene.world.finish().unwrap();
}
