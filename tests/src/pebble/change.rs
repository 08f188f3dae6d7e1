//! One change and its tasks, as they are kept and as the API shows them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How far a task or a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Do,
    Doing,
    Abort,
    Error,
    Done,
    Hold,
}

impl Status {
    pub(crate) fn is_ready(self) -> bool {
        match self {
            Self::Error | Self::Done | Self::Hold => true,
            Self::Do | Self::Doing | Self::Abort => false,
        }
    }
}

/// One thing to do.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) summary: String,
    pub(crate) status: Status,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) log: Vec<String>,
    pub(crate) spawn_time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ready_time: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Value>,
}

/// What somebody asked for, in tasks.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Change {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) summary: String,
    pub(crate) services: Vec<String>,
    pub(crate) tasks: Vec<Task>,
    spawn_time: Timestamp,
    ready_time: Option<Timestamp>,
    /// The status that was last told.
    #[serde(skip)]
    told: Option<Status>,
}

impl Task {
    pub(crate) fn new(id: String, kind: &str, summary: &str) -> Self {
        Self {
            id,
            kind: kind.to_owned(),
            summary: summary.to_owned(),
            status: Status::Do,
            log: Vec::new(),
            spawn_time: Timestamp::now(),
            ready_time: None,
            data: None,
        }
    }

    pub(crate) fn end(&mut self, status: Status) {
        if !self.status.is_ready() {
            self.status = status;
            self.ready_time = Some(Timestamp::now());
        }
    }

    /// The errors in its log, without their times.
    fn errors(&self) -> impl Iterator<Item = &str> {
        self.log
            .iter()
            .filter_map(|line| line.split_once(' ')?.1.strip_prefix("ERROR "))
    }
}

impl Change {
    pub(crate) fn new(id: String, kind: &str, summary: &str, services: &[String]) -> Self {
        Self {
            id,
            kind: kind.to_owned(),
            summary: summary.to_owned(),
            services: services.to_vec(),
            tasks: Vec::new(),
            spawn_time: Timestamp::now(),
            ready_time: None,
            told: None,
        }
    }

    /// What its tasks add up to; without any there is nothing to do.
    pub(crate) fn status(&self) -> Status {
        let order = [
            Status::Abort,
            Status::Doing,
            Status::Do,
            Status::Error,
            Status::Done,
            Status::Hold,
        ];
        let found = order
            .into_iter()
            .find(|status| self.tasks.iter().any(|task| task.status == *status));
        found.unwrap_or(Status::Done)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.status().is_ready()
    }

    /// Notes when it became ready; whether it is.
    pub(crate) fn settle(&mut self) -> bool {
        let ready = self.is_ready();
        if ready && self.ready_time.is_none() {
            self.ready_time = Some(Timestamp::now());
        }
        ready
    }

    /// Whether the status is another than was last told.
    pub(crate) fn take_news(&mut self) -> bool {
        self.settle();
        let status = Some(self.status());
        std::mem::replace(&mut self.told, status) != status
    }

    /// Whether the next daemon should know of it; checks only begin anew.
    pub(crate) fn is_lasting(&self) -> bool {
        !self.kind.ends_with("-check")
    }

    /// What the next daemon makes of it: an exec reads as done though nobody knows how it ended, the rest waits for ever.
    pub(crate) fn outlive(&mut self) {
        for task in &mut self.tasks {
            task.end(if task.kind == "exec" {
                Status::Done
            } else {
                Status::Hold
            });
        }
        self.take_news();
    }

    /// As the API shows it.
    pub(crate) fn to_json(&self) -> Value {
        let status = self.status();
        let mut shown = json!({
            "id": self.id,
            "kind": self.kind,
            "summary": self.summary,
            "status": status,
            "ready": status.is_ready(),
            "spawn-time": self.spawn_time,
        });
        if let (true, Some(time)) = (status.is_ready(), self.ready_time) {
            shown["ready-time"] = json!(time);
        }
        if status == Status::Error {
            let lines = self
                .tasks
                .iter()
                .filter(|task| task.status == Status::Error);
            let lines = lines.flat_map(|task| {
                task.errors()
                    .map(|error| format!("\n- {} ({error})", task.summary))
            });
            shown["err"] = json!(format!(
                "cannot perform the following tasks:{}",
                lines.collect::<String>()
            ));
        }
        if !self.tasks.is_empty() {
            let tasks = self.tasks.iter().map(|task| {
                let mut shown = json!(task);
                shown["progress"] = json!({"label": "", "done": 1, "total": 1});
                shown
            });
            shown["tasks"] = tasks.collect();
        }
        shown
    }
}
