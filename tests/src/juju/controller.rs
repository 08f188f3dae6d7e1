//! What makes a model move: runs the hooks that are due, and the actions that were asked for.
//!
//! There is no daemon. Each command of the look-alike changes the model and then lets it [settle]:
//! hook after hook runs until none is due. An action runs in a process of its own, so that it goes on
//! when nobody waits for it any more.
//!
//! [settle]: Controller::settle

mod desk;
mod life;

pub use life::Deployment;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::agent::{Agent, Report, Turn, Verdict};
use super::context::{LogLine, Run, Status};
use super::model::{Ground, Model, Player, Store, Task, TaskStatus};
use super::site::Site;
use super::unit::UnitName;
use super::{integrator, postgresql};
use crate::parts;
use desk::ModelDesk;

/// How often a hook that keeps being killed is run in one go.
const MOST_KILLS: u32 = 3;

/// Moves one model.
pub struct Controller {
    store: Store,
    jujuc: PathBuf,
}

/// What came of one hook.
enum Step {
    /// On with the next.
    Done,
    /// The unit is in error: it waits for the next command.
    Stuck,
    /// The hook was killed and is due again.
    Killed,
}

impl Controller {
    /// The controller of a model; the hook tools' program is looked for next to our own.
    pub fn new(store: Store) -> Result<Self> {
        let jujuc = parts::program("jujuc")?;
        Ok(Controller { store, jujuc })
    }

    /// The model's directory.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The place of a unit.
    pub fn site(&self, unit: &UnitName) -> Result<Site> {
        Site::open(&self.store, self.store.read()?.ground, unit)
    }

    /// Runs hooks until none is due, or until the units that have some are in error.
    pub fn settle(&self) -> Result<()> {
        let mut stuck = BTreeSet::new();
        let mut kills: BTreeMap<UnitName, u32> = BTreeMap::new();
        loop {
            self.store.update(integrator::publish)?;
            self.store.try_update(postgresql::publish)?;
            self.revive_workloads(&stuck)?;
            let model = self.store.read()?;
            let due = |unit: &UnitName| model.unit(unit).is_some_and(|unit| !unit.queue.is_empty());
            let Some(unit) = model
                .charm_units()
                .into_iter()
                .find(|unit| due(unit) && !stuck.contains(unit))
            else {
                self.store.update(Model::bury_relations)?;
                return Ok(());
            };
            match self.run_next_hook(&unit)? {
                Step::Done => {}
                Step::Stuck => {
                    stuck.insert(unit);
                }
                Step::Killed => {
                    let count = kills.entry(unit.clone()).or_default();
                    *count += 1;
                    if *count >= MOST_KILLS {
                        stuck.insert(unit);
                    }
                }
            }
        }
    }

    /// Starts workloads that do not run, and tells their charms that Pebble is ready.
    fn revive_workloads(&self, stuck: &BTreeSet<UnitName>) -> Result<()> {
        let model = self.store.read()?;
        for name in model.charm_units() {
            let Some(unit) = model
                .unit(&name)
                .filter(|unit| unit.started && !stuck.contains(&name))
            else {
                continue;
            };
            let fresh = self.site(&name)?.ensure_workload()?;
            if fresh.is_none() && unit.boot.is_some() {
                continue;
            }
            let containers = model.applications[name.application()]
                .charm
                .containers
                .clone();
            self.store.update(|model| {
                if let Some(unit) = model.unit_mut(&name) {
                    unit.boot = Some(fresh.unwrap_or_else(|| "told again".to_owned()));
                }
                for container in &containers {
                    let ready = Run::Workload {
                        name: format!("{container}-pebble-ready"),
                        workload: container.clone(),
                        notice: None,
                        check: None,
                    };
                    model.queue(&name, ready);
                }
            })?;
        }
        Ok(())
    }

    fn run_next_hook(&self, name: &UnitName) -> Result<Step> {
        let model = self.store.read()?;
        let site = self.site(name)?;
        let agent = Agent::install(name.clone(), model.facts(), &site, &self.jujuc)?;
        let turn = agent.turn()?;
        self.mark_dead_tasks(name)?;
        let Some(run) = self
            .store
            .read()?
            .unit(name)
            .and_then(|unit| unit.queue.front().cloned())
        else {
            return Ok(Step::Done);
        };
        self.store.update(|model| before_hook(model, name, &run))?;
        let report = self.run(&turn, name, run.clone(), None)?;
        self.log_hook(name, &run, &report)?;
        self.store
            .update(|model| after_hook(model, name, &run, &report))
    }

    /// Runs something on a unit whose turn it is.
    fn run(&self, turn: &Turn, name: &UnitName, run: Run, task: Option<Task>) -> Result<Report> {
        let context = self
            .store
            .read()?
            .context(name, run)
            .with_context(|| format!("unit {name} not found"))?;
        let mut desk = ModelDesk::new(&self.store, name.clone(), task);
        let report = turn.run(context, &mut desk)?;
        desk.finish()?;
        Ok(report)
    }

