//! `run`.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

use super::arguments::{Arguments, duration};
use super::task::{complain, show_results};
use super::{Command, Usage, inform, store, unit};
use crate::juju::charm::parse_cli;
use crate::juju::flags::{Flag, Kind};
use crate::juju::model::{Model, Store, Task};
use crate::juju::unit::UnitName;

pub(super) const RUN: Command = Command {
    name: "run",
    usage: "run <unit|application/leader> ... <action> [key=value ...] [--wait 60s] [--background] [--string-args] [--params file] [--format plain|yaml|json]",
    flags: &[
        Flag {
            names: &["wait"],
            kind: Kind::Text,
        },
        Flag {
            names: &["background"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["string-args"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["params"],
            kind: Kind::Text,
        },
        Flag {
            names: &["format"],
            kind: Kind::Text,
        },
        Flag {
            names: &["utc"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["no-color"],
            kind: Kind::Switch,
        },
    ],
    run,
};

const DEFAULT_WAIT: Duration = Duration::from_secs(60);
pub(super) const POLL: Duration = Duration::from_millis(20);

fn run(mut arguments: Arguments) -> Result<u8> {
    let store = store()?;
    let model = store.read()?;
    let format = arguments.last("format").to_owned();
    let mut units = Vec::new();
    let mut action = arguments.next("unit")?;
    while action.contains('/') {
        units.push(unit(&model, &action)?);
        action = arguments.next("action")?;
    }
    if units.is_empty() {
        bail!(Usage(format!("invalid unit name {action:?}")));
    }
    let mut params = from_file(arguments.last("params"))?;
    let typed = parse_cli(&arguments.rest(), arguments.switch("string-args"));
    params.extend(typed.map_err(Usage)?);
    let wait = match arguments.last("wait") {
        "" => DEFAULT_WAIT,
        text => duration(text)?,
    };

    let operation = store.update(Model::take_number)?;
    let (tasks, errors) = enqueue(&store, &model, operation, &units, &action, &params)?;
    if tasks.is_empty() {
        inform(&format!(
            "Operation {operation} failed to schedule any tasks:"
        ));
        errors.iter().for_each(|error| inform(error));
        return Ok(1);
    }
    errors.iter().for_each(|error| inform(error));
    let mut workers: Vec<(u64, Child)> = Vec::new();
    for (id, _) in &tasks {
        workers.push((*id, start_worker(&store, *id)?));
    }
    if arguments.switch("background") {
        for (id, _) in &tasks {
            inform(&format!("Scheduled operation {operation} with task {id}"));
            inform(&format!(
                "Check operation status with 'juju show-operation {operation}'"
            ));
            inform(&format!("Check task status with 'juju show-task {id}'"));
        }
        return Ok(0);
    }
    announce(operation, &tasks);
    let deadline = Instant::now() + wait;
    let late = follow(&store, &mut workers, deadline)?;
    let ended: Vec<Task> = tasks
        .iter()
        .map(|(id, _)| store.task(*id))
        .collect::<Result<_>>()?;
    show_results(&ended, &late, &format)?;
    if !late.is_empty() {
        let names: Vec<String> = late
            .iter()
            .map(|task| format!("unit {}", task.unit))
            .collect();
        bail!("timed out waiting for results from: {}", names.join(", "));
    }
    Ok(complain(&ended))
}

fn announce(operation: u64, tasks: &[(u64, UnitName)]) {
    let plural = if tasks.len() == 1 { "" } else { "s" };
    inform(&format!(
        "Running operation {operation} with {} task{plural}",
        tasks.len()
    ));
    for (id, unit) in tasks {
        inform(&format!("  - task {id} on {}", unit.tag()));
    }
    inform("");
    for (id, _) in tasks {
        inform(&format!("Waiting for task {id}..."));
    }
}

type Enqueued = (Vec<(u64, UnitName)>, Vec<String>);

/// Checks the parameters and writes the tasks down, one a unit.
fn enqueue(
    store: &Store,
    model: &Model,
    operation: u64,
    units: &[UnitName],
    action: &str,
    params: &Map<String, Value>,
) -> Result<Enqueued> {
    let (mut tasks, mut errors) = (Vec::new(), Vec::new());
    for unit in units {
        let actions = &model.applications[unit.application()].charm.actions;
        let Some(spec) = actions.get(action) else {
            errors.push(format!(
                "action {action:?} not defined on unit {:?}",
                unit.to_string()
            ));
            continue;
        };
        match spec.check(params, model.flavour) {
            Ok(params) => {
                let id = store.update(Model::take_number)?;
                store.add_task(operation, id, unit.clone(), action, params)?;
                tasks.push((id, unit.clone()));
            }
            Err(error) => errors.push(error.to_string()),
        }
    }
    Ok((tasks, errors))
}

/// Starts the process that runs a task and goes on when we are gone.
fn start_worker(store: &Store, id: u64) -> Result<Child> {
    let output = File::create(worker_output(store, id))?;
    std::process::Command::new(std::env::current_exe()?)
        .args(["lever", "execute", &id.to_string()])
        .env("JUJU_LOOKALIKE_DIR", store.dir())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .context("failed to start the task's process")
}

fn worker_output(store: &Store, id: u64) -> std::path::PathBuf {
    store.dir().join("tasks").join(format!("{id}.output"))
}

/// Waits until the workers have ended, or the time is over; gives the tasks that are late.
///
/// The hooks that follow from an action are waited for too, so that the next command meets a model at rest.
fn follow(store: &Store, workers: &mut [(u64, Child)], deadline: Instant) -> Result<Vec<Task>> {
    let alone = workers.len() == 1;
    let mut shown = 0;
    loop {
        let mut at_work = 0;
        for (id, worker) in workers.iter_mut() {
            // The end is looked for first, so that what the task told last is not missed.
            let ended = worker.try_wait()?;
            let task = store.task(*id)?;
            if alone {
                task.log[shown..].iter().for_each(|(time, line)| {
                    inform(&format!("{} {line}", time.strftime("%H:%M:%S")))
                });
                shown = task.log.len();
            }
            match ended {
                None => at_work += 1,
                Some(status) if !status.success() => {
                    let output = fs::read_to_string(worker_output(store, *id)).unwrap_or_default();
                    bail!("the process of task {id} failed: {}", output.trim());
                }
                Some(_) => {}
            }
        }
        if at_work == 0 {
            if shown > 0 {
                inform("");
            }
            return Ok(Vec::new());
        }
        if Instant::now() >= deadline {
            let tasks = workers
                .iter()
                .map(|(id, _)| store.task(*id))
                .collect::<Result<Vec<_>>>()?;
            return Ok(tasks
                .into_iter()
                .filter(|task| !task.status.is_final())
                .collect());
        }
        std::thread::sleep(POLL);
    }
}

fn from_file(path: &str) -> Result<Map<String, Value>> {
    if path.is_empty() {
        return Ok(Map::new());
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path:?}"))?;
    let file: Value =
        serde_yaml::from_str(&text).with_context(|| format!("cannot parse {path:?}"))?;
    file.as_object()
        .cloned()
        .with_context(|| format!("params in {path:?} must be a map"))
}
