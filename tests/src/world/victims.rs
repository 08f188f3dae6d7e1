//! Parts of a unit that a test kills, and what Juju does when a whole pod is gone.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::World;
use super::unit::processes_in;
use crate::deadline::{Deadline, Look};
use crate::pod::Process;

/// How long a killed process may take to be gone.
const SOON: Duration = Duration::from_secs(20);

impl World {
    /// The `tar` in a unit's workload, which may be about to begin.
    pub fn tar(&self, unit: &str) -> Result<Process> {
        let workload = self.workload(unit)?;
        let tar = Deadline::after(SOON).wait_for("tar to run", || {
            let found = processes_in(workload, |line| line.split('\0').next() == Some("tar"))?;
            Ok(match found[..] {
                [id] => Look::Done(id),
                _ => Look::NotYet(format!("{} of them", found.len())),
            })
        })?;
        Process::of(tar)
    }

    /// Kills the `tar` in a unit's workload, which may be about to begin.
    pub fn kill_tar(&self, unit: &str) -> Result<()> {
        end(self.tar(unit)?)
    }

    /// Kills the Synapse that runs in a unit's workload, if one does; tells whether one did. Pebble starts it again.
    pub fn kill_synapse(&self, unit: &str) -> Result<bool> {
        let workload = self.workload(unit)?;
        let found = processes_in(workload, |line| line.contains("synapse.app.homeserver"))?;
        for id in &found {
            if let Ok(process) = Process::of(*id) {
                end(process)?;
            }
        }
        Ok(!found.is_empty())
    }

    /// Kills a unit's Pebble, and with it, as it is the first process there, all that runs in the workload.
    pub fn kill_pebble(&self, unit: &str) -> Result<()> {
        self.pod(unit)?.kill_workload()
    }

    /// Kills all that runs in a unit's pod at once, Juju's agent included. The storage stays.
    pub fn kill_pod(&self, unit: &str) -> Result<()> {
        // The agent first, as it would see the charm die and go on.
        for agent in self.agents()? {
            end(agent)?;
        }
        self.pod(unit)?.kill_all()
    }

    /// What Juju does once Kubernetes has made the lost pod anew: the charm's files come again, and the hooks of a new pod.
    pub fn revive_pod(&self, unit: &str) -> Result<()> {
        self.juju(&["lever", "revive-pod", unit])?
            .success()
            .map(drop)
    }

    fn workload(&self, unit: &str) -> Result<Process> {
        let workload = self.pod(unit)?.workload();
        workload.context("the workload does not run")
    }

    /// The processes of this model's agents, each with an action that it runs.
    fn agents(&self) -> Result<Vec<Process>> {
        let [(variable, model), _] = self.environment();
        let variable = format!("{variable}={model}");
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let id = entry?.file_name().to_string_lossy().into_owned();
            let file = |name: &str| fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
            let line = String::from_utf8_lossy(&file("cmdline")).into_owned();
            if !line.contains("\0lever\0execute\0") {
                continue;
            }
            let ours = file("environ")
                .split(|byte| *byte == 0)
                .any(|entry| entry == variable.as_bytes());
            if let (true, Ok(id)) = (ours, id.parse()) {
                found.extend(Process::of(id).ok());
            }
        }
        Ok(found)
    }
}

fn end(process: Process) -> Result<()> {
    process.signal(Signal::KILL)?;
    if !process.wait(SOON)? {
        bail!("process {} survives SIGKILL", process.id());
    }
    Ok(())
}
