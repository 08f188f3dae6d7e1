//! What bad input gets: an answer in time that names the value and the remedy, and nothing else happens.
//!
//! All messages stand together in one text at the end, so that a person can read them. One server goes through all of it:
//! each refusal leaves Synapse running as it did and the bucket as it was.

#![expect(clippy::unwrap_used, reason = "tests")]

mod volume;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use harness::matrix::{Diary, Homeserver};
use harness::pod::Process;
use harness::s3::{CertificateAuthority, Effect, Fault, Operation, Options, Server};
use harness::world::{Action, World};
use regex::Regex;
use volume::SmallVolume;

const UNIT: &str = "synapse/0";
/// What the charm may take to refuse.
const PATIENCE: Duration = Duration::from_secs(3);
/// What a busy machine may add to it. Asking a silent store twice would still be noticed.
const SLACK: Duration = Duration::from_millis(1_500);

/// A server, what it must keep, and all that was told.
struct Scene {
    world: World,
    told: String,
    kept: Option<Kept>,
}

/// What no refusal may change.
struct Kept {
    homeserver: Homeserver,
    synapse: Process,
    diary: Diary,
    id: String,
    objects: Vec<(String, u64)>,
}

impl Scene {
    fn juju(&self, words: &[&str]) {
        self.world.juju(words).unwrap().success().unwrap();
    }

    fn hook(&self, name: &str) {
        self.juju(&["lever", "hook", UNIT, name]);
    }

    fn store(&self) -> &Server {
        self.world.store().server().unwrap()
    }

    fn head(&mut self, text: &str) {
        self.tell(text);
    }

    /// Notes a line; it is seen at once when the test fails before its end.
    fn tell(&mut self, line: &str) {
        println!("{line}");
        self.told += line;
        self.told.push('\n');
    }

    fn status(&mut self) {
        let status = self.world.status(UNIT).unwrap();
        self.tell(&format!("  status            {status}"));
    }

    /// Runs an action that must be refused, and notes what it says.
    fn refuse(&mut self, words: &[&str]) -> Action {
        self.refuse_on(UNIT, words)
    }

    fn refuse_on(&mut self, unit: &str, words: &[&str]) -> Action {
        let refused = self.world.act(unit, words).unwrap().failure().unwrap();
        let worked = refused.worked;
        assert!(
            worked <= PATIENCE + SLACK,
            "{words:?} took {worked:?}: {refused:?}"
        );
        assert!(worked > Duration::ZERO, "the charm never ran: {refused:?}");
        let code = refused.result("error-code");
        let line = format!("  {:<17} {} [{code}]", words[0], refused.message);
        self.tell(&line);
        self.untouched();
        refused
    }

    fn refuse_all(&mut self) {
        let backup = match &self.kept {
            Some(kept) => format!("backup-id={}", kept.id),
            None => "backup-id=backup-20260101000000000001".to_owned(),
        };
        let _ = self.refuse(&["create-backup"]);
        let _ = self.refuse(&["list-backups"]);
        let _ = self.refuse(&["restore-backup", &backup]);
        let _ = self.refuse(&["delete-backup", &backup]);
    }

    /// The same Synapse serves its users, and neither in the bucket nor on the volume anything was left.
    fn untouched(&self) {
        assert_eq!(self.store().open_uploads(), 0);
        let objects = self.world.store().objects().unwrap();
        let Some(kept) = &self.kept else {
            assert_eq!(objects, []);
            return;
        };
        assert_eq!(objects, kept.objects);
        let private = self.world.data(UNIT).unwrap().join(".synapse-operator");
        let left = fs::read_dir(&private).map(Iterator::count).unwrap_or(0);
        assert_eq!(left, 0, "{} is not empty", private.display());
        if self.world.pod(UNIT).unwrap().workload().is_some() {
            assert_eq!(self.world.synapse(UNIT).unwrap(), kept.synapse);
            kept.homeserver
                .resume(kept.diary.session().token())
                .unwrap();
        }
    }

    /// Lets the relation say something else, has it refused, and lets it say the right thing again.
    fn with_relation(&mut self, head: &str, settings: &[(&str, &str)], all_actions: bool) {
        self.head(head);
        self.relate(settings);
        self.status();
        match all_actions {
            true => self.refuse_all(),
            false => drop(self.refuse(&["create-backup"])),
        }
        self.relate(&[]);
        assert_eq!(self.world.status(UNIT).unwrap(), "active", "{head}, mended");
    }

