//! A pod with a Synapse that is configured by the product's own code, and users of it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use harness::matrix;
use harness::pod::Pod;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use synapse_operator::pebble::{Client, DirOptions, WriteOptions};
use synapse_operator::synapse::config::{Database, Settings, log_config};
use synapse_operator::synapse::data::{FixUp, FixUpError, fix_up};
use synapse_operator::synapse::layer::{LABEL, layer};
use synapse_operator::synapse::register::Username;
use synapse_operator::synapse::signing_keys::OldSigningKeys;
use synapse_operator::synapse::{self, Homeserver, ServerName, secrets};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// When everything here happens, in milliseconds.
pub(crate) const AT: i64 = 1_790_000_000_123;

const SECRET: &str = "of a test";
const LIMIT: Duration = Duration::from_secs(90);

pub(crate) struct Scene {
    pub(crate) pod: Pod,
    pub(crate) client: Client,
    runtime: Runtime,
    _directory: TempDir,
}

/// A user who is logged in at a device.
pub(crate) struct User<'a> {
    scene: &'a Scene,
    pub(crate) id: String,
    pub(crate) device: String,
    token: String,
}

impl Scene {
    /// A pod whose workload runs, with an empty volume that belongs to Synapse.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let own = std::process::id().cast_signed();
        let home = directory.path().join("units/synapse-0");
        let pod = Pod::create_kept_by(Some(own), &home, "synapse/0").unwrap();
        pod.start_workload().unwrap();
        let socket = pod.host_path(Path::new("/charm/containers/synapse/pebble.socket"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let scene = Self {
            pod,
            client: Client::new(socket),
            runtime,
            _directory: directory,
        };
        scene.workload("chown 991:991 /data");
        scene
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Runs a script in the workload's container, as its root, and returns what it printed.
    pub(crate) fn workload(&self, script: &str) -> String {
        printed(&mut self.pod.workload_command(&["sh", "-c", script]))
    }

    /// Runs statements on a database and returns the rows of the last.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        let program = "\
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
for statement in sys.argv[2].split('; '):
    rows = database.execute(statement).fetchall()
database.commit()
database.close()
os.chown(sys.argv[1], 991, 991)
print(*(' '.join(map(str, row)) for row in rows), sep='\\n')";
        let words = ["python3", "-c", program, database, statements];
        printed(&mut self.pod.workload_command(&words))
    }

    /// Writes all that Synapse needs to start, with the signing key `a_new`.
    pub(crate) fn set_up(&self, old_signing_keys: &OldSigningKeys) {
        let settings = Settings {
            server_name: ServerName::parse("demo.example").unwrap(),
            public_baseurl: None,
            report_stats: false,
            old_signing_keys: old_signing_keys.clone(),
            database: Database::Sqlite,
        };
        let yaml = settings.homeserver_yaml().unwrap();
        let log = log_config().unwrap();
        let layer = layer(&yaml, &log);
        for (path, contents) in [
            (synapse::CONFIG, yaml),
            (synapse::LOG_CONFIG, log),
            (secrets::MACAROON_SECRET, SECRET.to_owned()),
            (secrets::FORM_SECRET, SECRET.to_owned()),
            (secrets::REGISTRATION_SECRET, SECRET.to_owned()),
            ("/data/demo.example.signing.key", signing_key("a_new", 1)),
        ] {
            let options = WriteOptions {
                mode: 0o600,
                user_id: Some(synapse::UID),
                group_id: Some(synapse::GID),
                make_dirs: false,
            };
            let writing = self.client.write(path, contents.as_bytes(), &options);
            self.block_on(writing).unwrap();
        }
        let options = DirOptions {
            user_id: Some(synapse::UID),
            group_id: Some(synapse::GID),
            ..DirOptions::default()
        };
        self.block_on(self.client.make_dir(synapse::MEDIA, &options))
            .unwrap();
        self.block_on(self.client.add_layer(LABEL, &layer)).unwrap();
    }

    pub(crate) fn start_synapse(&self) {
        self.block_on(self.client.start(&[synapse::SERVICE], LIMIT))
            .unwrap();
        let server = matrix::Homeserver::at(self.pod.address());
        if let Err(error) = server.wait_healthy(LIMIT) {
            let log = fs::read_to_string(self.pod.directory().join("logs/workload.log"));
            panic!("{error:#}\n{}", log.unwrap_or_default());
        }
    }

    pub(crate) fn stop_synapse(&self) {
        self.block_on(self.client.stop(&[synapse::SERVICE], LIMIT))
            .unwrap();
    }

    pub(crate) fn homeserver(&self) -> Homeserver {
        Homeserver::at(SocketAddr::V4(self.pod.address()))
    }

    pub(crate) fn user(&self, name: &str) -> User<'_> {
        let server_name = ServerName::parse("demo.example").unwrap();
        let username = Username::parse(name, &server_name).unwrap();
        let (homeserver, secret) = (self.homeserver(), SECRET.into());
        self.block_on(homeserver.register(&username, &secret, false, &secret))
            .unwrap();
        let login = json!({
            "type": "m.login.password",
            "identifier": { "type": "m.id.user", "user": name },
            "password": SECRET,
        });
        let answer = self.ask("/_matrix/client/v3/login", None, Some(&login));
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        User {
            scene: self,
            id: text("user_id"),
            device: text("device_id"),
            token: text("access_token"),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.ask(path, None, None)
    }

    pub(crate) fn ask(&self, path: &str, token: Option<&str>, document: Option<&Value>) -> Value {
        let address = format!("http://{}{path}", self.pod.address());
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(LIMIT))
            .build()
            .into();
        let authorization = format!("Bearer {}", token.unwrap_or_default());
        let answer = match document {
            Some(document) => agent
                .post(&address)
                .header("Authorization", &authorization)
                .send_json(document),
            None => agent
                .get(&address)
                .header("Authorization", &authorization)
                .call(),
        };
        let mut answer = answer.unwrap();
        let status = answer.status();
        let text = answer.body_mut().read_to_string().unwrap();
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn fix_up(&self) -> Result<Vec<FixUp>, FixUpError> {
        self.block_on(fix_up(&self.client, at()))
    }

    /// Fixes once more: all is right already, and no byte changes.
    pub(crate) fn assert_fixed_already(&self) {
        let before = self.digest();
        let again = self.fix_up().unwrap();
        assert!(again.iter().all(|fixed| fixed.rows == 0), "{again:?}");
        assert_eq!(again.len(), 3);
        assert_eq!(self.digest(), before);
        self.assert_alone();
    }

    /// The database has no files beside it, and belongs to Synapse.
    pub(crate) fn assert_alone(&self) {
        let files = self.workload("cd /data && stat -c '%n %u:%g' homeserver.db*");
        assert_eq!(files, "homeserver.db 991:991");
    }

    pub(crate) fn digest(&self) -> String {
        format!("{:x?}", Sha256::digest(self.database()))
    }

    /// Which journal the database's header asks for.
    pub(crate) fn journal(&self) -> &'static str {
        match self.database()[18..20] {
            [1, 1] => "rollback",
            [2, 2] => "write-ahead log",
            _ => "neither",
        }
    }

    fn database(&self) -> Vec<u8> {
        fs::read(self.pod.host_path(Path::new(synapse::DATABASE))).unwrap()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.pod.kill_all().unwrap();
    }
}

impl User<'_> {
    pub(crate) fn get(&self, path: &str) -> Value {
        self.scene.ask(path, Some(&self.token), None)
    }

    pub(crate) fn post(&self, path: &str, document: &Value) -> Value {
        self.scene.ask(path, Some(&self.token), Some(document))
    }
}

pub(crate) fn at() -> Timestamp {
    Timestamp::from_millisecond(AT).unwrap()
}

/// The text of a signing key file with one key.
pub(crate) fn signing_key(name: &str, filling: u8) -> String {
    format!("ed25519 {name} {}\n", STANDARD_NO_PAD.encode([filling; 32]))
}

/// What an operator reads.
pub(crate) fn lines(fixed: &[FixUp]) -> String {
    let lines: Vec<String> = fixed.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}
