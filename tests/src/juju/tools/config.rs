//! `config-get`.

use std::collections::BTreeMap;

use super::{Call, Fault, Flag, Kind, Output, Tool, Value};

pub(super) const GET: Tool = Tool {
    name: "config-get",
    usage: "config-get [options] [<key>]",
    output: Output::Smart,
    flags: &[Flag {
        names: &["a", "all"],
        kind: Kind::Switch,
    }],
    run: get,
};

fn get(mut call: Call) -> Result<Value, Fault> {
    let key = call.next().unwrap_or_default();
    let all = call.switch("a");
    if all && !key.is_empty() {
        return Err(Fault::Usage(format!(
            "cannot use argument --all together with key {key:?}"
        )));
    }
    call.end()?;
    let config = &call.context.config;
    if !key.is_empty() {
        return Ok(config.get(&key).map_or(Value::Null, Value::from));
    }
    let shown: BTreeMap<String, Value> = config
        .iter()
        .filter(|(_, value)| all || !value.is_null())
        .map(|(key, value)| (key.clone(), value.into()))
        .collect();
    Ok(Value::Map(shown))
}
