//! The relation to the S3 integrator, of both its generations: how each starts talking to us, what it may leave out, take
//! back and replace, and what becomes of a backup that is under way meanwhile.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::thread;

use harness::demo::Story;
use harness::juju::model::{Link, Model, Store};
use harness::s3::{Effect, Fault, Operation, Server};
use harness::world::World;

const UNIT: &str = "synapse/0";
const SILENT: &str = "waiting: Backup: the S3 integrator has not given its credentials yet";

/// A server and an S3 integrator that know nothing of each other.
struct Scene {
    world: World,
}

impl Scene {
    fn new(channel: &str) -> Self {
        let world = World::new().unwrap();
        Story::new(&world, |_| ()).deploy().unwrap();
        let scene = Self { world };
        scene.juju(&["deploy", "s3-integrator", "--channel", channel]);
        scene.juju(&[
            "config",
            "synapse",
            "backup_passphrase=long enough for anybody",
        ]);
        scene
    }

    fn juju(&self, words: &[&str]) -> String {
        self.world.juju(words).unwrap().success().unwrap()
    }

    fn fact(&self, key: &str) -> String {
        format!("{key}={}", self.world.store().fact(key))
    }

    fn store(&self) -> &Server {
        self.world.store().server().unwrap()
    }

    /// Says at the integrator where the bucket is.
    fn place(&self) {
        let (endpoint, bucket) = (self.fact("endpoint"), self.fact("bucket"));
        self.juju(&["config", "s3-integrator", &endpoint, &bucket, "path=demo"]);
    }

    fn integrate(&self) {
        self.juju(&["integrate", "synapse:backup", "s3-integrator"]);
    }

    /// Gives an integrator of the first generation its keys; an empty one is left out of what it tells.
    fn keys(&self, access: &str, secret: &str) {
        let keys = [
            format!("access-key={access}"),
            format!("secret-key={secret}"),
        ];
        let words = [
            "run",
            "s3-integrator/leader",
            "sync-s3-credentials",
            "--string-args",
        ];
        self.juju(&[&words[..], &[&keys[0], &keys[1]]].concat());
    }

    fn says(&self, status: &str) {
        assert_eq!(self.world.status(UNIT).unwrap(), status);
    }

    fn hook(&self) -> String {
        self.juju(&["lever", "hook", UNIT, "update-status"]);
        self.world.status(UNIT).unwrap()
    }

    fn model(&self) -> Model {
        Store::open(self.world.directory_of_model())
            .unwrap()
            .read()
            .unwrap()
    }

    /// The relation, as long as there is one.
    fn link(&self) -> Option<Link> {
        let model = self.model();
        let mut links = model.relations.into_iter();
        links.find(|link| link.end_of("s3-integrator").is_some() && !link.is_peer())
    }

    /// What one side has written.
    fn bag(&self, application: &str) -> BTreeMap<String, String> {
        let bag = self.link().unwrap().bags.remove(application);
        bag.unwrap_or_default()
    }

    fn create(&self) -> serde_json::Value {
        let created = self.world.act(UNIT, &["create-backup"]).unwrap();
        created.success().unwrap()
    }

    /// Makes a backup, and lets something happen while its first part is on its way.
    fn create_while<T: Send>(
        &self,
        happens: impl FnOnce() -> T + Send,
        until: impl Fn() -> bool,
    ) -> serde_json::Value {
        let calls = || self.store().calls(Operation::UploadPart);
        let before = calls();
        self.store()
            .order(Fault::on(Operation::UploadPart, Effect::Hold).always());
        let task = self.world.begin(UNIT, &["create-backup"]).unwrap();
        let there = || Ok(calls() > before);
        self.world.wait_until("the upload to begin", there).unwrap();
        thread::scope(|scope| {
            // Its hook has to wait for the action to end.
            let happening = scope.spawn(happens);
            self.world
                .wait_until("it to happen", || Ok(until()))
                .unwrap();
            self.store().clear_faults();
            let created = self.world.wait_for_task(task).unwrap();
            happening.join().unwrap();
            created.success().unwrap()
        })
    }
}

