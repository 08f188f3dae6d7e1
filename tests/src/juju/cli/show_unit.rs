//! `show-unit`.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::{Command, print, store, unit};
use crate::juju::flags::{Flag, Kind};
use crate::juju::model::{Link, Model};
use crate::juju::unit::UnitName;

pub(super) const SHOW_UNIT: Command = Command {
    name: "show-unit",
    usage: "show-unit <unit> [--format yaml|json]",
    flags: &[Flag {
        names: &["format"],
        kind: Kind::Text,
    }],
    run: show_unit,
};

fn show_unit(mut arguments: Arguments) -> Result<u8> {
    let model = store()?.read()?;
    let name = unit(&model, &arguments.next("unit")?)?;
    arguments.end()?;
    let application = &model.applications[name.application()];
    let unit = &application.units[&name.number()];
    let links = model
        .relations
        .iter()
        .filter(|link| link.end_of(name.application()).is_some());
    let facts = json!({
        "opened-ports": unit.ports.values().flatten().map(ToString::to_string).collect::<Vec<_>>(),
        "charm": application.charm_url,
        "leader": model.is_leader(&name),
        "life": "alive",
        "relation-info": links.map(|link| relation(&model, link, &name)).collect::<Vec<_>>(),
        "provider-id": name.pod(),
    });
    print(&json!({name.to_string(): facts}), arguments.last("format"))?;
    Ok(0)
}

fn relation(model: &Model, link: &Link, name: &UnitName) -> Value {
    let (own, other) = (
        link.end_of(name.application()),
        link.other_end(name.application()),
    );
    let bag = |owner: &str| json!(link.bags.get(owner).cloned().unwrap_or_default());
    let other_application = other.map(|end| end.application.clone()).unwrap_or_default();
    let own_name = name.to_string();
    let related = model
        .applications
        .get(&other_application)
        .map(|found| found.unit_names(&other_application));
    let related: Map<String, Value> = related
        .unwrap_or_default()
        .into_iter()
        .map(|unit| unit.to_string())
        .filter(|unit| *unit != own_name)
        .map(|unit| {
            let facts = json!({"in-scope": link.units.contains(&unit), "data": bag(&unit)});
            (unit, facts)
        })
        .collect();
    json!({
        "relation-id": link.id,
        "endpoint": own.map(|end| end.endpoint.clone()),
        "related-endpoint": other.map(|end| end.endpoint.clone()),
        // Juju shows the remote application's bag, and among peers the own one.
        "application-data": bag(&other_application),
        "local-unit": {"in-scope": link.units.contains(&own_name), "data": bag(&own_name)},
        "related-units": related,
    })
}
