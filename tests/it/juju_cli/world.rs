//! A model in a directory of its own, moved by the real program.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const METADATA: &str = "
name: synapse
containers: {synapse: {resource: synapse-image, mounts: [{storage: data, location: /data}]}}
resources: {synapse-image: {type: oci-image}}
storage: {data: {type: filesystem, location: /data}, cache: {type: filesystem}}
requires: {backup: {interface: s3, limit: 1}}
peers: {synapse-peers: {interface: synapse-instance}}
";

const CONFIG: &str = "
options:
  server_name: {type: string, description: The domain.}
  workers: {type: int, default: 2}
  report_stats: {type: boolean, default: false}
";

const ACTIONS: &str = "
create-backup: {description: Save everything., additionalProperties: false}
restore-backup:
  description: Restore.
  params: {backup-id: {type: string}, dry-run: {type: boolean, default: false}}
  required: [backup-id]
  additionalProperties: false
";

/// Writes down why it was woken, then does what the test wants.
const PREAMBLE: &str = "#!/bin/sh
echo \"$JUJU_DISPATCH_PATH $JUJU_REMOTE_UNIT\" | sed 's/ $//' >> ../woken
";

/// A model in a directory of its own.
pub(super) struct World {
    pub(super) dir: tempfile::TempDir,
}

impl World {
    /// A model whose charm goes on with the given script.
    pub(super) fn new(script: &str) -> Self {
        Self::of("3.6", script)
    }

    pub(super) fn of(version: &str, script: &str) -> Self {
        let world = World {
            dir: tempfile::tempdir().unwrap(),
        };
        world.pack(script);
        world.juju(&format!(
            "add-model demo --config lookalike-ground=bare --config agent-version={version}"
        ));
        world
    }

    pub(super) fn pack(&self, script: &str) {
        let file = fs::File::create(self.dir.path().join("synapse.charm")).unwrap();
        let mut archive = zip::ZipWriter::new(file);
        let dispatch = format!("{PREAMBLE}{script}\n");
        let members = [
            ("metadata.yaml", METADATA, 0o644),
            ("config.yaml", CONFIG, 0o644),
            ("actions.yaml", ACTIONS, 0o644),
            ("dispatch", &dispatch, 0o755),
        ];
        for (name, text, mode) in members {
            let options = zip::write::SimpleFileOptions::default().unix_permissions(mode);
            archive.start_file(name, options).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
    }

    pub(super) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_juju"));
        command
            .args(line.split(' '))
            .current_dir(self.dir.path())
            .env("JUJU_LOOKALIKE_DIR", self.model());
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command that must succeed; gives its standard output.
    pub(super) fn juju(&self, line: &str) -> String {
        let output = self.command(line).output().unwrap();
        assert!(
            output.status.success(),
            "juju {line}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail; gives its exit code and standard error.
    pub(super) fn fails(&self, line: &str) -> (i32, String) {
        let Output { status, stderr, .. } = self.command(line).output().unwrap();
        (status.code().unwrap(), String::from_utf8(stderr).unwrap())
    }

    pub(super) fn deploy(&self) {
        self.juju("deploy ./synapse.charm --resource synapse-image=matrixdotorg/synapse:latest");
    }

    pub(super) fn model(&self) -> PathBuf {
        self.dir.path().join("model")
    }

    pub(super) fn agent_dir(&self, unit: &str) -> PathBuf {
        self.model()
            .join(format!("units/{unit}/var-lib-juju/agents/unit-{unit}"))
    }

    /// Why a unit was woken since the last question.
    pub(super) fn woken(&self, unit: &str) -> Vec<String> {
        let path = self.agent_dir(unit).join("woken");
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, "").unwrap();
        text.lines()
            .map(|line| line.trim_start_matches("hooks/").to_owned())
            .collect()
    }

    pub(super) fn status(&self) -> Value {
        serde_json::from_str(&self.juju("status --format json")).unwrap()
    }

    pub(super) fn log(&self) -> String {
        self.juju("debug-log --replay")
    }
}

/// Polls until the condition holds.
pub(super) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
    }
}