    /// Sets the S3 integrator up as it should be, but for some settings.
    fn relate(&self, settings: &[(&str, &str)]) {
        let value = |key: &str, right: String| {
            let other = settings.iter().find(|(name, _)| *name == key);
            format!(
                "{key}={}",
                other.map_or(right, |(_, other)| (*other).to_owned())
            )
        };
        let fact = |key: &str| value(key, self.world.store().fact(key));
        self.juju(&[
            "run",
            "s3-integrator/leader",
            "sync-s3-credentials",
            "--string-args",
            &fact("access-key"),
            &fact("secret-key"),
        ]);
        self.juju(&[
            "config",
            "s3-integrator",
            &fact("endpoint"),
            &fact("bucket"),
            &value("path", "prod".to_owned()),
            &value("s3-uri-style", "path".to_owned()),
            &value("region", String::new()),
            &value("tls-ca-chain", String::new()),
        ]);
    }

    fn passphrase(&mut self, head: &str, setting: &[&str]) {
        self.head(head);
        self.juju(&[&["config", "synapse"], setting].concat());
        self.status();
        let _ = self.refuse(&["create-backup"]);
    }

    /// All that was told, with what differs from run to run under other names.
    fn redacted(&self, places: &[(&str, &str)]) -> String {
        let mut told = self.told.clone();
        for (place, name) in places {
            told = told.replace(place, name);
        }
        for (pattern, name) in [
            (r"127\.0\.0\.1:[0-9]+", "<address>"),
            (r"\b[0-9]{6,10}\b", "<bytes>"),
            // Depends on the machine's way of resolving names.
            (
                r"(does not resolve): client error.*?(\.(?: [A-Z])|…)",
                "$1: <the resolver's words>$2",
            ),
        ] {
            told = Regex::new(pattern)
                .unwrap()
                .replace_all(&told, name)
                .into_owned();
        }
        told
    }
}

