//! `state-get`, `state-set` and `state-delete`.

use std::collections::BTreeMap;

use super::{Call, FILE, Fault, Flag, Kind, Output, Tool, Value, key_values};
use crate::juju::context::Flavour;

pub(super) const GET: Tool = Tool {
    name: "state-get",
    usage: "state-get [options] [<key>]",
    output: Output::Smart,
    flags: &[Flag {
        names: &["strict"],
        kind: Kind::Switch,
    }],
    run: get,
};

pub(super) const SET: Tool = Tool {
    name: "state-set",
    usage: "state-set [options] key=value [key=value ...]",
    output: Output::None,
    flags: &[FILE],
    run: set,
};

pub(super) const DELETE: Tool = Tool {
    name: "state-delete",
    usage: "state-delete <key>",
    output: Output::None,
    flags: &[],
    run: delete,
};

const LONGEST_KEY: usize = 256;
const LONGEST_VALUE: usize = 65536;

fn current<'a>(call: &'a Call) -> &'a BTreeMap<String, String> {
    call.context
        .effects
        .state
        .as_ref()
        .unwrap_or(&call.context.state)
}

fn get(mut call: Call) -> Result<Value, Fault> {
    let key = call.next().filter(|key| key != "-").unwrap_or_default();
    call.end()?;
    let state = current(&call);
    if key.is_empty() {
        // Juju's empty state is no map at all, but yaml and smart show it as one.
        let json = call.text("format") == "json";
        return Ok(if state.is_empty() && json {
            Value::Null
        } else {
            Value::texts(state)
        });
    }
    match state.get(&key) {
        Some(value) => Ok(Value::text(value)),
        None if call.switch("strict") => Err(Fault::Failed(format!("{key:?} not found"))),
        None => Ok(Value::text("")),
    }
}

fn set(mut call: Call) -> Result<Value, Fault> {
    let argv = key_values(&call.args)?;
    let settings = call.settings(argv)?;
    for (key, value) in settings {
        check("key", key.len(), LONGEST_KEY, &call)?;
        check("value", value.len(), LONGEST_VALUE, &call)?;
        if current(&call).get(&key) != Some(&value) {
            let mut state = current(&call).clone();
            state.insert(key, value);
            call.context.effects.state = Some(state);
        }
    }
    Ok(Value::Null)
}

fn check(what: &str, length: usize, most: usize, call: &Call) -> Result<(), Fault> {
    if length <= most {
        return Ok(());
    }
    let text = match call.context.flavour {
        Flavour::V3 => format!("max allowed {what} length ({most}) exceeded"),
        Flavour::V4 => format!("max allowed {what} length ({most}): quota limit exceeded"),
    };
    Err(Fault::Failed(text))
}

fn delete(mut call: Call) -> Result<Value, Fault> {
    let key = call.next().unwrap_or_default();
    call.end()?;
    if current(&call).contains_key(&key) {
        let mut state = current(&call).clone();
        state.remove(&key);
        call.context.effects.state = Some(state);
    }
    Ok(Value::Null)
}
