//! `exec`, `ssh` and `resolved`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Result, bail};

use super::arguments::Arguments;
use super::{Command, Usage, controller, unit};
use crate::juju::flags::{Flag, Kind};
use crate::juju::launcher::{Ending, Launcher as _};

pub(super) const EXEC: Command = Command {
    name: "exec",
    usage: "exec --unit <unit> -- <command>",
    flags: &[Flag {
        names: &["unit", "u"],
        kind: Kind::Text,
    }],
    run: exec,
};

pub(super) const SSH: Command = Command {
    name: "ssh",
    usage: "ssh [--container name] <unit> <command> ...",
    flags: &[Flag {
        names: &["container"],
        kind: Kind::Text,
    }],
    run: ssh,
};

pub(super) const RESOLVED: Command = Command {
    name: "resolved",
    usage: "resolved <unit> [--no-retry]",
    flags: &[Flag {
        names: &["no-retry"],
        kind: Kind::Switch,
    }],
    run: resolved,
};

fn exec(mut arguments: Arguments) -> Result<u8> {
    let controller = controller()?;
    let name = unit(&controller.store().read()?, arguments.last("unit"))?;
    let command = arguments.rest();
    if command.is_empty() {
        bail!(Usage("no commands specified".to_owned()));
    }
    let report = controller.exec(&name, command)?;
    drop(std::io::stdout().write_all(&report.stdout));
    drop(std::io::stderr().write_all(&report.stderr));
    match report.ending {
        Some(Ending::Exit(code)) => Ok(u8::try_from(code).unwrap_or(1)),
        _ => Ok(1),
    }
}

/// Into the charm's container, or into a workload's.
fn ssh(mut arguments: Arguments) -> Result<u8> {
    let controller = controller()?;
    let name = unit(&controller.store().read()?, &arguments.next("unit")?)?;
    let words = arguments.rest();
    let site = controller.site(&name)?;
    let mut command = match arguments.last("container") {
        "" | "charm" => {
            let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
            let environment = BTreeMap::from([("PATH".to_owned(), path.to_owned())]);
            let mut command = site.command(Path::new("/bin/sh"), &environment);
            if !words.is_empty() {
                command.arg("-c").arg(words.join(" "));
            }
            command
        }
        _ => {
            // As ssh does, the words are one line for a shell.
            let line = words.join(" ");
            let words = if words.is_empty() {
                vec!["/bin/sh"]
            } else {
                vec!["/bin/sh", "-c", &line]
            };
            site.workload_command(&words)?
        }
    };
    let status = command.stdin(Stdio::inherit()).status()?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
}

fn resolved(mut arguments: Arguments) -> Result<u8> {
    let controller = controller()?;
    let name = unit(&controller.store().read()?, &arguments.next("unit")?)?;
    arguments.end()?;
    let skip = arguments.switch("no-retry");
    controller.store().update(|model| {
        let Some(unit) = model.unit_mut(&name) else {
            return;
        };
        let was_in_error = unit.error.take().is_some();
        if was_in_error && skip {
            unit.queue.pop_front();
        }
    })?;
    controller.settle()?;
    Ok(0)
}
