//! Changes and their tasks: what was asked for, how far it got, and who waits for it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::change::{Change, Status, Task};
use super::guarded::Guarded;
use super::notices::{News, Notices};
use super::state_file::{Saved, StateFile};

/// How many changes that are ready are kept.
const MOST: usize = 1_000;
/// How many entries of a task's log are kept.
const LOG_LINES: usize = 10;

/// All changes of a daemon.
pub(crate) struct Changes {
    inner: Guarded<Inner>,
    moved: watch::Sender<u64>,
    notices: Arc<Notices>,
    file: Option<StateFile>,
}

#[derive(Default)]
struct Inner {
    changes: BTreeMap<u64, Change>,
    homes: HashMap<String, u64>,
    aborts: HashMap<String, watch::Sender<bool>>,
    last_change: u64,
    last_task: u64,
}

/// Which changes are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selection {
    All,
    InProgress,
    Ready,
}

impl Changes {
    /// Takes up what a former daemon left in its state file, if there is to be one.
    pub(crate) fn open(path: Option<PathBuf>, notices: Arc<Notices>) -> Self {
        let file = path.map(StateFile::new);
        let mut inner = Inner::default();
        if let Some(saved) = file.as_ref().and_then(StateFile::read) {
            inner.last_change = saved.last_change;
            inner.last_task = saved.last_task;
            for mut change in saved.changes {
                change.outlive();
                let Ok(number) = change.id.parse() else {
                    continue;
                };
                inner
                    .homes
                    .extend(change.tasks.iter().map(|task| (task.id.clone(), number)));
                inner.changes.insert(number, change);
            }
        }
        Self {
            inner: Guarded::new(inner),
            moved: watch::Sender::new(0),
            notices,
            file,
        }
    }

    /// Notes a new change with tasks of these kinds and summaries; its id and theirs.
    pub(crate) fn begin(
        &self,
        kind: &str,
        summary: &str,
        services: &[String],
        tasks: &[(&str, String)],
    ) -> (String, Vec<String>) {
        let mut inner = self.inner.lock();
        inner.last_change += 1;
        let number = inner.last_change;
        let mut change = Change::new(number.to_string(), kind, summary, services);
        for (kind, summary) in tasks {
            inner.last_task += 1;
            let id = inner.last_task.to_string();
            inner.homes.insert(id.clone(), number);
            inner.aborts.insert(id.clone(), watch::Sender::new(false));
            change.tasks.push(Task::new(id, kind, summary));
        }
        let ids = change.tasks.iter().map(|task| task.id.clone()).collect();
        inner.changes.insert(number, change);
        inner.prune();
        drop(inner);
        self.tell(number);
        (number.to_string(), ids)
    }

    /// Notes that a task is being done; none when it was put on hold before.
    pub(crate) fn start(&self, task: &str) -> Option<watch::Receiver<bool>> {
        let abort = self.alter(task, |task| {
            (task.status == Status::Do).then(|| task.status = Status::Doing)
        })?;
        abort.map(|()| self.aborted(task))
    }

    /// Says when a task is aborted.
    pub(crate) fn aborted(&self, task: &str) -> watch::Receiver<bool> {
        let mut inner = self.inner.lock();
        inner
            .aborts
            .entry(task.to_owned())
            .or_insert_with(|| watch::Sender::new(false))
            .subscribe()
    }

    /// Adds a line to a task's log.
    pub(crate) fn log(&self, task: &str, text: &str) {
        self.note(task, "INFO", text);
    }

    /// Adds an error to a task's log, which the change's `err` will name.
    pub(crate) fn log_error(&self, task: &str, text: &str) {
        self.note(task, "ERROR", text);
    }

    fn note(&self, task: &str, level: &str, text: &str) {
        let mut inner = self.inner.lock();
        if let Some(task) = inner.task(task) {
            if task.log.len() >= LOG_LINES {
                task.log.remove(0);
            }
            task.log
                .push(format!("{} {level} {text}", jiff::Timestamp::now()));
        }
    }

    /// Sets what a task tells in its `data`.
    pub(crate) fn set_data(&self, task: &str, data: Value) {
        let mut inner = self.inner.lock();
        if let Some(task) = inner.task(task) {
            task.data = Some(data);
        }
    }

    /// Notes how a task ended.
    pub(crate) fn finish(&self, task: &str, result: Result<(), String>) {
        if let Err(message) = &result {
            self.log_error(task, message);
        }
        let status = if result.is_ok() {
            Status::Done
        } else {
            Status::Error
        };
        self.alter(task, |task| task.end(status));
    }

    /// Puts a task on hold that was not yet begun.
    pub(crate) fn hold(&self, task: &str) {
        self.alter(task, |task| {
            if task.status == Status::Do {
                task.end(Status::Hold);
            }
        });
    }

    fn alter<T>(&self, id: &str, change: impl FnOnce(&mut Task) -> T) -> Option<T> {
        let mut inner = self.inner.lock();
        let number = *inner.homes.get(id)?;
        let result = change(inner.task(id)?);
        if inner.changes.get_mut(&number).is_some_and(Change::settle) {
            inner.forget_aborts(number);
        }
        drop(inner);
        self.tell(number);
        Some(result)
    }

