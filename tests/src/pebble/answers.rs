//! The answers about plan, changes, checks, health, signals, logs and notices.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::changes::{Selection, TimedOut};
use super::duration::Span;
use super::layer::Layer;
use super::notices::{Filter, News};
use super::reply::{self, Content, Refusal, Reply};
use super::request::{Object, Query};
use super::router::Caller;
use super::server::Server;

fn of_request(error: String) -> Refusal {
    Refusal::bad(format!("cannot decode request body: {error}"))
}

fn of_data(error: String) -> Refusal {
    Refusal::bad(format!("cannot decode data from request body: {error}"))
}

fn level(query: &Query) -> Result<&str, Refusal> {
    match query.one("level") {
        level @ ("" | "alive" | "ready") => Ok(level),
        _ => Err(Refusal::bad("level must be \"alive\" or \"ready\"")),
    }
}

fn no_change(id: &str) -> Refusal {
    Refusal::new(404, format!("cannot find change with id {id:?}"))
}

impl Server {
    pub(crate) fn get_health(&self, query: &Query) -> Result<Reply, Refusal> {
        let healthy = self.checks.healthy(level(query)?, &query.list("names"));
        Ok(reply::sync_with(
            if healthy { 200 } else { 502 },
            json!({"healthy": healthy}),
        ))
    }

    pub(crate) fn get_changes(&self, query: &Query) -> Result<Reply, Refusal> {
        let selection = match query.one("select") {
            "" | "in-progress" => Selection::InProgress,
            "all" => Selection::All,
            "ready" => Selection::Ready,
            _ => {
                return Err(Refusal::bad(
                    "select should be one of: all,in-progress,ready",
                ));
            }
        };
        Ok(reply::sync(
            self.changes.list(selection, query.one("for")).into(),
        ))
    }

    pub(crate) fn get_change(&self, id: &str) -> Result<Reply, Refusal> {
        self.changes
            .show(id)
            .map(reply::sync)
            .ok_or_else(|| no_change(id))
    }

    pub(crate) async fn wait_change(&self, id: &str, query: &Query) -> Result<Reply, Refusal> {
        let invalid = |error: String| Refusal::bad(format!("invalid timeout: {error}"));
        let timeout = Span::parse_optional(query.one("timeout")).map_err(invalid)?;
        match self.changes.wait(id, timeout.map(Span::as_duration)).await {
            None => Err(no_change(id)),
            Some(Ok(shown)) => Ok(reply::sync(shown)),
            Some(Err(TimedOut)) => {
                let timeout = timeout.unwrap_or(Span::from_millis(0));
                Err(Refusal::new(
                    504,
                    format!("timed out waiting for change after {timeout}"),
                ))
            }
        }
    }

    pub(crate) fn post_change(&self, id: &str, request: &Object) -> Result<Reply, Refusal> {
        let action: String = request.field("action").map_err(of_data)?;
        self.changes.show(id).ok_or_else(|| no_change(id))?;
        if action != "abort" {
            return Err(Refusal::bad(format!("invalid action {action:?}")));
        }
        let aborted = self.changes.abort(id).ok_or_else(|| no_change(id))?;
        aborted.map(reply::sync).map_err(Refusal::bad)
    }

    pub(crate) fn post_layers(&self, request: &Object) -> Result<Reply, Refusal> {
        let text = |name: &str| request.field::<String>(name).map_err(of_request);
        let (action, label, format, yaml) = (
            text("action")?,
            text("label")?,
            text("format")?,
            text("layer")?,
        );
        let combine: bool = request.field("combine").map_err(of_request)?;
        if action != "add" {
            return Err(Refusal::bad(format!("invalid action {action:?}")));
        }
        if label.is_empty() {
            return Err(Refusal::bad("label must be set"));
        }
        if format != "yaml" {
            return Err(Refusal::bad(format!("invalid format {format:?}")));
        }
        let layer = Layer::parse(&label, &yaml);
        let layer =
            layer.map_err(|error| Refusal::bad(format!("cannot parse layer YAML: {error}")))?;
        self.change_plan(|plan| plan.with(layer, combine))
            .map_err(Refusal::bad)?;
        Ok(reply::sync(true.into()))
    }

