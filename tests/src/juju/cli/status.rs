//! `status`.

use anyhow::Result;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::table::{row, table};
use super::{Command, Usage, controller, print, say};
use crate::juju::charm::Role;
use crate::juju::controller::Controller;
use crate::juju::flags::{Flag, Kind};
use crate::juju::launcher::Launcher as _;
use crate::juju::model::{Application, Link, Model, Player, Unit, now};
use crate::juju::unit::UnitName;

pub(super) const STATUS: Command = Command {
    name: "status",
    usage: "status [--relations] [--format tabular|yaml|json]",
    flags: &[
        Flag {
            names: &["relations", "integrations"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["format"],
            kind: Kind::Text,
        },
        Flag {
            names: &["no-color"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["color"],
            kind: Kind::Switch,
        },
    ],
    run: status,
};

fn status(arguments: Arguments) -> Result<u8> {
    let controller = controller()?;
    let model = controller.store().read()?;
    match arguments.last("format") {
        "" | "tabular" => say(&tabular(&controller, &model, arguments.switch("relations"))),
        "yaml" => print(&facts(&controller, &model), "yaml")?,
        "json" => print(&facts(&controller, &model), "json")?,
        other => anyhow::bail!(Usage(format!(
            "invalid value {other:?} for option --format: unknown format {other:?}"
        ))),
    }
    Ok(0)
}

fn tabular(controller: &Controller, model: &Model, with_relations: bool) -> String {
    let version = model.flavour.version();
    let time = now().strftime("%H:%M:%SZ").to_string();
    let mut parts = vec![table(&[
        row([
            "Model",
            "Controller",
            "Cloud/Region",
            "Version",
            "Timestamp",
        ]),
        row([&model.name, "lookalike", "local/localhost", version, &time]),
    ])];
    if model.applications.is_empty() {
        return parts.remove(0) + &format!("\n\nModel \"admin/{}\" is empty.", model.name);
    }
    let mut applications = vec![row([
        "App", "Version", "Status", "Scale", "Charm", "Channel", "Rev", "Address", "Exposed",
        "Message",
    ])];
    let mut units = vec![row([
        "Unit", "Workload", "Agent", "Address", "Ports", "Message",
    ])];
    for (name, application) in &model.applications {
        let (status, _) = model.application_status(name);
        let scale = application.units.len().to_string();
        let channel = if application.player == Player::Integrator {
            "1/stable"
        } else {
            ""
        };
        let revision = application.charm_url.rsplit('-').next().unwrap_or_default();
        let address = first_address(controller, name, application);
        applications.push(row([
            name,
            &application.version,
            &status.status,
            &scale,
            &application.charm.name,
            channel,
            revision,
            &address,
            "no",
            &status.message,
        ]));
        for (number, unit) in &application.units {
            let unit_name = UnitName::new(name, *number);
            let mark = if application.leader == Some(*number) {
                "*"
            } else {
                ""
            };
            let status = unit.shown_status();
            let address = address_of(controller, application, &unit_name);
            units.push(row([
                &format!("{unit_name}{mark}"),
                &status.status,
                agent_status(controller, application, &unit_name, unit),
                &address,
                &ports(unit),
                &status.message,
            ]));
        }
    }
    parts.push(table(&applications));
    parts.push(table(&units));
    if with_relations {
        parts.push(table(&relations(model)));
    }
    parts.join("\n\n")
}

fn relations(model: &Model) -> Vec<Vec<String>> {
    let mut rows = vec![row([
        "Integration provider",
        "Requirer",
        "Interface",
        "Type",
        "Message",
    ])];
    for link in &model.relations {
        let (provider, requirer, interface) = sides(model, link);
        let kind = if link.is_peer() { "peer" } else { "regular" };
        rows.push(row([
            &provider,
            &requirer,
            &interface,
            kind,
            if link.dying { "removing" } else { "" },
        ]));
    }
    rows[1..].sort();
    rows
}

fn sides(model: &Model, link: &Link) -> (String, String, String) {
    let spec = |index: usize| {
        let end = link.ends.get(index).or_else(|| link.ends.first())?;
        let spec = model
            .applications
            .get(&end.application)?
            .charm
            .endpoints
            .get(&end.endpoint)?;
        Some((
            format!("{}:{}", end.application, end.endpoint),
            spec.role,
            spec.interface.clone(),
        ))
    };
    match (spec(0), spec(1)) {
        (Some((one, Role::Requirer, interface)), Some((other, _, _))) => (other, one, interface),
        (Some((one, _, interface)), Some((other, _, _))) => (one, other, interface),
        _ => Default::default(),
    }
}

fn first_address(controller: &Controller, name: &str, application: &Application) -> String {
    application
        .unit_names(name)
        .first()
        .map(|unit| address_of(controller, application, unit))
        .unwrap_or_default()
}

/// The pod's address, where it has one.
fn address_of(controller: &Controller, application: &Application, unit: &UnitName) -> String {
    match application.player {
        Player::Integrator => format!("10.1.0.{}", unit.number() + 10),
        Player::Charm => {
            let address = controller
                .site(unit)
                .map(|site| site.address())
                .unwrap_or_default();
            address.split(':').next().unwrap_or_default().to_owned()
        }
    }
}

/// The pod's port as it is reached from here, which Kubernetes would do by its address alone.
fn ports(unit: &Unit) -> String {
    let ports = unit.ports.values().flatten().map(ToString::to_string);
    ports.collect::<Vec<_>>().join(" ")
}

fn agent_status(
    controller: &Controller,
    application: &Application,
    name: &UnitName,
    unit: &Unit,
) -> &'static str {
    if application.player == Player::Integrator {
        return "idle";
    }
    let busy = controller.site(name).is_ok_and(|site| {
        let lock = site
            .host_path(&name.agent_dir(&site.data_dir()))
            .join("run.lock");
        std::fs::File::open(lock).is_ok_and(|lock| lock.try_lock_shared().is_err())
    });
    match (busy, unit.error.is_some(), unit.started) {
        (true, _, _) => "executing",
        (false, false, false) => "allocating",
        (false, _, _) => "idle",
    }
}

fn facts(controller: &Controller, model: &Model) -> Value {
    let applications: Map<String, Value> = model
        .applications
        .iter()
        .map(|(name, application)| {
            (
                name.clone(),
                application_facts(controller, model, name, application),
            )
        })
        .collect();
    json!({
        "model": {
            "name": model.name,
            "type": "caas",
            "controller": "lookalike",
            "cloud": "local",
            "region": "localhost",
            "version": model.flavour.version(),
            "model-status": {"current": "available"},
        },
        "machines": {},
        "applications": applications,
        "storage": {},
        "controller": {"timestamp": now().strftime("%H:%M:%SZ").to_string()},
    })
}

fn application_facts(
    controller: &Controller,
    model: &Model,
    name: &str,
    application: &Application,
) -> Value {
    let (status, since) = model.application_status(name);
    let units: Map<String, Value> = application
        .units
        .iter()
        .map(|(number, unit)| {
            let unit_name = UnitName::new(name, *number);
            let status = unit.shown_status();
            let mut facts = json!({
                "workload-status": status_facts(&status.status, &status.message, &unit.since),
                "juju-status": {
                    "current": agent_status(controller, application, &unit_name, unit),
                    "since": date(&unit.since),
                    "version": model.flavour.version(),
                },
                "address": address_of(controller, application, &unit_name),
                "provider-id": unit_name.pod(),
            });
            if application.leader == Some(*number) {
                facts["leader"] = json!(true);
            }
            if !unit.ports.is_empty() {
                facts["open-ports"] = json!(
                    unit.ports
                        .values()
                        .flatten()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                );
            }
            (unit_name.to_string(), facts)
        })
        .collect();
    let mut relations: Map<String, Value> = Map::new();
    for link in model.relations.iter().filter(|link| !link.dying) {
        let (Some(own), Some(other)) = (link.end_of(name), link.other_end(name)) else {
            continue;
        };
        let interface = application
            .charm
            .endpoints
            .get(&own.endpoint)
            .map(|end| end.interface.clone());
        let related = json!({"related-application": other.application, "interface": interface, "scope": "global"});
        if let Some(list) = relations
            .entry(own.endpoint.clone())
            .or_insert_with(|| json!([]))
            .as_array_mut()
        {
            list.push(related);
        }
    }
    let mut facts = json!({
        "charm": application.charm_url,
        "charm-name": application.charm.name,
        "charm-origin": if application.player == Player::Integrator { "charmhub" } else { "local" },
        "scale": application.units.len(),
        "address": first_address(controller, name, application),
        "exposed": false,
        "application-status": status_facts(&status.status, &status.message, &since),
        "relations": relations,
        "units": units,
    });
    if !application.version.is_empty() {
        facts["version"] = json!(application.version);
    }
    facts
}

fn status_facts(status: &str, message: &str, since: &str) -> Value {
    let mut facts = json!({"current": status, "since": date(since)});
    if !message.is_empty() {
        facts["message"] = json!(message);
    }
    facts
}

fn date(since: &str) -> String {
    let time = since.parse::<Timestamp>();
    time.map(|time| time.strftime("%d %b %Y %H:%M:%SZ").to_string())
        .unwrap_or_default()
}
