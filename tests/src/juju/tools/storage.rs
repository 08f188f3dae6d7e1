//! `storage-list` and `storage-get`.

use std::collections::BTreeMap;

use super::{Call, Fault, Output, STORAGE, Tool, Value, is_application, is_number};
use crate::juju::context::{Context, Run};

pub(super) const LIST: Tool = Tool {
    name: "storage-list",
    usage: "storage-list [options] [<storage-name>]",
    output: Output::Smart,
    flags: &[],
    run: list,
};

pub(super) const GET: Tool = Tool {
    name: "storage-get",
    usage: "storage-get [options] [<key>]",
    output: Output::Smart,
    flags: &[STORAGE],
    run: get,
};

/// Refuses what is no storage id, and what is not this unit's.
pub(super) fn check_id(id: &str, context: &Context) -> Result<(), String> {
    let good = id
        .split_once('/')
        .is_some_and(|(name, number)| is_application(name) && is_number(number));
    if !good {
        return Err(format!("invalid storage ID {id:?}"));
    }
    match context.storage.iter().any(|storage| storage.id == id) {
        true => Ok(()),
        false => Err("permission denied".to_owned()),
    }
}

fn list(mut call: Call) -> Result<Value, Fault> {
    let name = call.next().unwrap_or_default();
    call.end()?;
    let ids = call
        .context
        .storage
        .iter()
        .map(|storage| storage.id.clone());
    let prefix = format!("{name}/");
    Ok(Value::Lines(
        ids.filter(|id| name.is_empty() || id.starts_with(&prefix))
            .collect(),
    ))
}

fn get(mut call: Call) -> Result<Value, Fault> {
    let key = call.next().unwrap_or_default();
    call.end()?;
    let own = match &call.context.run {
        Run::Storage { storage, .. } => Some(storage.clone()),
        _ => None,
    };
    let id = call.given.get("s").cloned().or(own);
    let storage = id.and_then(|id| call.context.storage.iter().find(|storage| storage.id == id));
    let Some(storage) = storage else {
        return Err(Fault::Usage("no storage instance specified".to_owned()));
    };
    match key.as_str() {
        "" => Ok(Value::texts(&BTreeMap::from([
            ("kind".to_owned(), storage.kind.clone()),
            ("location".to_owned(), storage.location.clone()),
        ]))),
        "kind" => Ok(Value::text(&storage.kind)),
        "location" => Ok(Value::text(&storage.location)),
        key => Err(Fault::Failed(format!("invalid storage attribute {key:?}"))),
    }
}
