//! The workload's port on the machine's own loopback, for as long as one process of the charm runs.
//!
//! The port is taken before that process begins: it *becomes* the process, so that its number, signals and exit code are
//! the process's own, and leaves a bridge behind that ends with it. A lock makes the charms of other pods wait.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Error, Result};
use rustix::fs::{FlockOperation, flock};

use super::container::Container;
use super::{Pod, WORKLOAD, WORKLOAD_PORT};
use crate::deadline::{Deadline, Look};
use crate::parts;

/// How long the port may be somebody else's.
const BUSY: Duration = Duration::from_secs(30);

/// A command that goes on as `entering`, with the port lent to it.
pub(super) fn lending(pod: &Path, entering: &Command) -> Command {
    // When the program is missing, the command fails when it is run, and names it.
    let bridge = parts::program("pod-bridge").unwrap_or_else(|_| "pod-bridge".into());
    let mut command = Command::new(bridge);
    command.arg("lend").arg(pod).arg(entering.get_program()).args(entering.get_args());
    command
}

impl Pod {
    /// Lends the workload's port to this process, and goes on as these words. Returns only when that fails.
    pub fn lend(directory: &Path, words: &[&str]) -> Error {
        let Some((program, arguments)) = words.split_first() else {
            return Error::msg("nothing to go on as");
        };
        if let Err(error) = take(directory) {
            return error;
        }
        Error::new(Command::new(program).args(arguments).exec()).context(format!("failed to run {program}"))
    }
}

fn take(directory: &Path) -> Result<()> {
    let container = Container::noted(directory, WORKLOAD);
    let Some(workload) = container.first() else {
        // It has just ended: nothing answers, as it should be.
        return Ok(());
    };
    let lock = lock()?;
    // The guest's bridge before us may have let go of the lock and not yet of the port, and other users have a lock of their own.
    let free = format!("port {WORKLOAD_PORT} of this machine to be free: stop what listens there");
    let listener = Deadline::after(BUSY).wait_for(&free, || {
        Ok(match TcpListener::bind((Ipv4Addr::LOCALHOST, WORKLOAD_PORT)) {
            Ok(listener) => Look::Done(listener),
            Err(error) => Look::NotYet(error),
        })
    })?;
    container
        .enter(&["net"], Path::new("/"))
        .arg(parts::program("pod-bridge")?)
        .arg("guest")
        .args([WORKLOAD_PORT.to_string(), workload.id().to_string(), std::process::id().to_string()])
        .env_clear()
        .stdin(OwnedFd::from(listener))
        // Nothing is printed there: whoever holds the lock's file holds the lock.
        .stdout(lock)
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("failed to start the pod's bridge")?;
    Ok(())
}

/// Waits until the port is free for us.
fn lock() -> Result<File> {
    let path = std::env::temp_dir().join(format!("pod-port-{WORKLOAD_PORT}-of-{}.lock", rustix::process::getuid().as_raw()));
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let file = file.with_context(|| format!("failed to open {}", path.display()))?;
    flock(&file, FlockOperation::LockExclusive).context("failed to wait for the port")?;
    Ok(file)
}