    /// Asks the tasks of a change to end; the error says why that cannot be.
    pub(crate) fn abort(&self, id: &str) -> Option<Result<Value, String>> {
        let mut inner = self.inner.lock();
        let number: u64 = id.parse().ok()?;
        let change = inner.changes.get_mut(&number)?;
        if change.is_ready() {
            return Some(Err(format!(
                "cannot abort change {id} with nothing pending"
            )));
        }
        let mut running = Vec::new();
        for task in &mut change.tasks {
            match task.status {
                Status::Do => task.end(Status::Hold),
                Status::Doing => {
                    task.status = Status::Abort;
                    running.push(task.id.clone());
                }
                Status::Abort | Status::Done | Status::Error | Status::Hold => {}
            }
        }
        change.settle();
        let shown = change.to_json();
        for task in running {
            if let Some(abort) = inner.aborts.get(&task) {
                abort.send_replace(true);
            }
        }
        drop(inner);
        self.tell(number);
        Some(Ok(shown))
    }

    /// Aborts every task that is being done, as a daemon does that ends.
    pub(crate) fn abort_all(&self) {
        for abort in self.inner.lock().aborts.values() {
            abort.send_replace(true);
        }
    }

    /// One change as the API shows it.
    pub(crate) fn show(&self, id: &str) -> Option<Value> {
        let number: u64 = id.parse().ok()?;
        self.inner.lock().changes.get(&number).map(Change::to_json)
    }

    /// The changes of a selection that concern a service, if one is named.
    pub(crate) fn list(&self, selection: Selection, service: &str) -> Vec<Value> {
        let inner = self.inner.lock();
        let chosen = inner.changes.values().filter(|change| match selection {
            Selection::All => true,
            Selection::InProgress => !change.is_ready(),
            Selection::Ready => change.is_ready(),
        });
        chosen
            .filter(|change| {
                service.is_empty() || change.services.iter().any(|name| name == service)
            })
            .map(Change::to_json)
            .collect()
    }

    /// A task's kind, and its change's id.
    pub(crate) fn task_home(&self, id: &str) -> Option<(String, String)> {
        let inner = self.inner.lock();
        let change = inner.changes.get(inner.homes.get(id)?)?;
        let task = change.tasks.iter().find(|task| task.id == id)?;
        Some((task.kind.clone(), change.id.clone()))
    }

    /// Waits until a change is ready, at most so long; none when there is no such change.
    pub(crate) async fn wait(
        &self,
        id: &str,
        patience: Option<Duration>,
    ) -> Option<Result<Value, TimedOut>> {
        let mut moved = self.moved.subscribe();
        let ready = async {
            loop {
                moved.mark_unchanged();
                let shown = self.show(id)?;
                if shown["ready"] == Value::Bool(true) || moved.changed().await.is_err() {
                    return Some(shown);
                }
            }
        };
        match patience {
            None => ready.await.map(Ok),
            Some(patience) => match tokio::time::timeout(patience, ready).await {
                Ok(shown) => shown.map(Ok),
                Err(_) => Some(Err(TimedOut)),
            },
        }
    }

    /// Tells all who wait, makes a notice when the status is another, and saves.
    fn tell(&self, number: u64) {
        let mut inner = self.inner.lock();
        let Some(change) = inner.changes.get_mut(&number) else {
            return;
        };
        let news = change.take_news();
        let (kind, key) = (change.kind.clone(), change.id.clone());
        let lasting = change.is_lasting();
        if let (Some(file), true, true) = (&self.file, news, lasting) {
            file.write(&Saved {
                last_change: inner.last_change,
                last_task: inner.last_task,
                changes: inner
                    .changes
                    .values()
                    .filter(|change| change.is_lasting())
                    .cloned()
                    .collect(),
            });
        }
        drop(inner);
        if news {
            let data = BTreeMap::from([("kind".to_owned(), kind)]);
            self.notices.add(News {
                user: None,
                kind: "change-update",
                key,
                data,
                repeat_after: None,
            });
        }
        self.moved.send_modify(|count| *count += 1);
    }
}

/// A wait that was over before the change was ready.
#[derive(Debug)]
pub(crate) struct TimedOut;

impl Inner {
    fn task(&mut self, id: &str) -> Option<&mut Task> {
        let change = self.changes.get_mut(self.homes.get(id)?)?;
        change.tasks.iter_mut().find(|task| task.id == id)
    }

    fn forget_aborts(&mut self, number: u64) {
        if let Some(change) = self.changes.get(&number) {
            for task in &change.tasks {
                self.aborts.remove(&task.id);
            }
        }
    }

    fn prune(&mut self) {
        let ready = self
            .changes
            .values()
            .filter(|change| change.is_ready())
            .count();
        let oldest = self
            .changes
            .iter()
            .find(|(_, change)| change.is_ready())
            .map(|(number, _)| *number);
        if let (true, Some(number)) = (ready > MOST, oldest) {
            self.changes.remove(&number);
            self.homes.retain(|_, home| *home != number);
        }
    }
}
