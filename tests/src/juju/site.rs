//! Where one unit lives: in a pod, or on the bare machine.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::launcher::{Bare, Launcher};
use super::model::{Ground, Store};
use super::unit::UnitName;
use crate::pod::Pod;

/// One unit's place.
pub enum Site {
    /// A pod with a workload container.
    Pod(Box<Pod>),
    /// The bare machine, with no workload.
    Bare(Bare),
}

impl Site {
    /// Makes the place of a new unit.
    pub fn create(store: &Store, ground: Ground, unit: &UnitName) -> Result<Self> {
        let dir = store.unit_dir(unit);
        match ground {
            Ground::Pods => Ok(Site::Pod(Box::new(Pod::create(&dir, &unit.to_string())?))),
            Ground::Bare => Ok(Site::bare(&dir, unit)),
        }
    }

    /// Opens the place of a unit that is there.
    pub fn open(store: &Store, ground: Ground, unit: &UnitName) -> Result<Self> {
        let dir = store.unit_dir(unit);
        match ground {
            Ground::Pods => Ok(Site::Pod(Box::new(Pod::open(&dir)?))),
            Ground::Bare => Ok(Site::bare(&dir, unit)),
        }
    }

    fn bare(dir: &Path, unit: &UnitName) -> Self {
        Site::Bare(Bare::new(dir.join("var-lib-juju"), unit))
    }

    /// Starts the workload unless it runs; the boot's id when it was started.
    pub fn ensure_workload(&self) -> Result<Option<String>> {
        match self {
            Site::Pod(pod) => {
                // An action's process and a command may both find it dead: one of them starts it.
                let lock = File::create(pod.directory().join("workload.lock"))?;
                lock.lock()?;
                match pod.workload() {
                    None => Ok(Some(pod.start_workload()?.id)),
                    Some(_) => Ok(None),
                }
            }
            Site::Bare(_) => Ok(None),
        }
    }

    /// Ends the workload: with a signal and some patience, or at once.
    pub fn end_workload(&self, at_once: bool) -> Result<()> {
        match self {
            Site::Pod(pod) if at_once => pod.kill_workload(),
            Site::Pod(pod) => pod.stop_workload(),
            Site::Bare(_) => Ok(()),
        }
    }

    /// Kills all that lives there.
    pub fn kill(&self) -> Result<()> {
        match self {
            Site::Pod(pod) => pod.kill_all(),
            Site::Bare(_) => Ok(()),
        }
    }

    /// Where the workload's port can be reached from outside.
    pub fn address(&self) -> String {
        match self {
            Site::Pod(pod) => pod.address().to_string(),
            Site::Bare(_) => "127.0.0.1".to_owned(),
        }
    }

    /// A command in the workload container.
    pub fn workload_command(&self, words: &[&str]) -> Result<Command> {
        match self {
            Site::Pod(pod) => Ok(pod.workload_command(words)),
            Site::Bare(_) => bail!("the bare machine has no workload"),
        }
    }
}

impl Launcher for Site {
    fn command(&self, program: &Path, environment: &BTreeMap<String, String>) -> Command {
        match self {
            Site::Pod(pod) => pod.command(program, environment),
            Site::Bare(bare) => bare.command(program, environment),
        }
    }

    fn host_path(&self, inside: &Path) -> PathBuf {
        match self {
            Site::Pod(pod) => pod.host_path(inside),
            Site::Bare(bare) => bare.host_path(inside),
        }
    }

    fn data_dir(&self) -> PathBuf {
        match self {
            Site::Pod(_) => PathBuf::from("/var/lib/juju"),
            Site::Bare(bare) => bare.data_dir(),
        }
    }
}
