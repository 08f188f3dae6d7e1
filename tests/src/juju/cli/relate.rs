//! `integrate` and `remove-relation`.

use anyhow::{Context as _, Result, bail};

use super::arguments::Arguments;
use super::{Command, controller};
use crate::juju::charm::Role;
use crate::juju::flags::{Flag, Kind};
use crate::juju::model::{End, Link, Model};

pub(super) const INTEGRATE: Command = Command {
    name: "integrate",
    usage: "integrate <application>[:endpoint] <application>[:endpoint]",
    flags: &[],
    run: integrate,
};

pub(super) const REMOVE_RELATION: Command = Command {
    name: "remove-relation",
    usage: "remove-relation <application>[:endpoint] <application>[:endpoint]",
    flags: &[Flag {
        names: &["force"],
        kind: Kind::Switch,
    }],
    run: remove_relation,
};

fn integrate(mut arguments: Arguments) -> Result<u8> {
    let (first, second) = (
        arguments.next("first endpoint")?,
        arguments.next("second endpoint")?,
    );
    arguments.end()?;
    let controller = controller()?;
    controller.store().try_update(|model| {
        let (one, other) = pair(model, &first, &second)?;
        let name = format!("{} {}", shown(&one), shown(&other));
        let there = model
            .relations
            .iter()
            .any(|link| !link.dying && link.ends.contains(&one) && link.ends.contains(&other));
        if there {
            bail!("cannot add relation {name:?}: relation {name} already exists (already exists)");
        }
        for end in [&one, &other] {
            check_limit(model, end)?;
        }
        let id = model.next_relation;
        model.next_relation += 1;
        let units: Vec<_> = [&other, &one]
            .into_iter()
            .flat_map(|end| model.applications[&end.application].unit_names(&end.application))
            .collect();
        model.relations.push(Link {
            id,
            ends: vec![one, other],
            ..Link::default()
        });
        units.iter().for_each(|unit| model.enter(unit, id));
        Ok(())
    })?;
    controller.settle()?;
    Ok(0)
}

fn remove_relation(mut arguments: Arguments) -> Result<u8> {
    let (first, second) = (
        arguments.next("first endpoint")?,
        arguments.next("second endpoint")?,
    );
    arguments.end()?;
    let controller = controller()?;
    controller.store().try_update(|model| {
        let (one, other) = pair(model, &first, &second)?;
        let found = model
            .relations
            .iter()
            .find(|link| !link.dying && link.ends.contains(&one) && link.ends.contains(&other));
        let id = found
            .with_context(|| format!("relation {first} {second} not found"))?
            .id;
        model.remove_relation(id);
        Ok(())
    })?;
    controller.settle()?;
    Ok(0)
}

fn shown(end: &End) -> String {
    format!("{}:{}", end.application, end.endpoint)
}

/// The two endpoints that are meant: the only pair of one interface and opposite roles.
fn pair(model: &Model, first: &str, second: &str) -> Result<(End, End)> {
    let mut pairs = Vec::new();
    for (one, role, interface) in candidates(model, first)? {
        for (other, other_role, other_interface) in candidates(model, second)? {
            if role.fits(other_role) && interface == other_interface {
                pairs.push((one.clone(), other));
            }
        }
    }
    match pairs.len() {
        0 => bail!("no relations found"),
        1 => Ok(pairs.remove(0)),
        _ => {
            let names: Vec<String> = pairs
                .iter()
                .map(|(one, other)| format!("\"{} {}\"", shown(one), shown(other)))
                .collect();
            bail!(
                "ambiguous relation: \"{first} {second}\" could refer to {}",
                names.join("; ")
            )
        }
    }
}

fn candidates(model: &Model, text: &str) -> Result<Vec<(End, Role, String)>> {
    let (name, endpoint) = text
        .split_once(':')
        .map_or((text, None), |(name, endpoint)| (name, Some(endpoint)));
    let application = model
        .applications
        .get(name)
        .with_context(|| format!("application {name:?} not found"))?;
    let found: Vec<_> = application
        .charm
        .endpoints
        .iter()
        .filter(|(name, _)| endpoint.is_none_or(|endpoint| endpoint == *name))
        .map(|(endpoint, spec)| {
            let end = End {
                application: name.to_owned(),
                endpoint: endpoint.clone(),
            };
            (end, spec.role, spec.interface.clone())
        })
        .collect();
    match endpoint {
        Some(endpoint) if found.is_empty() => {
            bail!("application {name:?} has no {endpoint:?} relation")
        }
        _ => Ok(found),
    }
}

fn check_limit(model: &Model, end: &End) -> Result<()> {
    let limit = model.applications[&end.application].charm.endpoints[&end.endpoint].limit;
    let taken = model
        .relations
        .iter()
        .filter(|link| !link.dying && link.ends.contains(end))
        .count();
    match limit {
        Some(limit) if taken >= limit as usize => {
            let name = shown(end);
            bail!(
                "establishing a new relation for {name} would exceed its maximum relation limit of {limit} (quota limit exceeded)"
            )
        }
        _ => Ok(()),
    }
}
