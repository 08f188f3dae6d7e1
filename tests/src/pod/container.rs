//! One container: a first process in namespaces of its own, and the way into them.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::process::Process;
use super::view::View;
use crate::deadline::{Deadline, Look};
use crate::parts;

/// How long a container may take to start.
const START: Duration = Duration::from_secs(20);

/// A container that was started once and may still run.
#[derive(Debug)]
pub(crate) struct Container {
    log: PathBuf,
    first: Option<Process>,
}

impl Container {
    /// Starts a container; its first process is noted in the pod's directory and outlives us.
    pub(crate) fn start(pod: &Path, name: &str, view: View, first: &[&str]) -> Result<Self> {
        let log = pod.join("logs").join(name).with_extension("log");
        let facts = pod.join(name).with_extension("bwrap");
        let _ = fs::remove_file(&facts);
        let output = File::options().create(true).append(true).open(&log)?;
        // bubblewrap tells the number of the process it makes on a descriptor of its own; only a shell can give it one.
        let mut child = Command::new("/bin/sh")
            .args(["-c", r#"exec 3>"$0" && exec "$@""#])
            .arg(&facts)
            .arg(parts::machine_program("bwrap", "bubblewrap")?)
            .args(["--info-fd", "3"])
            .args(view.into_arguments())
            .arg("--")
            .args(first)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .context("failed to start bwrap")?;
        let id = Deadline::after(START).wait_for("bwrap to tell its process", || {
            look_for_process(&facts, &mut child, &log)
        })?;
        let process = Process::of(id)
            .with_context(|| format!("the {name} container ended at once: {}", tail(&log)))?;
        // The number is told before the view is built; it is complete when bubblewrap has become the first process.
        Deadline::after(START).wait_for("bwrap to build the container", || {
            Ok(match fs::read_to_string(format!("/proc/{id}/comm")) {
                Ok(name) if name.trim_end() != "bwrap" => Look::Done(()),
                Ok(_) => Look::NotYet("bwrap at work"),
                Err(_) => bail!("the {name} container could not be built: {}", tail(&log)),
            })
        })?;
        process.note(&pod.join(name).with_extension("process"))?;
        fs::remove_file(&facts)?;
        // The waiting half of bubblewrap is collected when it ends, should we still be there.
        std::thread::spawn(move || child.wait());
        Ok(Self {
            log,
            first: Some(process),
        })
    }

    /// The container as noted in the pod's directory; without a note, or after its end, nothing can enter it.
    pub(crate) fn noted(pod: &Path, name: &str) -> Self {
        let log = pod.join("logs").join(name).with_extension("log");
        Self {
            log,
            first: Process::noted(&pod.join(name).with_extension("process")),
        }
    }

    /// Its first process, when it runs.
    pub(crate) fn first(&self) -> Option<Process> {
        self.first
    }

    /// A command that goes on as whatever words are added, in these namespaces of the container and in this directory of it.
    ///
    /// When the container does not run, the command fails when it is run.
    pub(crate) fn enter(&self, namespaces: &[&str], directory: &Path) -> Command {
        let id = self.first.map_or(0, |first| first.id());
        let mut command =
            Command::new(parts::on_path("nsenter").unwrap_or_else(|| "nsenter".into()));
        let own = format!("/proc/{id}");
        if super::own_user().is_some() {
            command.args([&format!("--user={own}/ns/user"), "--preserve-credentials"]);
        }
        for namespace in namespaces {
            let option = if *namespace == "mnt" {
                "mount"
            } else {
                namespace
            };
            command.arg(format!("--{option}={own}/ns/{namespace}"));
        }
        if namespaces.contains(&"mnt") {
            // Opened before the namespaces are entered, hence the way through the first process's root.
            command.arg(format!("--wd={own}/root{}", directory.display()));
        }
        command.arg("--");
        command
    }

    /// Starts the bridge from this listener to the port on the container's loopback.
    pub(crate) fn bridge(
        &self,
        listener: TcpListener,
        port: u16,
        keeper: Option<i32>,
    ) -> Result<()> {
        let first = self.first.context("the container does not run")?;
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut bridge = self
            .enter(&["net"], Path::new("/"))
            .arg(parts::program("pod-bridge")?)
            .args([port.to_string(), first.id().to_string()])
            .args(keeper.map(|keeper| keeper.to_string()))
            .env_clear()
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("failed to start the pod's bridge")?;
        std::thread::spawn(move || bridge.wait());
        Ok(())
    }

    /// Waits until Pebble answers on its socket in the shared directory, and returns its boot id.
    pub(crate) fn wait_for_pebble(&self, shared: &Path) -> Result<String> {
        Deadline::after(START).wait_for("Pebble to answer", || {
            if !self.first.is_some_and(|first| first.is_alive()) {
                bail!("Pebble ended at once: {}", tail(&self.log));
            }
            Ok(match boot_id(shared) {
                Ok(id) => Look::Done(id),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })
    }
}

/// All processes that see the same mounts as this one, it included.
pub(crate) fn companions(first: Process) -> Vec<Process> {
    let mounts = |id: i32| {
        fs::metadata(format!("/proc/{id}/ns/mnt"))
            .map(|facts| facts.ino())
            .ok()
    };
    let Some(wanted) = mounts(first.id()) else {
        return Vec::new();
    };
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|id| mounts(*id) == Some(wanted))
        .filter_map(|id| Process::of(id).ok())
        .collect()
}

fn look_for_process(
    facts: &Path,
    child: &mut Child,
    log: &Path,
) -> Result<Look<i32, &'static str>> {
    let told = fs::read(facts)
        .ok()
        .and_then(|facts| serde_json::from_slice::<Value>(&facts).ok());
    if let Some(id) = told.and_then(|facts| i32::try_from(facts["child-pid"].as_i64()?).ok()) {
        return Ok(Look::Done(id));
    }
    if let Some(status) = child.try_wait()? {
        bail!("bwrap ended with {status}: {}", tail(log));
    }
    Ok(Look::NotYet("nothing told yet"))
}

/// Asks Pebble who it is.
fn boot_id(shared: &Path) -> Result<String> {
    // The path of a socket may have 107 bytes; through an open directory it is always short.
    let directory = File::open(shared)?;
    let mut socket = UnixStream::connect(format!(
        "/proc/self/fd/{}/pebble.socket",
        directory.as_raw_fd()
    ))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    socket.write_all(b"GET /v1/system-info HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    socket.take(64 << 10).read_to_string(&mut answer)?;
    let (_, body) = answer
        .split_once("\r\n\r\n")
        .context("an answer without a body")?;
    let body: Value = serde_json::from_str(body).context("an answer that is no JSON")?;
    let id = body["result"]["boot-id"]
        .as_str()
        .context("an answer without a boot id")?;
    Ok(id.to_owned())
}

/// The last lines of a log, for a message.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}
