//! Where the charm's processes are started: a pod's charm container, or the bare machine.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// What starts the charm.
pub trait Launcher {
    /// A command that runs `program` (a path as the charm's container sees it) with exactly this
    /// environment, in the charm's directory, with nothing on standard input.
    fn command(&self, program: &Path, environment: &BTreeMap<String, String>) -> Command;

    /// Where a path of the charm's container lies for us.
    fn host_path(&self, inside: &Path) -> PathBuf;

    /// The agent's data directory as the charm sees it.
    fn data_dir(&self) -> PathBuf {
        PathBuf::from("/var/lib/juju")
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
}

impl Ending {
    /// Reads an exit status.
    pub fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Exit(code),
            (None, Some(signal)) => Ending::Signal(signal),
            (None, None) => Ending::Signal(0),
        }
    }
}

/// The bare machine: no containers, the agent's data directory anywhere.
#[derive(Clone, Debug)]
pub struct Bare {
    data_dir: PathBuf,
    charm_dir: PathBuf,
}

impl Bare {
    /// A launcher whose data directory is `data_dir`, for the unit's charm directory.
    pub fn new(data_dir: impl Into<PathBuf>, unit: &super::unit::UnitName) -> Self {
        let data_dir = data_dir.into();
        let charm_dir = unit.charm_dir(&data_dir);
        Bare {
            data_dir,
            charm_dir,
        }
    }
}

impl Launcher for Bare {
    fn command(&self, program: &Path, environment: &BTreeMap<String, String>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(environment)
            .current_dir(&self.charm_dir)
            .stdin(Stdio::null());
        command
    }

    fn host_path(&self, inside: &Path) -> PathBuf {
        inside.to_owned()
    }

    fn data_dir(&self) -> PathBuf {
        self.data_dir.clone()
    }
}
