//! The requests below the client: rate limits obeyed, errors with the server's own words, each shown on demand.

use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Method, Request};

use crate::deadline::Deadline;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long rate limits are obeyed before they are an error.
const LIMITED: Duration = Duration::from_secs(120);

/// The largest answer that is read.
const LARGEST: u64 = 256 << 20;

static TRANSACTIONS: AtomicU64 = AtomicU64::new(0);

/// The way to one server.
#[derive(Debug, Clone)]
pub(super) struct Http {
    agent: Agent,
    address: SocketAddrV4,
    /// Who is shown what goes over the wire.
    pub(super) show: Option<fn(&str)>,
}

/// What is sent.
enum Body<'a> {
    None,
    Json(&'a Value),
    File {
        name: &'a str,
        content_type: &'a str,
        content: &'a [u8],
    },
}

impl Http {
    pub(super) fn new(address: SocketAddrV4) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_idle_connections(0) // servers are stopped and started between requests
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        Self {
            agent,
            address,
            show: None,
        }
    }

    /// A transaction id that was never used before.
    pub(super) fn next_transaction(&self) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        format!(
            "{}-{}",
            now.as_nanos(),
            TRANSACTIONS.fetch_add(1, Ordering::Relaxed)
        )
    }

    pub(super) fn get(&self, path: &str, token: Option<&str>) -> Result<Value> {
        self.json(Method::GET, path, token, &Body::None)
    }

    pub(super) fn post(&self, path: &str, token: Option<&str>, request: &Value) -> Result<Value> {
        self.json(Method::POST, path, token, &Body::Json(request))
    }

    pub(super) fn put(&self, path: &str, token: &str, request: &Value) -> Result<Value> {
        self.json(Method::PUT, path, Some(token), &Body::Json(request))
    }

    pub(super) fn upload(
        &self,
        path: &str,
        token: &str,
        name: &str,
        content_type: &str,
        content: &[u8],
    ) -> Result<Value> {
        self.json(
            Method::POST,
            path,
            Some(token),
            &Body::File {
                name,
                content_type,
                content,
            },
        )
    }

    pub(super) fn download(&self, path: &str, token: &str) -> Result<Vec<u8>> {
        let content = self.send(&Method::GET, path, Some(token), &Body::None)?;
        self.shown(|| format!("{} bytes", content.len()));
        Ok(content)
    }

    /// One look at a path, neither shown nor repeated.
    pub(super) fn look(&self, path: &str) -> Result<Vec<u8>> {
        let (status, body) = self.once(&Method::GET, path, None, &Body::None)?;
        if status != 200 {
            bail!("status {status}");
        }
        Ok(body)
    }

    fn json(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: &Body<'_>,
    ) -> Result<Value> {
        let answer = self.send(&method, path, token, body)?;
        let answer: Value = serde_json::from_slice(&answer)
            .with_context(|| format!("{path}: an answer that is no JSON"))?;
        self.shown(|| abridged(&answer));
        Ok(answer)
    }

    fn send(
        &self,
        method: &Method,
        path: &str,
        token: Option<&str>,
        body: &Body<'_>,
    ) -> Result<Vec<u8>> {
        self.shown(|| self.curl(method, path, token, body));
        let deadline = Deadline::after(LIMITED);
        loop {
            let (status, answer) = self.once(method, path, token, body)?;
            match status {
                200 => return Ok(answer),
                429 => {
                    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
                    let wait =
                        Duration::from_millis(answer["retry_after_ms"].as_u64().unwrap_or(1000));
                    if wait > deadline.left() {
                        bail!(
                            "{method} {path}: the server asks to wait {} s more",
                            wait.as_secs()
                        );
                    }
                    std::thread::sleep(wait);
                }
                _ => {
                    let answer = String::from_utf8_lossy(&answer);
                    self.shown(|| answer.clone().into_owned());
                    bail!("{method} {path}: status {status}: {answer}");
                }
            }
        }
    }

    fn once(
        &self,
        method: &Method,
        path: &str,
        token: Option<&str>,
        body: &Body<'_>,
    ) -> Result<(u16, Vec<u8>)> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let content = match body {
            Body::None => Vec::new(),
            Body::Json(value) => {
                request = request.header("Content-Type", "application/json");
                serde_json::to_vec(value)?
            }
            Body::File {
                content_type,
                content,
                ..
            } => {
                request = request.header("Content-Type", *content_type);
                content.to_vec()
            }
        };
        let answer = match body {
            Body::None => self.agent.run(request.body(())?),
            _ => self.agent.run(request.body(content)?),
        };
        let mut answer = answer.with_context(|| format!("{method} {path}"))?;
        let content = answer
            .body_mut()
            .with_config()
            .limit(LARGEST)
            .read_to_vec()
            .with_context(|| format!("{method} {path}"))?;
        Ok((answer.status().as_u16(), content))
    }

    /// The request as one would type it, secrets left out.
    fn curl(&self, method: &Method, path: &str, token: Option<&str>, body: &Body<'_>) -> String {
        let mut line = String::from("$ curl");
        if *method != Method::GET {
            line += &format!(" -X {method}");
        }
        if token.is_some() {
            line += " -H \"Authorization: Bearer $TOKEN\"";
        }
        line += &match body {
            Body::None => String::new(),
            Body::Json(value) => format!(" -d '{}'", abridged(value)),
            Body::File {
                name, content_type, ..
            } => format!(" -H 'Content-Type: {content_type}' --data-binary @{name}"),
        };
        format!("{line} 'http://{}{path}'", self.address)
    }

    fn shown(&self, text: impl FnOnce() -> String) {
        if let Some(show) = self.show {
            show(&text());
        }
    }
}

/// JSON on one line, secrets left out and long texts cut.
fn abridged(value: &Value) -> String {
    let mut value = value.clone();
    if let Some(fields) = value.as_object_mut() {
        for (name, secret) in [("password", "$PASSWORD"), ("access_token", "...")] {
            if let Some(field) = fields.get_mut(name) {
                *field = secret.into();
            }
        }
    }
    let line = value.to_string();
    match line.char_indices().nth(160) {
        Some((cut, _)) => format!("{} ...", &line[..cut]),
        None => line,
    }
}
