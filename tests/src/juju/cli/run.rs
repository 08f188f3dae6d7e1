//! `run`, `show-task` and `cancel-task`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use super::arguments::{Arguments, duration};
use super::{Command, Usage, inform, print, say, store, unit};
use crate::juju::charm::parse_cli;
use crate::juju::flags::{Flag, Kind};
use crate::juju::model::{Model, Store, Task, TaskStatus};
use crate::juju::unit::UnitName;
use crate::juju::yaml;

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

pub(super) const SHOW_TASK: Command = Command {
    name: "show-task",
    usage: "show-task <task> [--wait duration] [--watch] [--format plain|yaml|json]",
    flags: &[
        Flag {
            names: &["wait"],
            kind: Kind::Text,
        },
        Flag {
            names: &["watch"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["format"],
            kind: Kind::Text,
        },
        Flag {
            names: &["utc"],
            kind: Kind::Switch,
        },
    ],
    run: show_task,
};

pub(super) const CANCEL_TASK: Command = Command {
    name: "cancel-task",
    usage: "cancel-task <task> ...",
    flags: &[],
    run: cancel_task,
};

const DEFAULT_WAIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

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

fn show_results(tasks: &[Task], late: &[Task], format: &str) -> Result<()> {
    let done: Vec<&Task> = tasks
        .iter()
        .filter(|task| late.iter().all(|late| late.id != task.id))
        .collect();
    match (format, &done[..]) {
        (_, []) => {}
        ("" | "plain", [task]) => say(&plain(task)),
        ("" | "plain", tasks) => {
            for task in tasks {
                say(&format!("{}:\n{}", task.unit, indented(&plain(task))));
            }
        }
        (format, tasks) => {
            let shown: Map<String, Value> = tasks
                .iter()
                .map(|task| (task.unit.to_string(), facts(task)))
                .collect();
            print(&Value::Object(shown), format)?;
        }
    }
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// The exit code that follows from the return codes, with the complaint.
fn complain(tasks: &[Task]) -> u8 {
    let code = |task: &Task| {
        task.results
            .get("return-code")
            .and_then(Value::as_i64)
            .unwrap_or(0)
    };
    let failed: Vec<&Task> = tasks.iter().filter(|task| code(task) >= 1).collect();
    if failed.is_empty() {
        return 0;
    }
    let plural = if failed.len() == 1 { "" } else { "s" };
    inform(&format!("ERROR the following task{plural} failed:"));
    for task in failed {
        inform(&format!(
            " - id \"{}\" with return code {}",
            task.id,
            code(task)
        ));
    }
    inform("\nuse 'juju show-task' to inspect the failure");
    1
}

/// A task's outcome as `juju run` prints it.
fn plain(task: &Task) -> String {
    const ASIDE: [&str; 5] = [
        "return-code",
        "stdout",
        "stdout-encoding",
        "stderr",
        "stderr-encoding",
    ];
    let mut text = String::new();
    if matches!(
        task.status,
        TaskStatus::Failed | TaskStatus::Aborted | TaskStatus::Cancelled
    ) {
        text += &format!(
            "Action id {} {}: {}\n",
            task.id,
            task.status.word(),
            task.message
        );
    }
    let results: Map<String, Value> = task
        .results
        .iter()
        .filter(|(key, _)| !ASIDE.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if !results.is_empty() {
        text += &yaml::document(&(&Value::Object(results)).into());
    }
    for key in ["stdout", "stderr"] {
        if let Some(output) = task.results.get(key).and_then(Value::as_str) {
            text += output;
        }
    }
    text
}

/// A task as yaml and json show it.
fn facts(task: &Task) -> Value {
    let time =
        |time: &jiff::Timestamp| json!(time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string());
    let mut timing = BTreeMap::from([("enqueued", time(&task.enqueued))]);
    timing.extend(
        task.started
            .as_ref()
            .map(|started| ("started", time(started))),
    );
    timing.extend(
        task.completed
            .as_ref()
            .map(|completed| ("completed", time(completed))),
    );
    let mut facts = json!({
        "id": task.id.to_string(),
        "status": task.status.word(),
        "timing": timing,
        "unit": task.unit.to_string(),
    });
    if !task.results.is_empty() {
        facts["results"] = json!(task.results);
    }
    if !task.message.is_empty() {
        facts["message"] = json!(task.message);
    }
    if !task.log.is_empty() {
        let line = |(time, line): &(jiff::Timestamp, String)| {
            format!("{} {line}", time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC"))
        };
        facts["log"] = json!(task.log.iter().map(line).collect::<Vec<_>>());
    }
    facts
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

fn number(text: &str) -> Result<u64> {
    text.parse()
        .map_err(|_| Usage(format!("invalid task id {text:?}")).into())
}

fn show_task(mut arguments: Arguments) -> Result<u8> {
    let id = number(&arguments.next("task ID")?)?;
    arguments.end()?;
    let store = store()?;
    let wait = match arguments.last("wait") {
        "" if arguments.switch("watch") => Duration::from_secs(24 * 3600),
        "" => Duration::ZERO,
        text => duration(text)?,
    };
    let deadline = Instant::now() + wait;
    let mut task = store.task(id)?;
    while !task.status.is_final() && Instant::now() < deadline {
        std::thread::sleep(POLL);
        task = store.task(id)?;
    }
    match arguments.last("format") {
        "plain" => say(&plain(&task)),
        // A task that is not done has nothing but its facts.
        "" if task.status.is_final() && task.log.is_empty() => say(&plain(&task)),
        format => print(&facts(&task), format)?,
    }
    Ok(0)
}

fn cancel_task(mut arguments: Arguments) -> Result<u8> {
    let store = store()?;
    for id in arguments.rest() {
        let task = store.task(number(&id)?)?;
        if !task.status.is_final() {
            store.cancel_task(task.id)?;
        }
        inform(&format!("task {id} is asked to end"));
    }
    Ok(0)
}
