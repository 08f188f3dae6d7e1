//! Actions that a test runs, with all that came of them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::World;
use crate::deadline::{Deadline, Look};
use crate::juju::model;

/// How long a task may take to begin, or to end after it was asked to.
const SOON: Duration = Duration::from_secs(60);

/// An action that has ended.
#[derive(Debug)]
#[must_use]
pub struct Action {
    /// The number of its task.
    pub task: u64,
    /// As in `completed`, `failed`, `aborted`.
    pub status: String,
    /// Why it failed.
    pub message: String,
    /// What it answered.
    pub results: Value,
    /// How long the charm worked on it, from its first call of a hook tool to its end.
    pub worked: Duration,
}

impl Action {
    /// Its results, if it went well.
    pub fn success(self) -> Result<Value> {
        ensure!(
            self.status == "completed",
            "task {} is {}: {}",
            self.task,
            self.status,
            self.message
        );
        Ok(self.results)
    }

    /// Itself, if the charm let it fail.
    pub fn failure(self) -> Result<Self> {
        ensure!(
            self.status == "failed",
            "task {} is {}, which it should not be: {} {}",
            self.task,
            self.status,
            self.message,
            self.results
        );
        Ok(self)
    }

    /// A text among its results.
    pub fn result(&self, key: &str) -> &str {
        self.results[key].as_str().unwrap_or_default()
    }
}

impl World {
    /// Runs an action of a unit to its end, good or bad.
    pub fn act(&self, unit: &str, words: &[&str]) -> Result<Action> {
        self.run_action(&[&["run", "--string-args", unit], words].concat())
    }

    /// The same, with each value read as YAML, so that `true` is no text.
    pub fn act_with_yaml(&self, unit: &str, words: &[&str]) -> Result<Action> {
        self.run_action(&[&["run", unit], words].concat())
    }

    fn run_action(&self, line: &[&str]) -> Result<Action> {
        // In the foreground, which waits for the hooks that follow too.
        let output = self.juju(line)?;
        let number = output
            .stderr
            .lines()
            .find_map(|line| line.trim().strip_prefix("- task "))
            .and_then(|line| line.split(' ').next()?.parse().ok());
        let number = number.with_context(|| format!("no task was run: {output:?}"))?;
        self.ended(number)
    }

    /// Starts an action and gives the number of its task.
    pub fn begin(&self, unit: &str, words: &[&str]) -> Result<u64> {
        let line = [&["run", "--background", "--string-args", unit], words].concat();
        let output = self.juju(&line)?;
        let told = output.stderr.clone() + &output.stdout;
        let number = told
            .lines()
            .find_map(|line| line.rsplit_once(" with task "))
            .and_then(|(_, number)| number.trim().parse().ok());
        number.with_context(|| format!("no task was scheduled: {told}"))
    }

    /// Waits until a task has ended.
    pub fn wait_for_task(&self, number: u64) -> Result<Action> {
        let wait = format!("{}s", SOON.as_secs());
        let words = ["show-task", &number.to_string(), "--wait", &wait];
        self.juju_quietly(&words)?.success()?;
        // The hooks that follow from it are over when the unit is at rest.
        self.juju_quietly(&["lever", "settle"])?.success()?;
        self.ended(number)
    }

    fn ended(&self, number: u64) -> Result<Action> {
        let task = model::Store::open(self.directory_of_model())?.task(number)?;
        ensure!(
            task.status.is_final(),
            "task {number} has not ended: {task:?}"
        );
        Ok(Action {
            task: number,
            status: task.status.word().to_owned(),
            message: task.message,
            results: Value::Object(task.results),
            worked: task.worked.unwrap_or_default(),
        })
    }

    /// Kills a task as `juju cancel-task` does, and waits for its end.
    pub fn cancel(&self, number: u64) -> Result<Action> {
        self.juju(&["cancel-task", &number.to_string()])?
            .success()?;
        self.wait_for_task(number)
    }

    /// Waits until something is as it should be; the error says what was seen last.
    pub fn wait_until(&self, what: &str, mut seen: impl FnMut() -> Result<bool>) -> Result<()> {
        Deadline::after(SOON).wait_for(what, || {
            Ok(match seen()? {
                true => Look::Done(()),
                false => Look::NotYet("not so"),
            })
        })
    }

    /// The directory that holds the model.
    pub fn directory_of_model(&self) -> &Path {
        &self.model
    }
}
