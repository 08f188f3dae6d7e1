//! The pod shows both containers what Juju and the stock image show, and keeps them apart.

#![expect(clippy::unwrap_used, reason = "tests")]

mod synapse;
mod users;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::deadline::{Deadline, Look};
use harness::pod::{Pod, WORKLOAD_ID};
use tempfile::TempDir;

/// A pod that ends with the test, however the test ends.
struct Kept {
    pod: Pod,
    _directory: TempDir,
}

impl Kept {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pod = Pod::create_kept_by(
            Some(own_id()),
            &directory.path().join("units/synapse-0"),
            "synapse/0",
        )
        .unwrap();
        Self {
            pod,
            _directory: directory,
        }
    }

    /// Runs a script in the charm container and returns what it printed.
    fn charm(&self, script: &str) -> String {
        let mut command = self.pod.command(Path::new("/usr/bin/sh"), &BTreeMap::new());
        printed(command.args(["-c", script]))
    }

    fn workload(&self, script: &str) -> String {
        printed(&mut self.pod.workload_command(&["sh", "-c", script]))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.pod.directory().join("logs/workload.log"))
                .unwrap_or_default();
            eprintln!("the workload's log:\n{log}");
        }
        self.pod.kill_all().unwrap();
    }
}

fn own_id() -> i32 {
    std::process::id().cast_signed()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}: {complaint}",
        output.status
    );
    assert_eq!(complaint, "", "{command:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

#[test]
fn the_charm_runs_with_jujus_paths_and_exactly_its_environment() {
    let kept = Kept::new();
    let pod = &kept.pod;
    let environment: BTreeMap<_, _> = [("JUJU_UNIT_NAME", "synapse/0"), ("EMPTY", "")]
        .map(|(k, v)| (k.into(), v.into()))
        .into();

    let output = pod
        .command(Path::new("/usr/bin/env"), &environment)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "EMPTY=\nJUJU_UNIT_NAME=synapse/0\n"
    );

    assert_eq!(
        kept.charm("pwd"),
        "/var/lib/juju/agents/unit-synapse-0/charm"
    );
    assert_eq!(kept.charm("id -u"), if is_root() { "0" } else { "991" });
    assert_eq!(kept.charm("readlink /proc/self/fd/0"), "/dev/null");
    assert_eq!(kept.charm("uname -n"), "synapse-0");

    for path in [
        "/var/lib/juju/a",
        "/charm/containers/synapse/b",
        "/data/c",
        "/tmp/d",
    ] {
        kept.charm(&format!("echo written > {path}"));
        assert_eq!(
            fs::read_to_string(pod.host_path(Path::new(path))).unwrap(),
            "written\n",
            "{path}"
        );
    }
}

#[test]
fn a_command_in_the_charm_container_is_the_program_itself() {
    let kept = Kept::new();
    let sleep = || {
        let mut command = kept
            .pod
            .command(Path::new("/usr/bin/sleep"), &BTreeMap::new());
        let child = command.arg("60").spawn().unwrap();
        Deadline::after(Duration::from_secs(10))
            .wait_for("sleep to run", || {
                let name = fs::read_to_string(format!("/proc/{}/comm", child.id()))?;
                Ok(if name == "sleep\n" {
                    Look::Done(())
                } else {
                    Look::NotYet(name)
                })
            })
            .unwrap();
        child
    };
    let mut child = sleep();
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert_eq!(
        child.wait().unwrap().signal(),
        Some(15),
        "the signal reaches the program and is its end"
    );

    let status = kept
        .pod
        .command(Path::new("/usr/bin/sh"), &BTreeMap::new())
        .args(["-c", "exit 7"])
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(7));

    let mut left = sleep();
    kept.pod.kill_all().unwrap();
    assert!(
        left.wait().unwrap().signal().is_some(),
        "nothing in the container survives it"
    );
}

