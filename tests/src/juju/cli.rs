//! A `juju` look-alike: the commands a user types at a real controller, against a model in a directory.
//!
//! Texts, flags and tables are those of Juju 3.6 as far as the demo and the tests need them. The model
//! is the directory that `JUJU_LOOKALIKE_DIR` names, else the nearest `.juju-model`. What Juju does not
//! have stands under `juju lever`. Nothing of this is ever packed into the charm.

mod actions;
mod arguments;
mod config;
mod debug_log;
mod deploy;
mod lever;
mod models;
mod relate;
mod run;
mod secrets;
mod show_unit;
mod status;
mod table;
mod task;
mod units;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::controller::Controller;
use super::model::{Model, Store};
use super::unit::UnitName;
use super::value::Value;
use super::yaml;
use arguments::Arguments;

/// A command: its name, its flags, and what it does.
struct Command {
    name: &'static str,
    usage: &'static str,
    flags: &'static [super::flags::Flag],
    run: fn(Arguments) -> Result<u8>,
}

/// Something that was typed wrong: exit 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

const COMMANDS: &[&Command] = &[
    &actions::ACTIONS,
    &config::CONFIG,
    &debug_log::DEBUG_LOG,
    &deploy::ADD_UNIT,
    &deploy::DEPLOY,
    &deploy::REFRESH,
    &deploy::REMOVE_APPLICATION,
    &lever::LEVER,
    &models::ADD_MODEL,
    &models::DESTROY_MODEL,
    &models::MODELS,
    &models::MODEL_CONFIG,
    &relate::INTEGRATE,
    &relate::REMOVE_RELATION,
    &run::RUN,
    &secrets::ADD_SECRET,
    &secrets::GRANT_SECRET,
    &secrets::REMOVE_SECRET,
    &secrets::REVOKE_SECRET,
    &secrets::UPDATE_SECRET,
    &show_unit::SHOW_UNIT,
    &status::STATUS,
    &task::CANCEL_TASK,
    &task::SHOW_TASK,
    &units::EXEC,
    &units::RESOLVED,
    &units::SSH,
];

/// Runs one command line, `juju` itself left out; gives the exit code.
pub fn main(args: Vec<String>) -> u8 {
    match dispatch(args) {
        Ok(code) => code,
        Err(error) => {
            inform(&format!("ERROR {error:#}"));
            if error.is::<Usage>() { 2 } else { 1 }
        }
    }
}

fn dispatch(mut args: Vec<String>) -> Result<u8> {
    if args.is_empty() || args[0] == "help" || args[0] == "--help" {
        say("The juju look-alike of the Synapse operator's test house. Commands:\n");
        COMMANDS
            .iter()
            .for_each(|command| say(&format!("  juju {}", command.usage)));
        return Ok(0);
    }
    let name = args.remove(0);
    let found = COMMANDS.iter().find(|command| command.name == name);
    let command = found.ok_or_else(|| {
        Usage(format!(
            "juju: {name:?} is not a juju command of the look-alike. See \"juju help\"."
        ))
    })?;
    match Arguments::parse(command, &args)? {
        Some(arguments) => (command.run)(arguments),
        None => {
            say(&format!("Usage: juju {}", command.usage));
            Ok(0)
        }
    }
}

/// A line for the user's eyes and scripts.
fn say(text: &str) {
    // A reader that went away wants no more.
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// A line for the user's eyes only.
fn inform(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Where the model lies or is to lie.
fn model_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("JUJU_LOOKALIKE_DIR") {
        return Ok(dir.into());
    }
    let here = std::env::current_dir()?;
    let nearest = here
        .ancestors()
        .map(|folder| folder.join(".juju-model"))
        .find(|dir| dir.is_dir());
    Ok(nearest.unwrap_or_else(|| here.join(".juju-model")))
}

fn store() -> Result<Store> {
    Store::open(model_dir()?).context("No model in focus: add one with `juju add-model <name>`")
}

fn controller() -> Result<Controller> {
    Controller::new(store()?)
}

/// Reads `synapse/0` or `synapse/leader`.
fn unit(model: &Model, text: &str) -> Result<UnitName> {
    let name = match text.strip_suffix("/leader") {
        Some(application) => {
            let found = model.applications.get(application);
            let leader = found.and_then(|found| found.leader);
            leader
                .map(|number| UnitName::new(application, number))
                .with_context(|| format!("could not determine leader for {application:?}"))?
        }
        None => {
            UnitName::parse(text).ok_or_else(|| Usage(format!("invalid unit name {text:?}")))?
        }
    };
    anyhow::ensure!(model.unit(&name).is_some(), "unit {text:?} not found");
    Ok(name)
}

/// Prints a value as `--format` says, yaml unless told.
fn print(value: &serde_json::Value, format: &str) -> Result<()> {
    match format {
        "json" => say(&Value::from(value).json()),
        "" | "yaml" => say(yaml::document(&Value::from(value)).trim_end_matches('\n')),
        other => anyhow::bail!(Usage(format!(
            "invalid value {other:?} for option --format: unknown format {other:?}"
        ))),
    }
    Ok(())
}
