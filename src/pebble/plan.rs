//! Layers and the plan that they add up to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::{Client, REQUEST, required};
use super::duration::Span;
use super::envelope::shape;
use super::error::PebbleError;

/// One layer: services and checks, each replacing or merged into those of layers below.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layer {
    /// A title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What the layer is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The services by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, Service>,
    /// The checks by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<String, Check>,
}

/// What all layers add up to. What this client does not know is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// The services by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, Service>,
    /// The checks by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<String, Check>,
}

/// How an entry treats its namesake in the layers below.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Override {
    /// It takes its place.
    #[default]
    Replace,
    /// It is laid over it.
    Merge,
}

/// Whether a service or check is started by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Startup {
    /// It is.
    Enabled,
    /// It is not.
    Disabled,
}

/// What to do when a service exits by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExit {
    /// Start it again, after a while that grows.
    Restart,
    /// End the daemon, and so the container.
    Shutdown,
    /// End the daemon as if all had been well.
    SuccessShutdown,
    /// End the daemon as if something had failed.
    FailureShutdown,
    /// Leave it.
    Ignore,
}

/// How a service is run. What is `None` or empty is left to the layers below or to the daemon.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Service {
    /// How it treats its namesake below.
    pub r#override: Override,
    /// A title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it starts by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<Startup>,
    /// The command line, split by the daemon as a shell would, but run by none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Services to be started before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Services to be started after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Services to be started whenever it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// Variables laid over the daemon's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The user's number; needs `group_id` when it has no passwd entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<u32>,
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The group's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<u32>,
    /// The group's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Where it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// What to do when it exits with 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_success: Option<OnExit>,
    /// What to do when it exits with something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnExit>,
    /// What to do when a check goes down.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub on_check_failure: BTreeMap<String, OnExit>,
    /// How long to wait before it is first started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_delay: Option<Span>,
    /// By what that wait grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_factor: Option<f64>,
    /// How far that wait grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_limit: Option<Span>,
    /// How long it has between SIGTERM and SIGKILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kill_delay: Option<Span>,
}

/// How the daemon looks after a service. Exactly one of `http`, `tcp` and `exec` is set.
///
/// The daemon's plan always tells `threshold`, so a check that sets it can be compared with the plan's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Check {
    /// How it treats its namesake below.
    pub r#override: Override,
    /// `alive` or `ready`: which of the daemon's health questions it counts for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// Whether it starts by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<Startup>,
    /// How often it is run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Span>,
    /// How long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How many failures in a row make it down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u64>,
    /// Asks for a web page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCheck>,
    /// Opens a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpCheck>,
    /// Runs a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecCheck>,
}

/// A web page that must answer with a 2xx status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpCheck {
    /// The page.
    pub url: String,
    /// Headers to send.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// A port that must take a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TcpCheck {
    /// The port.
    pub port: u16,
    /// The host, by default this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// A command that must exit with 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct ExecCheck {
    /// The command line.
    pub command: String,
    /// The service whose user, environment and directory it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_context: Option<String>,
    /// Variables laid over the daemon's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The user's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<u32>,
    /// The group's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<u32>,
    /// Where it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
}

impl Client {
    /// Reads the plan.
    pub async fn plan(&self) -> Result<Plan, PebbleError> {
        let target = "/v1/plan?format=yaml";
        let yaml: String = required(target, self.get(target, REQUEST).await?)?;
        serde_yaml::from_str(&yaml)
            .map_err(|error| PebbleError::protocol("GET /v1/plan", shape(&error.to_string())))
    }

    /// Adds a layer, or merges it into the one of that label. It starts and stops nothing: [`Client::replan`] does.
    ///
    /// The daemon keeps layers in memory only, so they are to be added again after each restart of the container.
    pub async fn add_layer(&self, label: &str, layer: &Layer) -> Result<(), PebbleError> {
        let target = "/v1/layers";
        let yaml =
            serde_yaml::to_string(layer).map_err(|error| PebbleError::protocol(target, error))?;
        let body = json!({"action": "add", "combine": true, "label": label, "format": "yaml", "layer": yaml});
        self.post::<bool>(target, &body).await?;
        Ok(())
    }
}
