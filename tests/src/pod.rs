//! A place holder with the calls that the `juju` look-alike makes; the real pod takes its place.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// One unit's pod.
#[derive(Debug)]
pub struct Pod {
    directory: PathBuf,
}

/// A start of the workload container.
#[derive(Debug, Clone)]
pub struct Boot {
    /// Pebble's boot id.
    pub id: String,
}

impl Pod {
    /// Makes the pod of a unit.
    pub fn create(_directory: &Path, _unit: &str) -> Result<Self> {
        bail!("there are no pods yet");
    }

    /// Opens a pod that another program made.
    pub fn open(_directory: &Path) -> Result<Self> {
        bail!("there are no pods yet");
    }

    /// Where the workload's port can be reached.
    pub fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8008)
    }

    /// A command that runs `program` in the charm container.
    pub fn command(&self, program: &Path, environment: &BTreeMap<String, String>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(environment);
        command
    }

    /// A command that runs in the workload container.
    pub fn workload_command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("false");
        command.args(words);
        command
    }

    /// Where a path of the charm container lies on the machine.
    pub fn host_path(&self, inside: &Path) -> PathBuf {
        self.directory
            .join(inside.strip_prefix("/").unwrap_or(inside))
    }

    /// Starts the workload container.
    pub fn start_workload(&self) -> Result<Boot> {
        bail!("there are no pods yet");
    }

    /// The workload's first process, when it runs.
    pub fn workload(&self) -> Option<u32> {
        None
    }

    /// Ends the workload as Kubernetes does.
    pub fn stop_workload(&self) -> Result<()> {
        Ok(())
    }

    /// Kills the workload container.
    pub fn kill_workload(&self) -> Result<()> {
        Ok(())
    }

    /// Kills both containers.
    pub fn kill_all(&self) -> Result<()> {
        Ok(())
    }
}