    pub(crate) fn post_signals(&self, request: &Object) -> Result<Reply, Refusal> {
        let services: Vec<String> = request.field("services").map_err(of_request)?;
        let signal: String = request.field("signal").map_err(of_request)?;
        if services.is_empty() {
            return Err(Refusal::bad("must specify one or more services"));
        }
        self.services
            .signal(&services, &signal)
            .map_err(|error| Refusal::new(500, error))?;
        Ok(reply::sync(true.into()))
    }

    pub(crate) fn get_checks(&self, query: &Query) -> Result<Reply, Refusal> {
        Ok(reply::sync(
            self.checks.list(level(query)?, &query.list("names")).into(),
        ))
    }

    pub(crate) fn post_checks(&self, request: &Object) -> Result<Reply, Refusal> {
        let action: String = request.field("action").map_err(of_data)?;
        let names: Vec<String> = request.field("checks").map_err(of_data)?;
        if names.is_empty() {
            return Err(Refusal::bad(format!(
                "must specify checks for {action} action"
            )));
        }
        let on = match action.as_str() {
            "start" => true,
            "stop" => false,
            _ => return Err(Refusal::bad(format!("invalid action {action:?}"))),
        };
        let changed = self.checks.switch(&names, on);
        let changed =
            changed.map_err(|error| Refusal::bad(format!("cannot {action} checks: {error}")))?;
        // This version says null for none.
        Ok(reply::sync(
            json!({"changed": if changed.is_empty() { Value::Null } else { json!(changed) }}),
        ))
    }

    pub(crate) async fn refresh_check(&self, request: &Object) -> Result<Reply, Refusal> {
        let name: String = request.field("name").map_err(of_data)?;
        if name.is_empty() {
            return Err(Refusal::bad("must specify check name"));
        }
        let missing = || Refusal::new(404, format!("cannot find check with name {name:?}"));
        let result = self.checks.refresh(&name).await.ok_or_else(missing)?;
        let mut shown = json!({"info": self.checks.show(&name)});
        if let Err(error) = result {
            shown["error"] = json!(error);
        }
        Ok(reply::sync(shown))
    }