    /// Runs an action that was enqueued, then whatever hooks follow from it.
    pub fn execute(&self, id: u64) -> Result<()> {
        let mut task = self.store.task(id)?;
        let name = task.unit.clone();
        let model = self.store.read()?;
        if model.applications[name.application()].player == Player::Integrator {
            match model.applications[name.application()].charm.name.as_str() {
                postgresql::NAME => postgresql::act(self.store.dir(), &mut task),
                _ => self
                    .store
                    .update(|model| integrator::act(model, &mut task))?,
            }
            self.store.write_task(&task)?;
            return self.settle();
        }
        let site = self.site(&name)?;
        let agent = Agent::install(name.clone(), model.facts(), &site, &self.jujuc)?;
        let turn = agent.turn()?;
        self.mark_dead_tasks(&name)?;
        if self.store.is_cancelled(id) {
            task.end(TaskStatus::Cancelled, String::new());
            return self.store.write_task(&task);
        }
        task.begin();
        self.store.write_task(&task)?;
        let run = Run::Action {
            name: task.action.clone(),
            params: task.params.clone(),
            task: id,
        };
        let report = self.run(&turn, &name, run, Some(task))?;
        let mut task = self.store.task(id)?;
        task.results = report.results;
        task.worked = Some(report.worked);
        match report.verdict {
            _ if !report.refused.is_empty() => {
                task.end(TaskStatus::Failed, refusal(&report.refused))
            }
            Verdict::Completed => task.end(TaskStatus::Completed, report.message),
            Verdict::Aborted => task.end(TaskStatus::Aborted, report.message),
            Verdict::Failed | Verdict::Requeued => task.end(TaskStatus::Failed, report.message),
        }
        self.store.write_task(&task)?;
        drop(turn);
        self.settle()
    }

    /// Runs a command in the environment of a unit's hooks, as `juju exec` does.
    pub fn exec(&self, name: &UnitName, command: Vec<String>) -> Result<Report> {
        let site = self.site(name)?;
        let agent = Agent::install(name.clone(), self.store.read()?.facts(), &site, &self.jujuc)?;
        let report = self.run(&agent.turn()?, name, Run::Exec { command }, None)?;
        self.settle()?;
        Ok(report)
    }

    /// A task that says it runs although it is our turn was left by an agent that died.
    fn mark_dead_tasks(&self, name: &UnitName) -> Result<()> {
        for mut task in self.store.tasks()? {
            if task.unit == *name && task.status == TaskStatus::Running {
                task.results.clear();
                task.end(TaskStatus::Failed, "action terminated".to_owned());
                self.store.write_task(&task)?;
            }
        }
        Ok(())
    }

    fn log_hook(&self, name: &UnitName, run: &Run, report: &Report) -> Result<()> {
        let hook = format!("{:?} (via hook dispatching script: dispatch)", run.name());
        let (level, message) = match report.verdict {
            Verdict::Completed if report.refused.is_empty() => (
                "INFO",
                format!(
                    "ran {:?} hook (via hook dispatching script: dispatch)",
                    run.name()
                ),
            ),
            Verdict::Completed => (
                "ERROR",
                format!("hook {hook} failed: {}", refusal(&report.refused)),
            ),
            Verdict::Requeued => (
                "INFO",
                format!("hook {hook} terminated, it will be run again"),
            ),
            Verdict::Failed | Verdict::Aborted => {
                let cause = report
                    .ending
                    .map_or("not started".to_owned(), |ending| format!("{ending:?}"));
                ("ERROR", format!("hook {hook} failed: {cause}"))
            }
        };
        let module = "juju.worker.uniter.operation".to_owned();
        self.store.log(
            name,
            &LogLine {
                level: level.to_owned(),
                module,
                message,
            },
        )
    }
}

fn refusal(tools: &[String]) -> String {
    format!(
        "the charm called hook tools that are not simulated: {}",
        tools.join(", ")
    )
}

/// What Juju does to the model before it runs a hook.
fn before_hook(model: &mut Model, name: &UnitName, run: &Run) {
    let Some(unit) = model.unit_mut(name) else {
        return;
    };
    match run {
        Run::Hook { name } if name == "install" => {
            unit.status = Status {
                status: "maintenance".to_owned(),
                message: "installing charm software".to_owned(),
                ..Status::default()
            };
        }
        Run::Storage { name, storage } if name.ends_with("-storage-attached") => {
            unit.storage
                .iter_mut()
                .filter(|mount| mount.id == *storage)
                .for_each(|mount| mount.attached = true);
        }
        _ => {}
    }
}

/// What follows from the end of a hook.
fn after_hook(model: &mut Model, name: &UnitName, run: &Run, report: &Report) -> Step {
    let Some(unit) = model.unit_mut(name) else {
        return Step::Done;
    };
    let good = report.verdict == Verdict::Completed && report.refused.is_empty();
    if report.verdict == Verdict::Requeued {
        return Step::Killed;
    }
    if !good && matches!(run, Run::Workload { .. }) {
        // Pebble's hooks are skipped and fire again at the next poll.
        unit.queue.pop_front();
        unit.boot = None;
        return Step::Stuck;
    }
    if !good {
        let message = format!("hook failed: {:?}", run.name());
        unit.error = Some(match report.refused.is_empty() {
            true => message,
            false => format!("{message}: {}", refusal(&report.refused)),
        });
        return Step::Stuck;
    }
    unit.queue.pop_front();
    unit.error = None;
    match run {
        Run::Hook { name } if name == "start" => unit.started = true,
        Run::Storage { name, storage } if name.ends_with("-storage-detaching") => {
            unit.storage.retain(|mount| mount.id != *storage);
        }
        Run::Relation {
            name: hook,
            relation,
            ..
        } if hook.ends_with("-relation-broken") => {
            if let Some(link) = model.relations.iter_mut().find(|link| link.id == *relation) {
                link.units.remove(&name.to_string());
            }
        }
        _ => {}
    }
    Step::Done
}

impl Ground {
    /// Reads its word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "pods" => Some(Ground::Pods),
            "bare" => Some(Ground::Bare),
            _ => None,
        }
    }
}
