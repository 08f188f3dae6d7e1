//! The daemon's own state, and its services.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::changes::Change;
use super::client::{Client, REQUEST, required};
use super::error::PebbleError;
use super::http::escape;
use super::plan::Startup;
use super::signal::Signal;

/// Which daemon answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct SystemInfo {
    /// The version, such as `v1.26.0`.
    pub version: String,
    /// Names the machine's boot, or the daemon's life.
    #[serde(default)]
    pub boot_id: String,
}

/// A service of the plan and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ServiceInfo {
    /// The name in the plan.
    pub name: String,
    /// Whether it starts by itself.
    pub startup: Startup,
    /// How it is.
    pub current: ServiceStatus,
    /// Since when.
    #[serde(default)]
    pub current_since: Option<Timestamp>,
}

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceStatus {
    /// It runs, or is being started.
    Active,
    /// It does not run.
    Inactive,
    /// It exited and waits to be started again.
    Backoff,
    /// It exited with an error and is left alone.
    Error,
    /// Something that this client does not know.
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
struct Health {
    healthy: bool,
}

impl Client {
    /// Asks which daemon answers; that it does at all shows that the container is up.
    pub async fn system_info(&self) -> Result<SystemInfo, PebbleError> {
        let target = "/v1/system-info";
        required(target, self.get(target, REQUEST).await?)
    }

    /// Tells whether no check is down. A daemon without checks is healthy.
    pub async fn health(&self) -> Result<bool, PebbleError> {
        let target = "/v1/health";
        let health: Health = required(target, self.get(target, REQUEST).await?)?;
        Ok(health.healthy)
    }

    /// Lists these services, or all if none is named; names that the plan does not know are left out.
    pub async fn services(&self, names: &[&str]) -> Result<Vec<ServiceInfo>, PebbleError> {
        self.get_list(&format!("/v1/services{}", names_query(names)))
            .await
    }

    /// Starts services; done once each has run for a second.
    pub async fn start(&self, names: &[&str], timeout: Duration) -> Result<Change, PebbleError> {
        self.act(json!({"action": "start", "services": names}), timeout)
            .await
    }

    /// Stops services. `timeout` should be longer than their kill delay and 5 s more.
    pub async fn stop(&self, names: &[&str], timeout: Duration) -> Result<Change, PebbleError> {
        self.act(json!({"action": "stop", "services": names}), timeout)
            .await
    }

    /// Stops and starts services.
    pub async fn restart(&self, names: &[&str], timeout: Duration) -> Result<Change, PebbleError> {
        self.act(json!({"action": "restart", "services": names}), timeout)
            .await
    }

    /// Restarts services whose plan has changed since they were started, and starts those that start by themselves.
    pub async fn replan(&self, timeout: Duration) -> Result<Change, PebbleError> {
        self.act(json!({"action": "replan"}), timeout).await
    }

    /// Sends a signal to the main process of services.
    pub async fn signal(&self, signal: Signal, services: &[&str]) -> Result<(), PebbleError> {
        let body = json!({"signal": signal.name(), "services": services});
        self.post::<IgnoredAny>("/v1/signals", &body).await?;
        Ok(())
    }

    async fn act(&self, body: serde_json::Value, timeout: Duration) -> Result<Change, PebbleError> {
        let (id, _) = self
            .post_change::<IgnoredAny>("/v1/services", &body)
            .await?;
        let change = self.wait(&id, timeout).await?;
        change.check()?;
        Ok(change)
    }
}

pub(super) fn names_query(names: &[&str]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!("?names={}", escape(&names.join(",")))
    }
}
