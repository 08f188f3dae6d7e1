//! `deploy`, `refresh`, `add-unit` and `remove-application`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::arguments::{Arguments, key_value};
use super::{Command, Usage, controller, inform};
use crate::juju::charm::Charm;
use crate::juju::controller::Deployment;
use crate::juju::flags::{Flag, Kind};
use crate::juju::{integrator, postgresql};

pub(super) const DEPLOY: Command = Command {
    name: "deploy",
    usage: "deploy ./<file>.charm|s3-integrator|postgresql-k8s [application] [--resource name=value] [--config key=value] [-n units] [--trust]",
    flags: &[
        Flag {
            names: &["resource"],
            kind: Kind::Text,
        },
        Flag {
            names: &["config"],
            kind: Kind::Text,
        },
        Flag {
            names: &["channel"],
            kind: Kind::Text,
        },
        Flag {
            names: &["base"],
            kind: Kind::Text,
        },
        Flag {
            names: &["revision"],
            kind: Kind::Text,
        },
        Flag {
            names: &["n", "num-units"],
            kind: Kind::Text,
        },
        Flag {
            names: &["trust"],
            kind: Kind::Switch,
        },
    ],
    run: deploy,
};

pub(super) const REFRESH: Command = Command {
    name: "refresh",
    usage: "refresh <application> --path ./<file>.charm [--resource name=value]",
    flags: &[
        Flag {
            names: &["path"],
            kind: Kind::Text,
        },
        Flag {
            names: &["resource"],
            kind: Kind::Text,
        },
        Flag {
            names: &["trust"],
            kind: Kind::Switch,
        },
    ],
    run: refresh,
};

pub(super) const ADD_UNIT: Command = Command {
    name: "add-unit",
    usage: "add-unit <application> [-n units]",
    flags: &[Flag {
        names: &["n", "num-units"],
        kind: Kind::Text,
    }],
    run: add_unit,
};

pub(super) const REMOVE_APPLICATION: Command = Command {
    name: "remove-application",
    usage: "remove-application <application> [--no-prompt] [--destroy-storage]",
    flags: &[
        Flag {
            names: &["no-prompt"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["destroy-storage"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["force"],
            kind: Kind::Switch,
        },
    ],
    run: remove_application,
};

fn deploy(mut arguments: Arguments) -> Result<u8> {
    let charm = arguments.next("charm")?;
    let named = arguments.optional();
    arguments.end()?;
    let source = PathBuf::from(&charm);
    let local = charm.starts_with(['.', '/']) || charm.ends_with(".charm");
    let (facts, source) = match (local, charm.as_str()) {
        (true, _) => {
            let facts = Charm::read(&source).with_context(|| format!("cannot deploy {charm:?}"))?;
            (facts, Some(source.as_path()))
        }
        (false, "s3-integrator") => (integrator::charm(arguments.last("channel")), None),
        (false, postgresql::NAME) => (postgresql::charm(), None),
        (false, name) => {
            bail!(
                "charm {name:?} is not simulated: only s3-integrator, postgresql-k8s and local charms are"
            )
        }
    };
    let application = named.unwrap_or_else(|| facts.name.clone());
    let settings = pairs(arguments.all("config"))?;
    let settings = facts
        .parse_settings(&settings)
        .map_err(|text| anyhow::anyhow!("parsing settings for application: {text}"))?;
    let resources = pairs(arguments.all("resource"))?;
    check_resources(&facts, &resources, local)?;
    let controller = controller()?;
    if local {
        inform(&format!("Located local charm {:?}, revision 0", facts.name));
        let on = "revision 0 on ubuntu@24.04/stable";
        inform(&format!(
            "Deploying {application:?} from local charm {:?}, {on}",
            facts.name
        ));
    } else {
        let channel = match arguments.last("channel") {
            "" => "1/stable",
            channel => channel,
        };
        let on = format!("revision 41 in channel {channel} on ubuntu@22.04/stable");
        inform(&format!(
            "Deployed {application:?} from charm-hub charm {:?}, {on}",
            facts.name
        ));
    }
    let trusted = arguments.switch("trust");
    controller.deploy(Deployment {
        application: &application,
        source,
        simulated: facts,
        settings,
        resources,
        trusted,
    })?;
    for _ in 0..number(arguments.last("n"))? {
        controller.add_unit(&application)?;
    }
    controller.settle()?;
    Ok(0)
}

/// A local charm has no store that its resources could come from.
fn check_resources(charm: &Charm, given: &BTreeMap<String, String>, local: bool) -> Result<()> {
    if let Some(unknown) = given.keys().find(|name| !charm.resources.contains(name)) {
        bail!("unrecognized resource {unknown:?}");
    }
    let missing = charm
        .resources
        .iter()
        .find(|name| local && !given.contains_key(*name));
    match missing {
        Some(name) => bail!("local charm missing OCI images for: {name}"),
        None => Ok(()),
    }
}

fn refresh(mut arguments: Arguments) -> Result<u8> {
    let application = arguments.next("application")?;
    arguments.end()?;
    let path = arguments.last("path");
    if path.is_empty() {
        bail!(Usage(
            "only a local charm can be refreshed: --path <file>".to_owned()
        ));
    }
    controller()?.refresh(&application, Path::new(path))?;
    inform(&format!(
        "Added local charm to the model and refreshed {application:?}"
    ));
    Ok(0)
}

fn add_unit(mut arguments: Arguments) -> Result<u8> {
    let application = arguments.next("application")?;
    arguments.end()?;
    let controller = controller()?;
    for _ in 0..number(arguments.last("n"))? {
        controller.add_unit(&application)?;
    }
    controller.settle()?;
    Ok(0)
}

fn remove_application(mut arguments: Arguments) -> Result<u8> {
    let application = arguments.next("application")?;
    arguments.end()?;
    controller()?.remove_application(&application)?;
    inform(&format!("removing application {application}"));
    Ok(0)
}

fn pairs(texts: &[String]) -> Result<BTreeMap<String, String>> {
    texts.iter().map(|text| key_value(text)).collect()
}

fn number(text: &str) -> Result<u32> {
    match text {
        "" => Ok(1),
        text => text
            .parse()
            .map_err(|_| Usage(format!("invalid number of units {text:?}")).into()),
    }
}