#[test]
fn bad_input_is_refused_in_time_with_value_and_remedy_and_nothing_happens() {
    let world = World::new().unwrap();
    let mut scene = Scene {
        world,
        told: String::new(),
        kept: None,
    };
    scene.juju(&["add-model", "demo"]);
    let small = SmallVolume::mount(
        &scene
            .world
            .directory_of_model()
            .join("units/synapse-0/data"),
    );
    let image = "synapse-image=matrixdotorg/synapse:v1.163.2";
    scene.juju(&[
        "deploy",
        "./target/charm/synapse.charm",
        "--resource",
        image,
    ]);
    scene.juju(&["deploy", "s3-integrator"]);
    scene.juju(&["integrate", "synapse:backup", "s3-integrator"]);

    scene.head("server_name never set, no credentials yet, no passphrase");
    scene.status();
    scene.refuse_all();
    scene.relate(&[]);
    scene.juju(&["config", "synapse", "backup_passphrase=right"]);
    scene.head("server_name never set");
    scene.status();
    let _ = scene.refuse(&["create-backup"]);
    let _ = scene.refuse(&["restore-backup", "backup-id=backup-20260101000000000001"]);
    let _ = scene.refuse(&["register-user", "username=anna"]);
    for name in ["https://example.org", "exa mple.org", "example.org:99999"] {
        scene.head(&format!("server_name {name} from the start"));
        scene.juju(&["config", "synapse", &format!("server_name={name}")]);
        scene.status();
    }

    scene.juju(&["config", "synapse", "server_name=demo.example"]);
    scene.world.wait_for_status(UNIT, "active", "").unwrap();
    let homeserver = scene.world.homeserver(UNIT).unwrap();
    let registered = scene
        .world
        .act(UNIT, &["register-user", "username=anna"])
        .unwrap();
    let registered = registered.success().unwrap();
    let password = registered["user-password"].as_str().unwrap();
    let mut diary = Diary::begin(&homeserver, "anna", password).unwrap();
    diary.open_room("Travel").unwrap();
    diary.write("It is still here.").unwrap();
    let created = scene
        .world
        .act(UNIT, &["create-backup"])
        .unwrap()
        .success()
        .unwrap();
    let id = created["backup-id"].as_str().unwrap().to_owned();
    scene.kept = Some(Kept {
        synapse: scene.world.synapse(UNIT).unwrap(),
        objects: scene.world.store().objects().unwrap(),
        homeserver,
        diary,
        id: id.clone(),
    });
    scene.untouched();

    for (head, setting) in [
        ("server_name changed", "server_name=other.example"),
        (
            "server_name no longer valid",
            "server_name=https://demo.example",
        ),
    ] {
        scene.head(head);
        scene.juju(&["config", "synapse", setting]);
        scene.status();
        scene.untouched();
    }
    scene.head("server_name unset");
    scene.juju(&["config", "synapse", "--reset", "server_name"]);
    scene.status();
    scene.untouched();
    scene.juju(&["config", "synapse", "server_name=demo.example"]);
    assert_eq!(scene.world.status(UNIT).unwrap(), "active");

    malformed_relations(&mut scene);
    unwilling_stores(&mut scene);

    scene.passphrase("no passphrase", &["--reset", "backup_passphrase"]);
    scene.passphrase("empty passphrase", &["backup_passphrase="]);
    scene.passphrase(
        "passphrase of several lines",
        &["backup_passphrase=right\nwrong"],
    );
    scene.passphrase("passphrase of an empty line", &["backup_passphrase=\n"]);
    scene.passphrase("passphrase from Windows", &["backup_passphrase=right\r\n"]);
    scene.head("wrong passphrase");
    scene.juju(&["config", "synapse", "backup_passphrase=wrong"]);
    scene.status();
    let _ = scene.refuse(&["restore-backup", &format!("backup-id={id}")]);
    scene.juju(&["config", "synapse", "backup_passphrase=right"]);

    for other in [
        "backup-20260101000000000001",
        "",
        "../x",
        "latest",
        "backup-2026/../../x",
    ] {
        scene.head(&format!("backup-id={other}"));
        let _ = scene.refuse(&["restore-backup", &format!("backup-id={other}")]);
        let _ = scene.refuse(&["delete-backup", &format!("backup-id={other}")]);
    }
    scene.head("no backup-id");
    let refused = scene.world.juju(&["run", UNIT, "restore-backup"]).unwrap();
    let refused = refused.failure().unwrap();
    assert!(refused.contains("backup-id"), "{refused}");

    foreign_backup(&mut scene, &id);
    if let Some(small) = &small {
        no_space(&mut scene, small, &id);
    }

    scene.head("not the leader");
    scene.juju(&["add-unit", "synapse"]);
    let second = "synapse/1";
    let _ = scene.refuse_on(second, &["create-backup"]);
    let _ = scene.refuse_on(second, &["restore-backup", &format!("backup-id={id}")]);
    let _ = scene.refuse_on(second, &["delete-backup", &format!("backup-id={id}")]);
    let listed = scene.world.act(second, &["list-backups"]).unwrap();
    assert_eq!(listed.success().unwrap()["count"], "1", "anybody may look");

    let kept = scene.kept.as_ref().unwrap();
    kept.diary.check(&kept.homeserver).unwrap();

    scene.head("container killed");
    scene.juju(&["lever", "kill-workload", UNIT]);
    let _ = scene.refuse(&["create-backup"]);
    // The unit has come back by itself in the meantime.
    scene.juju(&["lever", "kill-workload", UNIT]);
    let _ = scene.refuse(&["restore-backup", &format!("backup-id={id}")]);
    scene.world.wait_for_status(UNIT, "active", "").unwrap();

    let told = scene.redacted(&[(&id, "<kept>")]);
    drop(small);
    scene.world.finish().unwrap();
    insta::assert_snapshot!(told, @"");
}

fn malformed_relations(scene: &mut Scene) {
    scene.head("no relation");
    scene.juju(&["remove-relation", "synapse:backup", "s3-integrator"]);
    scene.status();
    scene.refuse_all();
    scene.juju(&["integrate", "synapse:backup", "s3-integrator"]);
    assert_eq!(scene.world.status(UNIT).unwrap(), "active");

    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    for (head, settings) in [
        ("no access-key", &[("access-key", "")] as &[_]),
        ("no secret-key", &[("secret-key", "")]),
        ("no endpoint and no region", &[("endpoint", "")]),
        ("blank in the access-key", &[("access-key", "the key")]),
        ("line end in the secret-key", &[("secret-key", "the\nkey")]),
        ("bucket with a slash", &[("bucket", "demo/prod")]),
        (
            "endpoint without a scheme",
            &[("endpoint", "store.example")],
        ),
        (
            "endpoint of another scheme",
            &[("endpoint", "ftp://store.example")],
        ),
        ("region with a blank", &[("region", "us east")]),
        ("path that climbs", &[("path", "prod/../other")]),
        ("unknown s3-uri-style", &[("s3-uri-style", "dns")]),
        (
            "tls-ca-chain that is none",
            &[("tls-ca-chain", certificate)],
        ),
        (
            "several at once",
            &[("access-key", ""), ("bucket", "a b"), ("s3-uri-style", "x")],
        ),
    ] {
        scene.with_relation(head, settings, false);
    }
}

