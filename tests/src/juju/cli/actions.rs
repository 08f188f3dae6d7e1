//! `actions`.

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::table::{row, table};
use super::{Command, print, say, store};
use crate::juju::flags::{Flag, Kind};

pub(super) const ACTIONS: Command = Command {
    name: "actions",
    usage: "actions <application> [--schema] [--format yaml|json]",
    flags: &[
        Flag {
            names: &["schema"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["format"],
            kind: Kind::Text,
        },
    ],
    run: actions,
};

fn actions(mut arguments: Arguments) -> Result<u8> {
    let name = arguments.next("application name")?;
    arguments.end()?;
    let model = store()?.read()?;
    let application = model
        .applications
        .get(&name)
        .with_context(|| format!("application {name:?} not found"))?;
    let actions = &application.charm.actions;
    if actions.is_empty() {
        say(&format!("No actions defined for {name}."));
        return Ok(0);
    }
    let format = arguments.last("format");
    if arguments.switch("schema") {
        let schemas: Map<String, Value> = actions
            .iter()
            .map(|(name, spec)| (name.clone(), spec.schema.clone()))
            .collect();
        print(&Value::Object(schemas), format)?;
        return Ok(0);
    }
    if !format.is_empty() {
        let texts: Map<String, Value> = actions
            .iter()
            .map(|(name, spec)| (name.clone(), Value::from(spec.description.clone())))
            .collect();
        print(&Value::Object(texts), format)?;
        return Ok(0);
    }
    let mut rows = vec![row(["Action", "Description"])];
    for (name, spec) in actions {
        rows.push(row([
            name,
            spec.description.lines().next().unwrap_or_default(),
        ]));
    }
    say(&table(&rows));
    Ok(0)
}
