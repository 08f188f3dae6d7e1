//! `add-model`, `models`, `model-config` and `destroy-model`.

use std::fs;

use anyhow::{Context as _, Result, bail};

use super::arguments::{Arguments, key_value};
use super::table::{row, table};
use super::{Command, Usage, controller, inform, model_dir, say, store};
use crate::juju::context::Flavour;
use crate::juju::flags::{Flag, Kind};
use crate::juju::model::{Ground, Model, Store};

const UUID: &str = "f47ac10b-58cc-4372-a567-0e02b2c3d479";

pub(super) const ADD_MODEL: Command = Command {
    name: "add-model",
    usage: "add-model <name> [--config key=value ...]",
    flags: &[Flag {
        names: &["config"],
        kind: Kind::Text,
    }],
    run: add_model,
};

pub(super) const MODELS: Command = Command {
    name: "models",
    usage: "models",
    flags: &[],
    run: models,
};

pub(super) const MODEL_CONFIG: Command = Command {
    name: "model-config",
    usage: "model-config [key | key=value ...]",
    flags: &[],
    run: model_config,
};

pub(super) const DESTROY_MODEL: Command = Command {
    name: "destroy-model",
    usage: "destroy-model <name> [--no-prompt] [--destroy-storage] [--force]",
    flags: &[
        Flag {
            names: &["no-prompt", "y", "yes"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["destroy-storage"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["release-storage"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["force"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["no-wait"],
            kind: Kind::Switch,
        },
    ],
    run: destroy_model,
};

fn add_model(mut arguments: Arguments) -> Result<u8> {
    let name = arguments.next("model name")?;
    arguments.end()?;
    let dir = model_dir()?;
    if dir.join("model.json").exists() {
        bail!("a model lies in {} already", dir.display());
    }
    let mut model = Model {
        name: name.clone(),
        uuid: UUID.to_owned(),
        ..Model::default()
    };
    for text in arguments.all("config") {
        set(&mut model, text)?;
    }
    Store::create(&dir, &model)?;
    inform(&format!(
        "Added '{name}' model on lookalike/localhost with credential 'none' for user 'admin'"
    ));
    Ok(0)
}

/// Sets a key of the model's configuration. Two of them are not Juju's to change, but ours.
fn set(model: &mut Model, text: &str) -> Result<()> {
    let (key, value) = key_value(text)?;
    match key.as_str() {
        "agent-version" => {
            model.flavour = match value.split('.').next() {
                Some("3") => Flavour::V3,
                Some("4") => Flavour::V4,
                _ => bail!(Usage(format!(
                    "agent-version {value:?} is not simulated: 3.6 or 4.0"
                ))),
            };
        }
        "lookalike-ground" => {
            model.ground = Ground::parse(&value)
                .with_context(|| format!("invalid ground {value:?}: pods or bare"))?;
        }
        _ => {
            model.config.insert(key, value);
        }
    }
    Ok(())
}

fn models(arguments: Arguments) -> Result<u8> {
    arguments.end()?;
    say("Controller: lookalike\n");
    let mut rows = vec![row(["Model", "Cloud/Region", "Type", "Status", "Units"])];
    if let Ok(store) = store() {
        let model = store.read()?;
        let units: usize = model
            .applications
            .values()
            .map(|application| application.units.len())
            .sum();
        let name = format!("{}*", model.name);
        rows.push(row([
            &name,
            "local/localhost",
            "kubernetes",
            "available",
            &units.to_string(),
        ]));
    }
    say(&table(&rows));
    Ok(0)
}

fn model_config(mut arguments: Arguments) -> Result<u8> {
    let store = store()?;
    let rest = arguments.rest();
    match &rest[..] {
        [] => {
            for (key, value) in store.read()?.config {
                say(&format!("{key}={value}"));
            }
        }
        [key] if !key.contains('=') => {
            let model = store.read()?;
            say(model
                .config
                .get(key)
                .with_context(|| format!("key {key:?} not found in {:?} model", model.name))?);
        }
        settings => {
            store.try_update(|model| settings.iter().try_for_each(|text| set(model, text)))?
        }
    }
    Ok(0)
}

fn destroy_model(mut arguments: Arguments) -> Result<u8> {
    let name = arguments.next("model name")?;
    arguments.end()?;
    let controller = controller()?;
    let model = controller.store().read()?;
    if model.name != name {
        bail!("model lookalike:admin/{name} not found");
    }
    if !arguments.switch("no-prompt") && !arguments.switch("force") {
        bail!(Usage(
            "the look-alike does not ask: repeat with --no-prompt".to_owned()
        ));
    }
    inform("Destroying model");
    let dir = controller.store().dir().to_owned();
    controller.destroy()?;
    debug_assert!(fs::metadata(&dir).is_err());
    inform("Model destroyed.");
    Ok(0)
}
