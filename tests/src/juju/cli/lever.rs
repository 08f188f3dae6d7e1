//! `lever`: what a test does to a model from outside, and what Juju has no command for.

use anyhow::{Context as _, Result, bail};

use super::arguments::Arguments;
use super::{Command, Usage, controller, say, unit};
use crate::juju::context::Run;
use crate::juju::postgresql;

pub(super) const LEVER: Command = Command {
    name: "lever",
    usage: "lever execute <task> | settle | hook <unit> <name> | notice <unit> <container> <key> | replace-pod <unit> | \
            revive-pod <unit> | restart-agent <unit> | stop-workload <unit> | kill-workload <unit> | lead <unit> | fail-flush <unit> <text> | \
            rotate-database <unit> | address <unit> | dir <unit>",
    flags: &[],
    run: lever,
};

fn lever(mut arguments: Arguments) -> Result<u8> {
    let what = arguments.next("lever")?;
    let controller = controller()?;
    let store = controller.store();
    match what.as_str() {
        // The process of a task; `juju run` starts it.
        "execute" => {
            let id = arguments.next("task")?.parse().context("invalid task")?;
            controller.execute(id)?;
            return Ok(0);
        }
        // Lets pass what Juju does by itself: failed hooks are tried again, dead workloads come back.
        "settle" => {
            controller.settle()?;
            return Ok(0);
        }
        _ => {}
    }
    let name = unit(&store.read()?, &arguments.next("unit")?)?;
    match what.as_str() {
        "hook" => {
            let hook = arguments.next("hook")?;
            store.update(|model| model.queue_hook(&name, &hook))?;
            controller.settle()?;
        }
        "notice" => {
            let (workload, key) = (arguments.next("container")?, arguments.next("key")?);
            let run = Run::Workload {
                name: format!("{workload}-pebble-custom-notice"),
                workload,
                notice: Some(("1".to_owned(), "custom".to_owned(), key)),
                check: None,
            };
            store.update(|model| model.queue(&name, run))?;
            controller.settle()?;
        }
        "replace-pod" => controller.replace_pod(&name)?,
        // For a pod that was killed: nobody could run the `stop` hook.
        "revive-pod" => controller.revive_pod(&name)?,
        "restart-agent" => controller.restart_agent(&name)?,
        "stop-workload" => controller.site(&name)?.end_workload(false)?,
        "kill-workload" => controller.site(&name)?.end_workload(true)?,
        "lead" => {
            store.update(|model| {
                if let Some(application) = model.applications.get_mut(name.application()) {
                    application.leader = Some(name.number());
                }
                model.queue_hook(&name, "leader-elected");
            })?;
            controller.settle()?;
        }
        "fail-flush" => {
            let text = arguments.next("text")?;
            store.update(|model| {
                if let Some(unit) = model.unit_mut(&name) {
                    unit.fail_flush = Some(text);
                }
            })?;
        }
        // What a new password at PostgreSQL looks like to whoever reads the secret.
        "rotate-database" => {
            store.try_update(postgresql::rotate)?;
            controller.settle()?;
        }
        "address" => say(&controller.site(&name)?.address()),
        "dir" => say(&store.unit_dir(&name).display().to_string()),
        other => bail!(Usage(format!("there is no lever {other:?}"))),
    }
    arguments.end()?;
    Ok(0)
}
