//! `status-get`, `status-set`, `is-leader` and `application-version-set`.

use std::collections::BTreeMap;

use super::{Call, Fault, Flag, Kind, Output, Tool, Value};
use crate::juju::context::{Immediate, Status};

const APPLICATION: Flag = Flag {
    names: &["application"],
    kind: Kind::Switch,
};

pub(super) const GET: Tool = Tool {
    name: "status-get",
    usage: "status-get [options] [--include-data] [--application]",
    output: Output::Smart,
    flags: &[
        APPLICATION,
        Flag {
            names: &["include-data"],
            kind: Kind::Switch,
        },
    ],
    run: get,
};

pub(super) const SET: Tool = Tool {
    name: "status-set",
    usage: "status-set [options] <status> [<message>]",
    output: Output::None,
    flags: &[APPLICATION],
    run: set,
};

pub(super) const IS_LEADER: Tool = Tool {
    name: "is-leader",
    usage: "is-leader [options]",
    output: Output::Smart,
    flags: &[],
    run: is_leader,
};

pub(super) const VERSION_SET: Tool = Tool {
    name: "application-version-set",
    usage: "application-version-set <new-version>",
    output: Output::None,
    flags: &[],
    run: version_set,
};

fn get(call: Call) -> Result<Value, Fault> {
    call.end()?;
    let data = call.switch("include-data");
    if !call.switch("application") {
        let status = &call.context.unit_status;
        return Ok(if data {
            full(status)
        } else {
            bare(status, &call)
        });
    }
    leading(&call).map_err(|text| Fault::Failed(format!("finding application status: {text}")))?;
    let status = &call.context.application_status;
    if !data && is_smart(&call) {
        return Ok(Value::text(&status.own.status));
    }
    let show = |status: &Status| if data { full(status) } else { word(status) };
    let units = status
        .units
        .iter()
        .map(|(unit, status)| (unit.clone(), show(status)))
        .collect();
    let Value::Map(mut shown) = show(&status.own) else {
        return Ok(Value::Null);
    };
    shown.insert("units".to_owned(), Value::Map(units));
    Ok(Value::Map(BTreeMap::from([(
        "application-status".to_owned(),
        Value::Map(shown),
    )])))
}

/// Only the smart form shows a bare word.
fn bare(status: &Status, call: &Call) -> Value {
    if is_smart(call) {
        Value::text(&status.status)
    } else {
        word(status)
    }
}

fn is_smart(call: &Call) -> bool {
    matches!(call.text("format"), "" | "smart")
}

fn word(status: &Status) -> Value {
    Value::Map(BTreeMap::from([(
        "status".to_owned(),
        Value::text(&status.status),
    )]))
}

fn full(status: &Status) -> Value {
    let data = status
        .data
        .iter()
        .map(|(key, value)| (key.clone(), value.into()))
        .collect();
    Value::Map(BTreeMap::from([
        ("message".to_owned(), Value::text(&status.message)),
        ("status".to_owned(), Value::text(&status.status)),
        ("status-data".to_owned(), Value::Map(data)),
    ]))
}

fn leading(call: &Call) -> Result<(), String> {
    let context = &call.context;
    if !context.leader_error.is_empty() {
        return Err(format!(
            "cannot determine leadership: {}",
            context.leader_error
        ));
    }
    if !context.leader {
        return Err("this unit is not the leader".to_owned());
    }
    Ok(())
}

fn set(mut call: Call) -> Result<Value, Fault> {
    const STATUSES: [&str; 4] = ["maintenance", "blocked", "waiting", "active"];
    let Some(status) = call.next() else {
        return Err(Fault::Usage(
            "invalid args, require <status> [message]".to_owned(),
        ));
    };
    if !STATUSES.contains(&status.as_str()) {
        let all = STATUSES.join(" ");
        return Err(Fault::Usage(format!(
            "invalid status {status:?}, expected one of [{all}]"
        )));
    }
    let message = call.next().unwrap_or_default();
    call.end()?;
    let status = Status {
        status,
        message,
        data: serde_json::Map::new(),
    };
    let application = call.switch("application");
    if application {
        leading(&call).map_err(Fault::Failed)?;
    }
    let context = call.context;
    if application {
        context.application_status.own = status.clone();
        context
            .effects
            .immediate
            .push(Immediate::ApplicationStatus(status));
    } else {
        context.unit_status = status.clone();
        context
            .effects
            .immediate
            .push(Immediate::UnitStatus(status));
    }
    Ok(Value::Null)
}

fn is_leader(call: Call) -> Result<Value, Fault> {
    call.end()?;
    let context = &call.context;
    if !context.leader_error.is_empty() {
        return Err(Fault::Failed(format!(
            "leadership status unknown: {}",
            context.leader_error
        )));
    }
    Ok(Value::Bool(context.leader))
}

fn version_set(mut call: Call) -> Result<Value, Fault> {
    let Some(version) = call.next() else {
        return Err(Fault::Usage("no version specified".to_owned()));
    };
    call.end()?;
    call.context
        .effects
        .immediate
        .push(Immediate::WorkloadVersion(version));
    Ok(Value::Null)
}
