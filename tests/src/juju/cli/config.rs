//! `config`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::arguments::{Arguments, key_value};
use super::{Command, Usage, controller, print, say};
use crate::juju::controller::Controller;
use crate::juju::flags::{Flag, Kind};
use crate::juju::model::Application;

pub(super) const CONFIG: Command = Command {
    name: "config",
    usage: "config <application> [key | key=value ...] [--reset key,...] [--file file] [--format yaml|json]",
    flags: &[
        Flag {
            names: &["reset"],
            kind: Kind::Text,
        },
        Flag {
            names: &["file"],
            kind: Kind::Text,
        },
        Flag {
            names: &["format"],
            kind: Kind::Text,
        },
    ],
    run: config,
};

fn config(mut arguments: Arguments) -> Result<u8> {
    let name = arguments.next("application name")?;
    let controller = controller()?;
    let rest = arguments.rest();
    let mut settings = from_file(&name, arguments.last("file"))?;
    let reset: Vec<String> = arguments
        .all("reset")
        .iter()
        .flat_map(|keys| keys.split(','))
        .map(str::to_owned)
        .collect();
    match &rest[..] {
        [] if settings.is_empty() && reset.is_empty() => {
            show(&controller, &name, arguments.last("format"))
        }
        [key] if !key.contains('=') => show_one(&controller, &name, key),
        pairs => {
            for pair in pairs {
                let (key, value) = key_value(pair)?;
                settings.insert(key, value);
            }
            set(&controller, &name, &settings, &reset)
        }
    }
}

/// Settings of `--file`: `application: {key: value}`.
fn from_file(name: &str, path: &str) -> Result<BTreeMap<String, String>> {
    if path.is_empty() {
        return Ok(BTreeMap::new());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path:?}"))?;
    let file: Value =
        serde_yaml::from_str(&text).with_context(|| format!("cannot parse {path:?}"))?;
    let settings = file[name]
        .as_object()
        .ok_or_else(|| Usage(format!("no settings found for {name:?}")))?;
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    Ok(settings
        .iter()
        .map(|(key, value)| (key.clone(), text(value)))
        .collect())
}

fn set(
    controller: &Controller,
    name: &str,
    settings: &BTreeMap<String, String>,
    reset: &[String],
) -> Result<u8> {
    controller.store().try_update(|model| {
        let found = model.applications.get_mut(name);
        let application = found.with_context(|| format!("application {name:?} not found"))?;
        let parsed = application.charm.parse_settings(settings);
        let parsed =
            parsed.map_err(|text| anyhow::anyhow!("parsing settings for application: {text}"))?;
        let before = application.charm.configuration(&application.settings);
        application.settings.extend(parsed);
        application.settings.retain(|key, _| !reset.contains(key));
        let changed = application.charm.configuration(&application.settings) != before;
        if changed {
            for unit in application.unit_names(name) {
                model.queue_hook(&unit, "config-changed");
            }
        }
        Ok(())
    })?;
    controller.settle()?;
    Ok(0)
}

fn show_one(controller: &Controller, name: &str, key: &str) -> Result<u8> {
    let model = controller.store().read()?;
    let application = model
        .applications
        .get(name)
        .with_context(|| format!("application {name:?} not found"))?;
    let configuration = application.charm.configuration(&application.settings);
    let value = configuration.get(key).with_context(|| {
        format!("key {key:?} not found in {name:?} application config or charm settings.")
    })?;
    say(&match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    });
    Ok(0)
}

fn show(controller: &Controller, name: &str, format: &str) -> Result<u8> {
    let model = controller.store().read()?;
    let application = model
        .applications
        .get(name)
        .with_context(|| format!("application {name:?} not found"))?;
    let trust = json!({
        "default": false,
        "description": "Does this application have access to trusted credentials",
        "source": if application.trusted { "user" } else { "default" },
        "type": "bool",
        "value": application.trusted,
    });
    let shown = json!({
        "application": name,
        "application-config": {"trust": trust},
        "charm": application.charm.name,
        "settings": settings(application),
    });
    print(&shown, format)?;
    Ok(0)
}

fn settings(application: &Application) -> Map<String, Value> {
    let mut shown = Map::new();
    for (key, option) in &application.charm.options {
        let mut entry = Map::new();
        entry.insert("description".to_owned(), json!(option.description));
        entry.insert("type".to_owned(), json!(option.kind));
        if !option.default.is_null() {
            entry.insert("default".to_owned(), option.default.clone());
        }
        let (source, value) = match application.settings.get(key) {
            Some(value) => ("user", value),
            None if option.default.is_null() => ("unset", &Value::Null),
            None => ("default", &option.default),
        };
        entry.insert("source".to_owned(), json!(source));
        if !value.is_null() {
            entry.insert("value".to_owned(), value.clone());
        }
        shown.insert(key.clone(), Value::Object(entry));
    }
    shown
}