#[test]
fn the_workload_looks_like_the_stock_image() {
    let kept = Kept::new();
    kept.pod.start_workload().unwrap();

    assert_eq!(
        kept.workload("command -v python3"),
        "/usr/local/bin/python3"
    );
    let imported =
        kept.workload("python3 -c 'import synapse, sys; print(synapse.__version__, sys.prefix)'");
    assert_eq!(imported, "1.163.2 /usr/local");
    assert_eq!(kept.workload("command -v tar"), "/usr/bin/tar");
    for absent in ["gpg", "aws", "curl"] {
        assert_eq!(
            kept.workload(&format!("command -v {absent} || echo none")),
            "none"
        );
    }
    assert_eq!(
        kept.workload("grep -c :991: /etc/passwd || true"),
        if is_root() { "0" } else { "1" }
    );
    assert_eq!(kept.workload("echo ${HOME-none}"), "none");
    assert_eq!(kept.workload("cat /proc/1/comm"), "pebble");
    assert_eq!(
        kept.workload("ls -d /var/lib/juju /charm/containers 2> /dev/null || echo none"),
        "none"
    );
}

#[test]
fn both_containers_share_the_storage_and_the_socket_and_nothing_else() {
    let kept = Kept::new();
    kept.pod.start_workload().unwrap();

    kept.workload("echo data > /data/file; chown 991:991 /data/file; echo secret > /tmp/file");
    assert_eq!(
        kept.charm("cat /data/file; stat -c %u:%g /data/file"),
        "data\n991:991"
    );
    let owner = kept
        .pod
        .host_path(Path::new("/data/file"))
        .metadata()
        .unwrap()
        .uid();
    assert_eq!(
        owner,
        if is_root() {
            WORKLOAD_ID
        } else {
            rustix::process::geteuid().as_raw()
        }
    );
    assert_eq!(kept.charm("ls /tmp"), "");
    assert_eq!(
        kept.charm("test -S /charm/containers/synapse/pebble.socket && echo socket"),
        "socket"
    );
    assert_eq!(
        kept.workload("test -S /charm/container/pebble.socket && echo socket"),
        "socket"
    );
}

#[test]
fn each_start_of_the_workload_is_a_boot_of_its_own() {
    let kept = Kept::new();
    let first = kept.pod.start_workload().unwrap();
    eprintln!("the workload runs {}", first.pebble);
    assert!(kept.pod.start_workload().is_err(), "it runs already");

    kept.pod.stop_workload().unwrap();
    assert_eq!(kept.pod.workload(), None);
    let second = kept.pod.start_workload().unwrap();
    assert_ne!(first.id, second.id);

    kept.pod.kill_workload().unwrap();
    let third = Pod::open(kept.pod.directory())
        .unwrap()
        .start_workload()
        .unwrap();
    assert_ne!(second.id, third.id);
}

#[test]
fn two_pods_serve_the_same_port_at_addresses_of_their_own() {
    let pods = [Kept::new(), Kept::new()];
    assert_ne!(pods[0].pod.address(), pods[1].pod.address());
    for (number, kept) in pods.iter().enumerate() {
        kept.pod.start_workload().unwrap();
        let page = format!("pod {number}");
        fs::write(kept.pod.workload_host_path(Path::new("/tmp/health")), &page).unwrap();
        // Left running: it ends with its pod.
        kept.workload("python3 -m http.server 8008 --directory /tmp > /dev/null 2>&1 &");
        assert_eq!(health(&kept.pod), page);
    }
}

#[test]
fn a_pod_ends_with_its_keeper() {
    let directory = tempfile::tempdir().unwrap();
    let mut keeper = Command::new("sleep")
        .arg("300")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pod = Pod::create_kept_by(
        Some(keeper.id().cast_signed()),
        directory.path(),
        "synapse/0",
    )
    .unwrap();
    pod.start_workload().unwrap();
    let workload = pod.workload().unwrap();

    keeper.kill().unwrap();
    keeper.wait().unwrap();
    assert!(
        workload.wait(Duration::from_secs(10)).unwrap(),
        "the workload still runs"
    );
    pod.kill_all().unwrap();
}

fn health(pod: &Pod) -> String {
    let address = format!("http://{}/health", pod.address());
    let look = || -> anyhow::Result<Look<String, String>> {
        Ok(match ureq::get(&address).call() {
            Ok(mut answer) => Look::Done(answer.body_mut().read_to_string()?),
            Err(error) => Look::NotYet(error.to_string()),
        })
    };
    Deadline::after(Duration::from_secs(60))
        .wait_for("an answer at the pod's address", look)
        .unwrap()
}
