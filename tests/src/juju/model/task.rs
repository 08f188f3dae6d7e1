//! Tasks: actions that were asked for, with what became of them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Store;
use super::store::{now, write_whole};
use crate::juju::unit::UnitName;

/// One action on one unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Its number.
    pub id: u64,
    /// Its operation's number.
    pub operation: u64,
    /// The unit.
    pub unit: UnitName,
    /// The action.
    pub action: String,
    /// Its parameters, defaults inserted.
    pub params: Map<String, Value>,
    /// How far it is.
    pub status: TaskStatus,
    /// Why it failed.
    pub message: String,
    /// What it answered.
    pub results: Map<String, Value>,
    /// What it told on its way.
    pub log: Vec<(Timestamp, String)>,
    /// When it was asked for.
    pub enqueued: Timestamp,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub completed: Option<Timestamp>,
    /// How long the charm worked on it, waiting for its turn left out; Juju does not tell this.
    #[serde(default)]
    pub worked: Option<Duration>,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    /// Waiting for its turn.
    Pending,
    /// At work.
    Running,
    /// Ended well.
    Completed,
    /// Ended badly.
    Failed,
    /// Cancelled before it began.
    Cancelled,
    /// To be killed.
    Aborting,
    /// Killed.
    Aborted,
}

impl TaskStatus {
    /// Whether nothing will change any more.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            TaskStatus::Completed
                | TaskStatus::Failed
                | TaskStatus::Cancelled
                | TaskStatus::Aborted
        )
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            TaskStatus::Pending => "pending",
            TaskStatus::Running => "running",
            TaskStatus::Completed => "completed",
            TaskStatus::Failed => "failed",
            TaskStatus::Cancelled => "cancelled",
            TaskStatus::Aborting => "aborting",
            TaskStatus::Aborted => "aborted",
        }
    }
}

impl Store {
    /// Enqueues an action on a unit.
    pub fn add_task(
        &self,
        operation: u64,
        id: u64,
        unit: UnitName,
        action: &str,
        params: Map<String, Value>,
    ) -> Result<()> {
        self.write_task(&Task {
            id,
            operation,
            unit,
            action: action.to_owned(),
            params,
            status: TaskStatus::Pending,
            message: String::new(),
            results: Map::new(),
            log: Vec::new(),
            enqueued: now(),
            started: None,
            completed: None,
            worked: None,
        })
    }

    /// A task as it is now.
    pub fn task(&self, id: u64) -> Result<Task> {
        let bytes = fs::read(self.task_path(id))
            .map_err(|_| anyhow::anyhow!("task {id:?} not found", id = id.to_string()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("failed to understand task {id}"))
    }

    /// All tasks in order.
    pub fn tasks(&self) -> Result<Vec<Task>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(self.dir().join("tasks"))? {
            let name = entry?.file_name();
            let id: Option<u64> = name
                .to_str()
                .and_then(|name| name.strip_suffix(".json"))
                .and_then(|id| id.parse().ok());
            ids.extend(id);
        }
        ids.sort_unstable();
        ids.into_iter().map(|id| self.task(id)).collect()
    }

    /// Writes a task down.
    pub fn write_task(&self, task: &Task) -> Result<()> {
        write_whole(&self.task_path(task.id), &serde_json::to_vec_pretty(task)?)
    }

    /// Asks for a task's end.
    pub fn cancel_task(&self, id: u64) -> Result<()> {
        Ok(fs::write(self.cancel_path(id), "")?)
    }

    /// Whether a task's end was asked for.
    pub fn is_cancelled(&self, id: u64) -> bool {
        self.cancel_path(id).exists()
    }

    fn task_path(&self, id: u64) -> PathBuf {
        self.dir().join("tasks").join(format!("{id}.json"))
    }

    fn cancel_path(&self, id: u64) -> PathBuf {
        self.dir().join("tasks").join(format!("{id}.cancel"))
    }
}

impl Task {
    /// Notes that it is at work.
    pub fn begin(&mut self) {
        self.status = TaskStatus::Running;
        self.started = Some(now());
    }

    /// Notes its end.
    pub fn end(&mut self, status: TaskStatus, message: String) {
        self.status = status;
        self.message = message;
        self.completed = Some(now());
    }
}