fn unwilling_stores(scene: &mut Scene) {
    scene.with_relation(
        "bad DNS name",
        &[("endpoint", "http://store.invalid")],
        true,
    );
    scene.with_relation(
        "nobody listens",
        &[("endpoint", "http://127.0.0.1:1")],
        true,
    );
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    scene.with_relation("store that never answers", &[("endpoint", &endpoint)], true);
    scene.with_relation("wrong secret-key", &[("secret-key", "wrong")], true);
    scene.with_relation("unknown access-key", &[("access-key", "unknown")], false);

    let authority = CertificateAuthority::new().unwrap();
    let certificate = Some(authority.issue(&["127.0.0.1"]).unwrap());
    let secure = Server::start(Options {
        certificate,
        ..Options::default()
    })
    .unwrap();
    let endpoint = secure.endpoint();
    scene.with_relation("untrusted certificate", &[("endpoint", &endpoint)], true);
    scene.head("untrusted certificate, mended by tls-ca-chain");
    scene.relate(&[("endpoint", &endpoint), ("tls-ca-chain", &authority.pem())]);
    scene.status();
    scene.relate(&[]);

    scene.head("forbidden (403)");
    let forbidden = Effect::refuse(403, "AccessDenied");
    scene
        .store()
        .order(Fault::on(Operation::ListObjects, forbidden).always());
    scene.hook("update-status");
    scene.status();
    let _ = scene.refuse(&["create-backup"]);
    scene.store().clear_faults();
    scene.hook("update-status");
    assert_eq!(
        scene.world.status(UNIT).unwrap(),
        "active",
        "it clears by itself"
    );

    scene.head("missing bucket (404)");
    let buckets = scene.store().directory().to_owned();
    scene.relate(&[("bucket", "nobodys")]);
    scene.status();
    scene.refuse_all();
    fs::create_dir(buckets.join("nobodys")).unwrap();
    scene.hook("update-status");
    assert_eq!(
        scene.world.status(UNIT).unwrap(),
        "active",
        "it clears by itself"
    );
    assert_eq!(fs::read_dir(buckets.join("nobodys")).unwrap().count(), 0);
    scene.relate(&[]);
}

/// A backup of another server, and one whose manifest stands under another name.
fn foreign_backup(scene: &mut Scene, id: &str) {
    let place = scene.world.store().bucket().join("prod");
    let other = "backup-20260101000000000002";
    scene.head("backup under another name");
    copy(&place.join(id), &place.join(other), |manifest| manifest);
    scene.kept.as_mut().unwrap().objects = scene.world.store().objects().unwrap();
    let _ = scene.refuse(&["restore-backup", &format!("backup-id={other}")]);
    scene.head("backup under another name, manifest adapted");
    copy(&place.join(id), &place.join(other), |manifest| {
        manifest.replace(id, other)
    });
    scene.kept.as_mut().unwrap().objects = scene.world.store().objects().unwrap();
    let _ = scene.refuse(&["restore-backup", &format!("backup-id={other}")]);
    fs::remove_dir_all(place.join(other)).unwrap();
    scene.kept.as_mut().unwrap().objects = scene.world.store().objects().unwrap();
}

fn copy(from: &Path, to: &Path, change: impl Fn(String) -> String) {
    fs::create_dir_all(to).unwrap();
    for name in ["volume-0001.tar.gpg", "inventory.json.gpg"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let manifest = fs::read_to_string(from.join("manifest.json")).unwrap();
    fs::write(to.join("manifest.json"), change(manifest)).unwrap();
}

fn no_space(scene: &mut Scene, small: &SmallVolume, id: &str) {
    scene.head("no room on the data volume");
    small.fill();
    let _ = scene.refuse(&["create-backup"]);
    let _ = scene.refuse(&["restore-backup", &format!("backup-id={id}")]);
    small.clear();
}
