//! The agent's door to the model on disk.

use anyhow::Result;

use crate::juju::agent::{Desk, Order, Secrets};
use crate::juju::context::{Effects, Immediate, Run};
use crate::juju::model::{Store, Task, TaskStatus, now};
use crate::juju::unit::UnitName;

/// Writes what a run does into the model as it happens.
pub(super) struct ModelDesk<'a> {
    store: &'a Store,
    unit: UnitName,
    task: Option<Task>,
    cancelled: bool,
    /// The first fault; the run goes on, the command fails afterwards.
    fault: Option<anyhow::Error>,
}

impl<'a> ModelDesk<'a> {
    pub(super) fn new(store: &'a Store, unit: UnitName, task: Option<Task>) -> Self {
        ModelDesk {
            store,
            unit,
            task,
            cancelled: false,
            fault: None,
        }
    }

    /// The fault that there was, if there was one.
    pub(super) fn finish(self) -> Result<()> {
        self.fault.map_or(Ok(()), Err)
    }

    fn write(&mut self, effect: &Immediate) -> Result<()> {
        let name = &self.unit;
        match effect {
            Immediate::Log(line) => self.store.log(name, line),
            Immediate::SecretRead { peek: true, .. } => Ok(()),
            Immediate::SecretRead {
                uri,
                label,
                refresh,
                ..
            } => self
                .store
                .update(|model| model.note_reading(name, uri.as_deref(), label, *refresh)),
            Immediate::Progress(line) => match &mut self.task {
                Some(task) => {
                    task.log.push((now(), line.clone()));
                    self.store.write_task(task)
                }
                None => Ok(()),
            },
            Immediate::UnitStatus(status) => self.store.update(|model| {
                if let Some(unit) = model.unit_mut(name) {
                    unit.status = status.clone();
                    unit.since = now().to_string();
                }
            }),
            Immediate::ApplicationStatus(status) => self.store.update(|model| {
                if let Some(application) = model.applications.get_mut(name.application()) {
                    application.status = Some(status.clone());
                    application.since = now().to_string();
                }
            }),
            Immediate::WorkloadVersion(version) => self.store.update(|model| {
                if let Some(application) = model.applications.get_mut(name.application()) {
                    application.version = version.clone();
                }
            }),
        }
    }
}

impl Desk for ModelDesk<'_> {
    fn immediate(&mut self, effect: &Immediate) {
        if let Err(error) = self.write(effect) {
            self.fault.get_or_insert(error);
        }
    }

    fn order(&mut self) -> Option<Order> {
        let task = self.task.as_mut().filter(|_| !self.cancelled)?;
        if !self.store.is_cancelled(task.id) {
            return None;
        }
        self.cancelled = true;
        task.status = TaskStatus::Aborting;
        if let Err(error) = self.store.write_task(task) {
            self.fault.get_or_insert(error);
        }
        Some(Order::Cancel)
    }

    fn secrets(&self) -> Option<Secrets> {
        let (store, unit) = (self.store.clone(), self.unit.clone());
        let read = move || {
            let model = store.read();
            model
                .map(|model| model.secrets_seen_by(&unit))
                .unwrap_or_default()
        };
        Some(Box::new(read))
    }

    fn commit(&mut self, _: &Run, effects: &Effects) -> Result<(), String> {
        let unit = &self.unit;
        let lever = self
            .store
            .update(|model| model.unit_mut(unit)?.fail_flush.take());
        if let Some(text) = lever.map_err(|error| error.to_string())? {
            return Err(text);
        }
        let landed = self
            .store
            .try_update(|model| model.commit(unit, effects).map_err(anyhow::Error::msg));
        landed.map_err(|error| error.to_string())
    }
}
