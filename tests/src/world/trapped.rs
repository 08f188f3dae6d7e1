//! Runs of the charm that walk into a trap, and what becomes of them.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::{Action, World};
use crate::deadline::{Deadline, Look};
use crate::juju::model;
use crate::pod::Process;
use crate::trap::{self, Recording, Step, Trap};

/// How long a run may take to walk into its trap, or to end.
const SOON: Duration = Duration::from_secs(60);

/// A run that walked into its trap.
#[derive(Debug)]
pub struct Trapped {
    /// The charm's process, if it is still there.
    pub process: Option<Process>,
    /// The call at which it happened.
    pub step: Step,
}

impl Trapped {
    /// Lets a stopped process go on.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Kills the process, stopped or not, and waits for its end.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)?;
        match self.process {
            Some(process) if !process.wait(SOON)? => bail!("{self:?} survives SIGKILL"),
            _ => Ok(()),
        }
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        self.process
            .map_or(Ok(()), |process| process.signal(signal))
    }
}

impl World {
    /// Sets a trap for the next run of a unit's charm, hook or action.
    pub fn trap(&self, unit: &str, trap: &Trap) -> Result<()> {
        trap::set(self.pod(unit)?.directory(), trap)
    }

    /// Takes a trap away that no run has walked under.
    pub fn untrap(&self, unit: &str) -> Result<()> {
        trap::unset(self.pod(unit)?.directory())
    }

    /// Waits until the trap has sprung; `None` when the run has ended before.
    pub fn trapped(&self, unit: &str) -> Result<Option<Trapped>> {
        let pod = self.pod(unit)?;
        let log = trap::log_of(pod.directory());
        Deadline::after(SOON).wait_for("a trap to spring", || {
            let Some(trap) = trap::order_of(pod.directory())? else {
                return Ok(Look::NotYet("no run began".to_owned()));
            };
            let recording = Recording::read(&fs::read_to_string(&log).unwrap_or_default());
            if let Some(step) = recording.sprung(&trap) {
                let process = recording.process.and_then(|id| Process::of(id).ok());
                let step = step.clone();
                return Ok(Look::Done(Some(Trapped { process, step })));
            }
            Ok(match recording.end {
                Some(_) => Look::Done(None),
                None => Look::NotYet(format!("{} calls", recording.steps.len())),
            })
        })
    }

    /// Lets a stopped run go on whenever it stops, and waits for the end of its task.
    pub fn resume_until_ended(&self, unit: &str, trapped: &Trapped, task: u64) -> Result<Action> {
        let log = trap::log_of(self.pod(unit)?.directory());
        let store = model::Store::open(self.directory_of_model())?;
        Deadline::after(SOON * 3).wait_for("a task to end", || {
            if store.task(task)?.status.is_final() {
                return Ok(Look::Done(()));
            }
            // Counts are each thread's own, so a second one may stop the process again.
            let text = fs::read_to_string(&log).unwrap_or_default();
            if Recording::read(&text).stands_still() {
                trapped.resume()?;
            }
            Ok(Look::NotYet("it runs"))
        })?;
        self.wait_for_task(task)
    }

    /// The charm's process that runs in a unit now, if one does.
    pub fn charm_process(&self, unit: &str) -> Result<Option<Process>> {
        let pod = self.pod(unit)?;
        let dispatch = pod.charm_directory().join("dispatch");
        Ok(pod.charm_processes().into_iter().find(|process| {
            let line = fs::read(format!("/proc/{}/cmdline", process.id())).unwrap_or_default();
            String::from_utf8_lossy(&line).trim_end_matches('\0') == dispatch.to_string_lossy()
        }))
    }

    /// The calls of the last run that was trapped or recorded, when it has ended.
    pub fn recording(&self, unit: &str) -> Result<Recording> {
        let log = trap::log_of(self.pod(unit)?.directory());
        Deadline::after(SOON).wait_for("a recorded run to end", || {
            let text = fs::read_to_string(&log).context("nothing was recorded")?;
            let recording = Recording::read(&text);
            Ok(match recording.end {
                Some(_) => Look::Done(recording),
                None => Look::NotYet("it runs"),
            })
        })
    }
}
