//! `juju-log`.

use super::{Call, Fault, Flag, Kind, Output, Tool, Value};
use crate::juju::context::{Immediate, LogLine, Run};

pub(super) const LOG: Tool = Tool {
    name: "juju-log",
    usage: "juju-log [options] <message>",
    output: Output::Deprecated,
    flags: &[
        Flag {
            names: &["debug"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["l", "log-level"],
            kind: Kind::Text,
        },
    ],
    run: log,
};

fn log(call: Call) -> Result<Value, Fault> {
    if call.args.is_empty() {
        return Err(Fault::Usage("no message specified".to_owned()));
    }
    let mut message = call.args.join(" ");
    if let Run::Relation { relation, .. } = &call.context.run {
        message = format!("{}: {message}", call.relation(*relation)?.full_id());
    }
    let asked = call.text("l").to_owned();
    let level = match asked.to_uppercase().as_str() {
        _ if call.switch("debug") => "DEBUG",
        "" | "INFO" => "INFO",
        "UNSPECIFIED" => return Ok(Value::Null),
        "TRACE" => "TRACE",
        "DEBUG" => "DEBUG",
        "WARN" | "WARNING" => "WARNING",
        "ERROR" => "ERROR",
        "CRITICAL" => "CRITICAL",
        _ => {
            write(
                &mut *call.context,
                "WARNING",
                format!("Specified log level of {asked:?} is not valid"),
            );
            "INFO"
        }
    };
    write(call.context, level, message);
    Ok(Value::Null)
}

fn write(context: &mut crate::juju::context::Context, level: &str, message: String) {
    let module = format!("unit.{}.juju-log", context.unit);
    context.effects.immediate.push(Immediate::Log(LogLine {
        level: level.to_owned(),
        module,
        message,
    }));
}
