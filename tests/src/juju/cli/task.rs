//! `show-task` and `cancel-task`, and how a task is shown.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::arguments::{Arguments, duration};
use super::run::POLL;
use super::{Command, Usage, inform, print, say, store};
use crate::juju::flags::{Flag, Kind};
use crate::juju::model::{Task, TaskStatus};
use crate::juju::yaml;

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

/// Prints what became of the tasks that are not late.
pub(super) fn show_results(tasks: &[Task], late: &[Task], format: &str) -> Result<()> {
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
pub(super) fn complain(tasks: &[Task]) -> u8 {
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
