//! `open-port`, `close-port` and `opened-ports`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Call, Fault, Flag, Kind, Output, Tool, Value};
use crate::juju::context::Context;
use crate::juju::port::Port;

pub(super) const OPEN: Tool = Tool {
    name: "open-port",
    usage: "open-port [options] <port>[/<protocol>] or <from>-<to>[/<protocol>] or icmp",
    output: Output::Deprecated,
    flags: &[Flag {
        names: &["endpoints"],
        kind: Kind::Text,
    }],
    run: open,
};

pub(super) const CLOSE: Tool = Tool {
    name: "close-port",
    usage: "close-port [options] <port>[/<protocol>] or <from>-<to>[/<protocol>] or icmp",
    output: Output::Deprecated,
    flags: &[Flag {
        names: &["endpoints"],
        kind: Kind::Text,
    }],
    run: close,
};

pub(super) const OPENED: Tool = Tool {
    name: "opened-ports",
    usage: "opened-ports [options]",
    output: Output::Smart,
    flags: &[Flag {
        names: &["endpoints"],
        kind: Kind::Switch,
    }],
    run: opened,
};

fn arguments(call: &mut Call) -> Result<(Port, Vec<String>), Fault> {
    let Some(text) = call.next() else {
        return Err(Fault::Usage("no port or range specified".to_owned()));
    };
    let port = Port::parse(&text).map_err(Fault::Usage)?;
    call.end()?;
    if port.is_range() {
        let text =
            "port ranges are not supported for k8s applications, please specify a single port";
        return Err(Fault::Failed(text.to_owned()));
    }
    let endpoints = call
        .text("endpoints")
        .split(',')
        .map(|endpoint| endpoint.trim().to_owned())
        .collect();
    Ok((port, endpoints))
}

fn open(mut call: Call) -> Result<Value, Fault> {
    let (port, endpoints) = arguments(&mut call)?;
    let Context {
        opened_ports,
        effects,
        ..
    } = call.context;
    for endpoint in endpoints {
        remove(&mut effects.ports_to_close, &endpoint, &port);
        let already = opened_ports
            .as_ref()
            .and_then(|ports| ports.get(&endpoint))
            .is_some_and(|ports| ports.contains(&port));
        if !already {
            effects
                .ports_to_open
                .entry(endpoint)
                .or_default()
                .insert(port.clone());
        }
    }
    Ok(Value::Null)
}

fn close(mut call: Call) -> Result<Value, Fault> {
    let (port, endpoints) = arguments(&mut call)?;
    let Context {
        opened_ports,
        effects,
        ..
    } = call.context;
    for endpoint in endpoints {
        let pending = remove(&mut effects.ports_to_open, &endpoint, &port);
        if opened_ports.is_some() || pending {
            effects
                .ports_to_close
                .entry(endpoint)
                .or_default()
                .insert(port.clone());
        }
    }
    Ok(Value::Null)
}

fn remove(ports: &mut BTreeMap<String, BTreeSet<Port>>, endpoint: &str, port: &Port) -> bool {
    let Some(of_endpoint) = ports.get_mut(endpoint) else {
        return false;
    };
    let was_there = of_endpoint.remove(port);
    if of_endpoint.is_empty() {
        ports.remove(endpoint);
    }
    was_there
}

fn opened(call: Call) -> Result<Value, Fault> {
    call.end()?;
    let mut by_port: BTreeMap<Port, BTreeSet<String>> = BTreeMap::new();
    let effects = &call.context.effects;
    let there = call.context.opened_ports.iter().flatten();
    for (endpoint, ports) in there.chain(&effects.ports_to_open) {
        for port in ports {
            let closing = effects
                .ports_to_close
                .get(endpoint)
                .is_some_and(|ports| ports.contains(port));
            if !closing {
                by_port
                    .entry(port.clone())
                    .or_default()
                    .insert(endpoint.clone());
            }
        }
    }
    let with_endpoints = call.switch("endpoints");
    let lines = by_port.into_iter().map(|(port, endpoints)| {
        if !with_endpoints {
            return port.to_string();
        }
        let names: Vec<String> = endpoints
            .into_iter()
            .map(|endpoint| {
                if endpoint.is_empty() {
                    "*".to_owned()
                } else {
                    endpoint
                }
            })
            .collect();
        format!("{port} ({})", names.join(", "))
    });
    Ok(Value::Lines(lines.collect()))
}