#[test]
fn first_generation_may_be_late_partial_and_take_back_and_a_broken_relation_ends_no_backup() {
    let scene = Scene::new("1/stable");
    scene.integrate();
    let ours = scene.bag("synapse");
    let number = scene.link().unwrap().id;
    assert_eq!(ours["bucket"], format!("relation-{number}"));
    assert_eq!(ours["lib-version"], "1.0");

    scene.place();
    let (access, secret) = (
        scene.world.store().fact("access-key"),
        scene.world.store().fact("secret-key"),
    );
    scene.says("waiting: Backup: the S3 integrator has not given access-key and secret-key yet");
    scene.keys(&access, "");
    scene.says("waiting: Backup: the S3 integrator has not given secret-key yet");
    scene.keys(&access, &secret);
    scene.says("active");
    scene.create();
    scene.keys("", &secret);
    scene.says("waiting: Backup: the S3 integrator has not given access-key yet");
    let refused = scene.world.act(UNIT, &["create-backup"]).unwrap().failure();
    assert_eq!(
        refused.unwrap().result("error-code"),
        "s3-credentials-awaited"
    );
    scene.keys(&access, &secret);
    scene.says("active");

    // What does nothing is told, and hinders nothing.
    scene.juju(&[
        "config",
        "s3-integrator",
        "experimental-delete-older-than-days=30",
        "attributes=x-amz-meta-team=ops, host=evil",
        "storage-class=STANDARD_IA",
    ]);
    scene.says("active");
    let created = scene.create();
    let notices = created["notices"].as_str().unwrap();
    assert!(
        notices.contains("attribute host is ignored")
            && !notices.contains("delete-older-than-days"),
        "{notices}"
    );
    let headers = scene.store().headers(Operation::CreateUpload).unwrap();
    assert_eq!(headers["x-amz-meta-team"], "ops");

    let remove = || scene.juju(&["remove-relation", "synapse", "s3-integrator"]);
    let created = scene.create_while(remove, || scene.link().is_none_or(|link| link.dying));
    assert_eq!(created["result"], "correct");
    scene.says("active");
    let refused = scene.world.act(UNIT, &["create-backup"]).unwrap().failure();
    assert_eq!(refused.unwrap().result("error-code"), "no-backup-relation");
    scene.world.finish().unwrap();
}

#[test]
fn second_generation_hands_its_keys_over_in_a_secret_that_is_rotated_at_rest_and_during_a_backup() {
    let scene = Scene::new("2/stable");
    scene.integrate();
    scene.says(SILENT);
    scene.place();
    scene.says(SILENT);
    let (access, secret) = (scene.fact("access-key"), scene.fact("secret-key"));
    let uri = scene.juju(&["add-secret", "s3-keys", &access, &secret]);
    let option = format!("credentials={}", uri.trim());
    scene.juju(&["config", "s3-integrator", &option]);
    scene.says(SILENT);
    scene.juju(&["grant-secret", "s3-keys", "s3-integrator"]);
    scene.world.wait_for_status(UNIT, "active", "").unwrap();

    let ours = scene.bag("synapse");
    assert_eq!(ours["lib-version"], "1.0");
    assert_eq!(ours["requested-secrets"], r#"["access-key", "secret-key"]"#);
    assert!(
        !ours.contains_key("bucket"),
        "nobody asked for one to be made"
    );
    let theirs = scene.bag("s3-integrator");
    assert!(
        theirs.contains_key("secret-extra") && !theirs.contains_key("access-key"),
        "{theirs:?}"
    );
    assert_eq!(scene.create()["result"], "correct");

    // At rest: the store takes other keys first, and the secret follows.
    scene.store().rotate_keys("second-access", "second-secret");
    assert!(scene.hook().starts_with("blocked: "));
    let update = |keys: [&str; 2]| scene.juju(&["update-secret", "s3-keys", keys[0], keys[1]]);
    update(["access-key=second-access", "secret-key=second-secret"]);
    scene.says("active");

    // During a backup, which reads the secret anew and goes on.
    let latest = || {
        let model = scene.model();
        let secret = model
            .secrets
            .iter()
            .find(|secret| secret.name.ends_with(".extra.secret"));
        let content = secret.unwrap().content.clone();
        content["access-key"].clone()
    };
    let before = latest();
    let created = scene.create_while(
        || update(["access-key=third-access", "secret-key=third-secret"]),
        || {
            let rotated = latest() != before;
            if rotated {
                scene.store().rotate_keys("third-access", "third-secret");
            }
            rotated
        },
    );
    assert_eq!(created["result"], "correct");
    scene.says("active");
    let id = format!("backup-id={}", created["backup-id"].as_str().unwrap());
    let verified = scene.world.act(UNIT, &["verify-backup", &id]).unwrap();
    assert_eq!(verified.success().unwrap()["result"], "correct");

    // Taken back, and given again.
    scene.juju(&["revoke-secret", "s3-keys", "s3-integrator"]);
    scene.juju(&["lever", "settle"]);
    scene.says(SILENT);
    scene.juju(&["grant-secret", "s3-keys", "s3-integrator"]);
    scene.world.wait_for_status(UNIT, "active", "").unwrap();

    // Nothing of the keys has been told to anybody.
    let log = scene.juju(&["debug-log", "--replay", "--no-tail"]);
    for planted in ["second-secret", "third-secret", "third-access"] {
        assert!(!log.contains(planted), "{planted}");
    }
    scene.world.finish().unwrap();
}
