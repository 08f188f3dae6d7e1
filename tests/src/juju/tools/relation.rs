//! `relation-ids`, `relation-list`, `relation-get` and `relation-set`.

use super::{
    APP, Call, FILE, Fault, Output, RELATION, Tool, Value, is_application, key_values,
    unit_application,
};
use crate::juju::context::{Bag, Run};

pub(super) const IDS: Tool = Tool {
    name: "relation-ids",
    usage: "relation-ids [options] <name>",
    output: Output::Smart,
    flags: &[],
    run: ids,
};

pub(super) const LIST: Tool = Tool {
    name: "relation-list",
    usage: "relation-list [options]",
    output: Output::Smart,
    flags: &[RELATION, APP],
    run: list,
};

pub(super) const GET: Tool = Tool {
    name: "relation-get",
    usage: "relation-get [options] <key> <unit id>",
    output: Output::Smart,
    flags: &[RELATION, APP],
    run: get,
};

pub(super) const SET: Tool = Tool {
    name: "relation-set",
    usage: "relation-set [options] key=value [key=value ...]",
    output: Output::Deprecated,
    flags: &[RELATION, APP, FILE],
    run: set,
};

fn ids(mut call: Call) -> Result<Value, Fault> {
    let own = match &call.context.run {
        Run::Relation { relation, .. } => Some(call.relation(*relation)?.endpoint.clone()),
        _ => None,
    };
    let Some(endpoint) = call.next().or(own) else {
        return Err(Fault::Usage("no endpoint name specified".to_owned()));
    };
    call.end()?;
    let relations = &call.context.relations;
    let mut ids: Vec<String> = relations
        .iter()
        .filter(|relation| relation.endpoint == endpoint && !relation.broken)
        .map(|relation| relation.full_id())
        .collect();
    ids.sort();
    Ok(Value::Lines(ids))
}

fn list(call: Call) -> Result<Value, Fault> {
    let relation = call.relation(call.relation_id()?)?;
    call.end()?;
    if call.switch("app") {
        return Ok(Value::text(&relation.remote_app));
    }
    let mut units = if relation.broken {
        Vec::new()
    } else {
        relation.remote_units.clone()
    };
    units.sort();
    Ok(Value::Lines(units))
}

/// Whose bag is meant.
enum Whose {
    Unit(String),
    Application(String),
}

fn get(mut call: Call) -> Result<Value, Fault> {
    let id = call.relation_id()?;
    let key = call.next().filter(|key| key != "-").unwrap_or_default();
    let named = call.next();
    let whose = whose(&call, named)?;
    call.end()?;
    let bag = readable(&call, id, &whose)?;
    match key.as_str() {
        "" => Ok(Value::texts(&bag)),
        key => Ok(bag.get(key).map_or(Value::Null, Value::text)),
    }
}

fn whose(call: &Call, named: Option<String>) -> Result<Whose, Fault> {
    let app = call.switch("app");
    let (hook_app, hook_unit) = match &call.context.run {
        Run::Relation {
            remote_app,
            remote_unit,
            ..
        } => (remote_app.clone(), remote_unit.clone()),
        _ => Default::default(),
    };
    match named {
        Some(name) if app => match unit_application(&name) {
            Some(application) => Ok(Whose::Application(application.to_owned())),
            None if is_application(&name) => Ok(Whose::Application(name)),
            None => Err(Fault::Failed(
                "\"\" is not a valid unit or application".to_owned(),
            )),
        },
        Some(name) if unit_application(&name).is_some() => Ok(Whose::Unit(name)),
        Some(name) if is_application(&name) => Err(Fault::Usage(format!(
            "expected unit name, got application name {name:?}"
        ))),
        Some(name) => Err(Fault::Usage(format!("invalid unit name {name:?}"))),
        None if !hook_unit.is_empty() && !app => Ok(Whose::Unit(hook_unit)),
        None if !hook_app.is_empty() => Ok(Whose::Application(hook_app)),
        None => Err(Fault::Usage("no unit or application specified".to_owned())),
    }
}

/// The bag, own pending writes included, or a refusal.
fn readable(call: &Call, id: i64, whose: &Whose) -> Result<Bag, Fault> {
    let denied = || Fault::Failed("permission denied".to_owned());
    let relation = call.relation(id)?;
    let context = &call.context;
    let (name, pending) = match whose {
        Whose::Unit(unit) if *unit == context.unit => {
            (unit, context.effects.unit_settings.get(&id))
        }
        Whose::Unit(unit) if relation.remote_units.contains(unit) => (unit, None),
        Whose::Application(app) if *app == call.application() => {
            if !relation.peer && !context.leader {
                return Err(denied());
            }
            (app, context.effects.application_settings.get(&id))
        }
        Whose::Application(app) if *app == relation.remote_app => (app, None),
        Whose::Unit(_) | Whose::Application(_) => return Err(denied()),
    };
    let mut bag = pending
        .or_else(|| relation.bags.get(name))
        .cloned()
        .unwrap_or_default();
    bag.retain(|_, value| !value.is_empty());
    Ok(bag)
}

fn set(mut call: Call) -> Result<Value, Fault> {
    let id = call.relation_id()?;
    let argv = key_values(&call.args)?;
    let settings = call.settings(argv)?;
    let app = call.switch("app");
    if app {
        let context = &call.context;
        if !context.leader_error.is_empty() {
            let text = format!(
                "cannot determine leadership status: {}",
                context.leader_error
            );
            return Err(Fault::Failed(text));
        }
        if !context.leader {
            return Err(Fault::Failed("cannot write relation settings".to_owned()));
        }
    }
    if settings.is_empty() {
        return Ok(Value::Null);
    }
    let owner = if app {
        call.application()
    } else {
        call.context.unit.clone()
    };
    let before = call
        .relation(id)?
        .bags
        .get(&owner)
        .cloned()
        .unwrap_or_default();
    let effects = &mut call.context.effects;
    let pending = if app {
        &mut effects.application_settings
    } else {
        &mut effects.unit_settings
    };
    pending.entry(id).or_insert(before).extend(settings);
    Ok(Value::Null)
}