    pub(crate) fn get_logs(self: &Arc<Self>, query: &Query) -> Result<Reply, Refusal> {
        let services = query.list("services");
        let count = match query.one("n") {
            "" => Some(30),
            "-1" => None,
            text => Some(
                text.parse()
                    .map_err(|_| Refusal::bad("n must be -1, 0, or a positive integer"))?,
            ),
        };
        let follow = match query.one("follow") {
            "true" => true,
            "false" | "" => false,
            _ => {
                return Err(Refusal::bad(
                    "follow parameter must be \"true\" or \"false\"",
                ));
            }
        };
        let mut grown = self.logs.grown();
        let last = self.logs.last(&services, count);
        let (sender, chunks) = mpsc::channel(1);
        let logs = Arc::clone(&self.logs);
        tokio::spawn(async move {
            let mut lines = last;
            let mut number = *grown.borrow_and_update();
            loop {
                let text: String = lines.iter().map(|line| line.to_json()).collect();
                if !text.is_empty() && sender.send(text.into()).await.is_err() || !follow {
                    return;
                }
                // Cancel safe: nothing is taken from either side.
                tokio::select! {
                    changed = grown.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
                lines = logs.since(&services, number);
                number = lines.last().map_or(number, |line| line.number);
            }
        });
        Ok(reply::plain(
            200,
            Some("application/x-ndjson"),
            Content::Stream(chunks),
        ))
    }

    pub(crate) fn post_notices(&self, caller: Caller, request: &Object) -> Result<Reply, Refusal> {
        let text = |name: &str| request.field::<String>(name).map_err(of_request);
        let (action, kind, key) = (text("action")?, text("type")?, text("key")?);
        if action != "add" {
            return Err(Refusal::bad(format!("invalid action {action:?}")));
        }
        if kind != "custom" {
            return Err(Refusal::bad(format!(
                "invalid type {kind:?} (can only add \"custom\" notices)"
            )));
        }
        if !is_key(&key) {
            return Err(Refusal::bad(format!(
                "invalid key {key:?} (must be in \"example.com/path\" format)"
            )));
        }
        if key.len() > 256 {
            return Err(Refusal::bad("key must be 256 bytes or less"));
        }
        let repeat_after = Span::parse_optional(&text("repeat-after")?);
        let repeat_after =
            repeat_after.map_err(|error| Refusal::bad(format!("invalid repeat-after: {error}")))?;
        let data: Result<BTreeMap<String, String>, String> = request.field("data");
        let data =
            data.map_err(|error| Refusal::bad(format!("cannot decode notice data: {error}")))?;
        let id = self.notices.add(News {
            user: caller.user_id,
            kind: "custom",
            key,
            data,
            repeat_after,
        });
        Ok(reply::sync(json!({"id": id})))
    }

    pub(crate) fn get_notice(&self, caller: Caller, id: &str) -> Result<Reply, Refusal> {
        let missing = || Refusal::new(404, format!("cannot find notice with ID {id:?}"));
        let (user, shown) = self.notices.find(id).ok_or_else(missing)?;
        if user.is_none() || user == caller.user_id || caller.is_admin(self) {
            return Ok(reply::sync(shown));
        }
        Err(Refusal::new(
            403,
            format!("not allowed to access notice with id {id:?}"),
        ))
    }

    pub(crate) async fn get_notices(
        &self,
        caller: Caller,
        query: &Query,
    ) -> Result<Reply, Refusal> {
        let invalid = |error: String| Refusal::bad(format!("invalid timeout: {error}"));
        let timeout = Span::parse_optional(query.one("timeout")).map_err(invalid)?;
        let after =
            match query.one("after") {
                "" => None,
                text => Some(text.parse::<Timestamp>().map_err(|error| {
                    Refusal::bad(format!("invalid \"after\" timestamp: {error}"))
                })?),
            };
        let filter = Filter {
            user: self.notices_of(caller, query)?,
            kinds: query.list("types"),
            keys: query.list("keys"),
            after,
        };
        let found = match timeout {
            Some(timeout) => self.notices.wait(&filter, timeout.as_duration()).await,
            None => self.notices.matching(&filter),
        };
        Ok(reply::sync(found.into()))
    }

    /// Whose notices are asked for; none are everybody's.
    fn notices_of(&self, caller: Caller, query: &Query) -> Result<Option<u32>, Refusal> {
        let (users, ids) = (query.one("users"), query.list("user-id"));
        if users.is_empty() && ids.is_empty() {
            return Ok(caller.user_id);
        }
        let parameter = if ids.is_empty() { "users" } else { "user-id" };
        if !caller.is_admin(self) {
            return Err(Refusal::new(
                403,
                format!("only admins may use the {parameter:?} filter"),
            ));
        }
        match (users, ids.as_slice()) {
            ("all", []) => Ok(None),
            (_, []) => Err(Refusal::bad("invalid \"users\" filter: must be \"all\"")),
            ("", [id]) => id.parse().map(Some).map_err(|_| {
                Refusal::bad(format!(
                    "invalid \"user-id\" filter: user ID is not a valid uint32: {id}"
                ))
            }),
            ("", _) => Err(Refusal::bad(
                "invalid \"user-id\" filter: must only include one \"user-id\"",
            )),
            _ => Err(Refusal::bad(
                "cannot use both \"users\" and \"user-id\" parameters",
            )),
        }
    }
}

/// Whether a key is a domain and a path of lower case letters, digits and hyphens.
fn is_key(key: &str) -> bool {
    let word = |text: &str| {
        let plain =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        !text.is_empty()
            && text.chars().all(plain)
            && !text.starts_with('-')
            && !text.ends_with('-')
    };
    let Some((domain, path)) = key.split_once('/') else {
        return false;
    };
    domain.contains('.') && domain.split('.').all(word) && path.split('/').all(word)
}
