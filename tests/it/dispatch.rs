//! The packed `dispatch` as a bare program: how it ends, and that it is silent, whatever the agent around it does.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use harness::deadline::{Deadline, Look};
use harness::juju::charm::Charm;
use harness::parts;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// An agent that is nothing but a directory of scripts in the place of the hook tools.
struct Scripts {
    directory: TempDir,
}

impl Scripts {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Charm::unpack(
            &parts::charm_archive().unwrap(),
            &directory.path().join("charm"),
        )
        .unwrap();
        fs::create_dir(directory.path().join("tools")).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The same, with a hook tool that does this.
    fn with(self, tool: &str, script: &str) -> Self {
        let path = self.path("tools").join(tool);
        // Written by a child, so that no other test's child holds it open for writing while it is run.
        let written = Command::new("sh")
            .args(["-c", r#"printf '#!/bin/sh\n%s\n' "$1" > "$0""#])
            .arg(&path)
            .arg(script)
            .status();
        assert!(written.unwrap().success());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn dispatch(&self, dispatch_path: &str) -> Command {
        let charm = self.path("charm");
        let mut command = Command::new(charm.join("dispatch"));
        command
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("tools").display()),
            )
            .env("JUJU_DISPATCH_PATH", dispatch_path)
            .env("JUJU_HOOK_NAME", dispatch_path.trim_start_matches("hooks/"))
            .env("JUJU_CONTEXT_ID", "synapse/0-x")
            .env("JUJU_AGENT_SOCKET_ADDRESS", "/nowhere")
            .env("JUJU_AGENT_SOCKET_NETWORK", "unix")
            .env("JUJU_UNIT_NAME", "synapse/0")
            .env("JUJU_MODEL_NAME", "demo")
            .env("JUJU_MODEL_UUID", "f47ac10b-58cc-4372-a567-0e02b2c3d479")
            .env("JUJU_VERSION", "4.0.15")
            .env("JUJU_CHARM_DIR", &charm)
            .current_dir(&charm)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

fn silent(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        (String::new(), String::new())
    );
}

fn wait_for_file(path: &Path) {
    Deadline::after(Duration::from_secs(20))
        .wait_for("the hook tool to be called", || {
            Ok(if path.exists() {
                Look::Done(())
            } else {
                Look::NotYet("not yet")
            })
        })
        .unwrap();
}

#[test]
fn unknown_hook_is_accepted_in_silence() {
    let agent = Scripts::new().with("juju-log", "exit 0");
    let output = agent
        .dispatch("hooks/something-of-juju-5")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    silent(&output);
}

#[test]
fn terminated_hook_ends_by_the_signal_so_that_juju_runs_it_again() {
    let agent = Scripts::new().with("juju-log", "exit 0");
    let called = agent.path("called");
    let agent = agent.with(
        "storage-list",
        &format!("touch {}; exec sleep 60", called.display()),
    );
    let child = agent.dispatch("hooks/config-changed").spawn().unwrap();
    wait_for_file(&called);
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.signal(),
        Some(Signal::TERM.as_raw()),
        "{}",
        output.status
    );
    silent(&output);
}

#[test]
fn failing_agent_fails_the_hook_and_is_told_in_the_log() {
    let agent = Scripts::new();
    let log = agent.path("log");
    let agent = agent
        .with("juju-log", &format!("echo \"$@\" >> {}", log.display()))
        .with(
            "storage-list",
            "echo 'ERROR connection is shut down' >&2; exit 1",
        );
    let output = agent.dispatch("hooks/config-changed").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    silent(&output);
    let told = fs::read_to_string(log).unwrap();
    assert!(
        told.contains("ERROR") && told.contains("connection is shut down"),
        "{told}"
    );
}

#[test]
fn without_an_agent_it_fails_in_silence() {
    let agent = Scripts::new();
    let output = agent
        .dispatch("hooks/install")
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    silent(&output);
}
