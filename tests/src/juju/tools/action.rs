//! `action-get`, `action-set`, `action-fail` and `action-log`.

use super::{Call, Fault, Output, Tool, Value};
use crate::juju::context::{Immediate, Run};

pub(super) const GET: Tool = Tool {
    name: "action-get",
    usage: "action-get [options] [<key>[.<key>.<key>...]]",
    output: Output::Smart,
    flags: &[],
    run: get,
};

pub(super) const SET: Tool = Tool {
    name: "action-set",
    usage: "action-set <key>=<value> [<key>=<value> ...]",
    output: Output::None,
    flags: &[],
    run: set,
};

pub(super) const FAIL: Tool = Tool {
    name: "action-fail",
    usage: "action-fail [\"<failure message>\"]",
    output: Output::None,
    flags: &[],
    run: fail,
};

pub(super) const LOG: Tool = Tool {
    name: "action-log",
    usage: "action-log <message>",
    output: Output::None,
    flags: &[],
    run: log,
};

const RESERVED: [&str; 4] = ["stdout", "stdout-encoding", "stderr", "stderr-encoding"];
const NO_REASON: &str = "action failed without reason given, check action for errors";

fn in_action(call: &Call) -> Result<(), Fault> {
    match call.context.run.is_action() {
        true => Ok(()),
        false => Err(Fault::Failed("not running an action".to_owned())),
    }
}

fn get(mut call: Call) -> Result<Value, Fault> {
    let key = call.next();
    call.end()?;
    in_action(&call)?;
    let Run::Action { params, .. } = &call.context.run else {
        return Ok(Value::Null);
    };
    let all = serde_json::Value::Object(params.clone());
    let Some(key) = key else {
        return Ok(Value::from(&all));
    };
    let found = key
        .split('.')
        .try_fold(&all, |value, part| value.as_object()?.get(part));
    Ok(found.map_or(Value::Null, Value::from))
}

fn set(call: Call) -> Result<Value, Fault> {
    let mut pairs = Vec::new();
    for arg in &call.args {
        let Some((key, value)) = arg.split_once('=') else {
            return Err(Fault::Usage(format!(
                "argument {arg:?} must be of the form key...=value"
            )));
        };
        let parts: Vec<String> = key.split('.').map(str::to_owned).collect();
        for part in &parts {
            check_key(part).map_err(Fault::Usage)?;
        }
        pairs.push((parts, value.to_owned()));
    }
    in_action(&call)?;
    for (parts, value) in pairs {
        insert(&mut call.context.effects.results, &parts, value);
    }
    Ok(Value::Null)
}

fn check_key(part: &str) -> Result<(), String> {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = part.as_bytes();
    let inside = bytes
        .iter()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
    if !(edge(bytes.first()) && edge(bytes.last()) && inside) {
        return Err(format!(
            "key {part:?} must start and end with lowercase alphanumeric, and contain only lowercase alphanumeric and hyphens"
        ));
    }
    if RESERVED.contains(&part) {
        return Err(format!("cannot set reserved action key {part:?}"));
    }
    Ok(())
}

/// Sets a value deep in a tree; what stands in the way is replaced.
fn insert(tree: &mut serde_json::Map<String, serde_json::Value>, path: &[String], value: String) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        tree.insert(first.clone(), serde_json::Value::String(value));
        return;
    }
    let slot = tree
        .entry(first.clone())
        .or_insert_with(|| serde_json::Map::new().into());
    if !slot.is_object() {
        *slot = serde_json::Map::new().into();
    }
    if let Some(branch) = slot.as_object_mut() {
        insert(branch, rest, value);
    }
}

fn fail(mut call: Call) -> Result<Value, Fault> {
    let message = call.next().unwrap_or_else(|| NO_REASON.to_owned());
    call.end()?;
    in_action(&call)?;
    call.context.effects.failure = Some(message);
    Ok(Value::Null)
}

fn log(call: Call) -> Result<Value, Fault> {
    if call.args.is_empty() {
        return Err(Fault::Usage("no message specified".to_owned()));
    }
    in_action(&call)?;
    let message = call.args.join(" ");
    call.context
        .effects
        .immediate
        .push(Immediate::Progress(message));
    Ok(Value::Null)
}
