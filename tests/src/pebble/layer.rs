//! One layer of a plan: what its YAML may say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_yaml::{Mapping, Value};

use super::duration::Span;
use super::users::Whom;
use super::words;

type Text = BTreeMap<String, String>;

/// A service, its fields in the order in which the plan shows them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Service {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) summary: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) startup: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) r#override: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) after: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) before: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) requires: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) environment: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) working_dir: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on_success: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on_failure: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) on_check_failure: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) backoff_delay: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) backoff_factor: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) backoff_limit: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kill_delay: Option<Span>,
}

/// A health check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Check {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) r#override: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) level: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) startup: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) period: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) threshold: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) http: Option<HttpCheck>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tcp: Option<TcpCheck>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exec: Option<ExecCheck>,
}

/// A check that asks a web server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpCheck {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: Text,
}

/// A check that connects to a port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TcpCheck {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
}

/// A check that runs a command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ExecCheck {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service_context: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) environment: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) working_dir: Option<String>,
}

/// A server to which logs would go. It is kept and shown; nothing is ever sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogTarget {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) r#type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) services: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) r#override: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: Text,
}

/// A layer, with the label it is known by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    pub(crate) label: String,
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) checks: BTreeMap<String, Check>,
    pub(crate) log_targets: BTreeMap<String, LogTarget>,
}

impl Service {
    pub(crate) fn whom(&self) -> Whom {
        whom(self.user_id, &self.user, self.group_id, &self.group)
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.startup.as_deref() == Some("enabled")
    }

    pub(crate) fn kill_delay(&self) -> Span {
        self.kill_delay.unwrap_or(Span::from_millis(5_000))
    }
}

impl ExecCheck {
    pub(crate) fn whom(&self) -> Whom {
        whom(self.user_id, &self.user, self.group_id, &self.group)
    }
}

fn whom(
    user_id: Option<i64>,
    user: &Option<String>,
    group_id: Option<i64>,
    group: &Option<String>,
) -> Whom {
    Whom {
        user_id,
        user: user.clone().unwrap_or_default(),
        group_id,
        group: group.clone().unwrap_or_default(),
    }
}

impl Check {
    pub(crate) fn is_enabled(&self) -> bool {
        self.startup.as_deref() != Some("disabled")
    }

    /// What it does, as changes name it.
    pub(crate) fn kind(&self) -> &'static str {
        match (&self.http, &self.tcp) {
            (Some(_), _) => "HTTP",
            (None, Some(_)) => "TCP",
            (None, None) => "exec",
        }
    }
}

impl Layer {
    /// Reads a layer; the error is the daemon's own sentence.
    pub(crate) fn parse(label: &str, yaml: &str) -> Result<Self, String> {
        let mut layer = Self {
            label: label.to_owned(),
            ..Self::default()
        };
        let value: Value = serde_yaml::from_str(yaml)
            .map_err(|error| format!("cannot parse layer {label:?}: yaml: {error}"))?;
        let sections = match value {
            Value::Null => Mapping::new(),
            Value::Mapping(sections) => sections,
            _ => {
                return Err(format!(
                    "cannot parse layer {label:?}: yaml: cannot unmarshal a scalar into a map"
                ));
            }
        };
        for (name, section) in sections {
            let name = name.as_str().unwrap_or_default();
            let wrong =
                |error: String| format!("cannot parse layer {label:?} section {name:?}: {error}");
            match name {
                "summary" | "description" => {}
                "services" => layer.services = entries("service", section, wrong)?,
                "checks" => layer.checks = entries("check", section, wrong)?,
                "log-targets" => layer.log_targets = entries("log target", section, wrong)?,
                _ => {
                    return Err(format!(
                        "cannot parse layer {label:?}: unknown section {name:?}"
                    ));
                }
            }
        }
        layer.validate()?;
        Ok(layer)
    }

    fn validate(&self) -> Result<(), String> {
        if self.label.starts_with("pebble-") {
            return Err("cannot use reserved label prefix \"pebble-\"".to_owned());
        }
        for (name, service) in &self.services {
            validate_service(name, service)?;
        }
        for (name, check) in &self.checks {
            validate_check(name, check)?;
        }
        Ok(())
    }
}

fn validate_service(name: &str, service: &Service) -> Result<(), String> {
    if name.is_empty() {
        return Err("cannot use empty string as service name".to_owned());
    }
    if name == "pebble" {
        return Err(format!("cannot use reserved service name {name:?}"));
    }
    if name.starts_with('-') {
        return Err(format!(
            "cannot use service name {name:?}: starting with \"-\" not allowed"
        ));
    }
    words::split_service(service.command.as_deref().unwrap_or_default()).map_err(|error| {
        format!(
            "plan service {name:?} command invalid: cannot parse service {name:?} command: {error}"
        )
    })?;
    let refuse = |what: &str, action: &str| {
        Err(format!(
            "plan service {name:?} {what} action {action:?} invalid"
        ))
    };
    if let Some(action) = service
        .on_success
        .as_deref()
        .filter(|action| !is_action(action, "failure-shutdown"))
    {
        return refuse("on-success", action);
    }
    if let Some(action) = service
        .on_failure
        .as_deref()
        .filter(|action| !is_action(action, "success-shutdown"))
    {
        return refuse("on-failure", action);
    }
    if let Some(action) = service
        .on_check_failure
        .values()
        .find(|action| !is_action(action, "success-shutdown"))
    {
        return refuse("on-check-failure", action);
    }
    match service.backoff_factor {
        Some(factor) if factor < 1.0 => Err(format!(
            "plan service {name:?} backoff-factor must be 1.0 or greater, not {factor}"
        )),
        _ => Ok(()),
    }
}

fn validate_check(name: &str, check: &Check) -> Result<(), String> {
    let refuse = |what: &str| Err(format!("plan check {name:?} {what}"));
    if !matches!(check.level.as_deref(), None | Some("" | "alive" | "ready")) {
        return refuse("level must be \"alive\" or \"ready\"");
    }
    if !matches!(
        check.startup.as_deref(),
        None | Some("" | "enabled" | "disabled")
    ) {
        return refuse("startup must be \"enabled\" or \"disabled\"");
    }
    if check.period.is_some_and(Span::is_zero) {
        return refuse("period must not be zero");
    }
    if check.timeout.is_some_and(Span::is_zero) {
        return refuse("timeout must not be zero");
    }
    if let Some(exec) = &check.exec {
        words::split(exec.command.as_deref().unwrap_or_default())
            .map_err(|error| format!("plan check {name:?} command invalid: {error}"))?;
        exec.whom()
            .resolve()
            .map_err(|error| format!("plan check {name:?} has invalid user/group: {error}"))?;
    }
    Ok(())
}

fn is_action(action: &str, more: &str) -> bool {
    matches!(action, "" | "restart" | "shutdown" | "ignore") || action == more
}

fn entries<T: serde::de::DeserializeOwned>(
    noun: &str,
    section: Value,
    wrong: impl Fn(String) -> String,
) -> Result<BTreeMap<String, T>, String> {
    let values: BTreeMap<String, Value> = match section {
        Value::Null => BTreeMap::new(),
        section => serde_yaml::from_value(section).map_err(|error| wrong(error.to_string()))?,
    };
    let mut entries = BTreeMap::new();
    for (name, value) in values {
        if value.is_null() {
            return Err(format!("{noun} object cannot be null for {noun} {name:?}"));
        }
        let entry = serde_yaml::from_value(value).map_err(|error| wrong(error.to_string()))?;
        entries.insert(name, entry);
    }
    Ok(entries)
}
