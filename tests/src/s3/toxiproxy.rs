//! toxiproxy: a line to a store that is slow, narrow, or breaks.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::daemon::{Daemon, free_addresses, status};
use crate::parts;

/// How long it may take to answer.
const START: Duration = Duration::from_secs(15);
/// What its one proxy is called.
const NAME: &str = "s3";

/// A proxy before one server; it is killed when dropped.
#[derive(Debug)]
pub struct Toxiproxy {
    _process: Daemon,
    _directory: TempDir,
    /// Where it is told what to do.
    api: String,
    address: SocketAddr,
}

/// Which way the spoiled bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// One way in which a line is spoiled.
#[derive(Debug, Clone)]
pub struct Toxic {
    kind: &'static str,
    way: Way,
    share: f64,
    attributes: Vec<(&'static str, u64)>,
}

impl Toxic {
    /// Bytes come later, by this time and up to so much more or less.
    #[must_use]
    pub fn latency(way: Way, by: Duration, jitter: Duration) -> Self {
        let attributes = vec![("latency", millis(by)), ("jitter", millis(jitter))];
        Self::new("latency", way, attributes)
    }

    /// So many KiB pass in a second.
    #[must_use]
    pub fn bandwidth(way: Way, rate: u64) -> Self {
        Self::new("bandwidth", way, vec![("rate", rate)])
    }

    /// Bytes come in pieces of about this size, with a pause between them.
    #[must_use]
    pub fn slicer(way: Way, size: u64, pause: Duration) -> Self {
        let pause = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
        let attributes = vec![
            ("average_size", size),
            ("size_variation", size / 2),
            ("delay", pause),
        ];
        Self::new("slicer", way, attributes)
    }

    /// The connection is reset this long after it was made.
    #[must_use]
    pub fn reset(way: Way, after: Duration) -> Self {
        Self::new("reset_peer", way, vec![("timeout", millis(after))])
    }

    /// Nothing passes, and nobody is told: the line is open at one end only.
    #[must_use]
    pub fn half_open(way: Way) -> Self {
        Self::new("timeout", way, vec![("timeout", 0)])
    }

    /// The connection is closed when so many bytes have passed.
    #[must_use]
    pub fn limit(way: Way, bytes: u64) -> Self {
        Self::new("limit_data", way, vec![("bytes", bytes)])
    }

    /// The connection is closed late.
    #[must_use]
    pub fn slow_close(way: Way, after: Duration) -> Self {
        Self::new("slow_close", way, vec![("delay", millis(after))])
    }

    /// The same for this share of all connections only.
    #[must_use]
    pub fn for_share(self, share: f64) -> Self {
        Self { share, ..self }
    }

    fn new(kind: &'static str, way: Way, attributes: Vec<(&'static str, u64)>) -> Self {
        Self {
            kind,
            way,
            share: 1.0,
            attributes,
        }
    }
}

impl Toxiproxy {
    /// Starts one before a server and waits until it passes connections on.
    pub fn before(server: SocketAddr) -> Result<Self> {
        let program = parts::directory().join("bin/toxiproxy-server");
        if !program.is_file() {
            bail!("toxiproxy is missing: run `make parts`");
        }
        let directory = tempfile::tempdir().context("no temporary directory")?;
        let [api, address] = free_addresses()?;
        let mut command = Command::new(program);
        command
            .args(["-host", "127.0.0.1", "-port", &api.port().to_string()])
            .env("LOG_LEVEL", "error");
        let log = directory.path().join("log");
        let mut process = Daemon::start("toxiproxy", &mut command, &log)?;
        process.wait(START, || status(api, "/version") == Some(200))?;
        let proxy = Self {
            _process: process,
            _directory: directory,
            api: format!("http://{api}"),
            address,
        };
        let made =
            json!({"name": NAME, "listen": address.to_string(), "upstream": server.to_string()});
        proxy.post("/proxies", &made)?;
        Ok(proxy)
    }

    /// Where it listens for the server's clients.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL to give as `endpoint`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Spoils the line in one more way, open connections included.
    pub fn spoil(&self, toxic: &Toxic) -> Result<()> {
        let attributes: Map<String, Value> = toxic
            .attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let stream = match toxic.way {
            Way::Up => "upstream",
            Way::Down => "downstream",
        };
        let told = json!({
            "type": toxic.kind, "stream": stream, "toxicity": toxic.share, "attributes": attributes,
        });
        self.post(&format!("/proxies/{NAME}/toxics"), &told)
    }

    /// Lets nobody through any more, and cuts who is.
    pub fn shut(&self) -> Result<()> {
        self.post(&format!("/proxies/{NAME}"), &json!({"enabled": false}))
    }

    /// Makes the line as good as new.
    pub fn heal(&self) -> Result<()> {
        self.post("/reset", &json!({}))
    }

    fn post(&self, path: &str, told: &Value) -> Result<()> {
        let url = format!("{}{path}", self.api);
        let answer = ureq::post(&url).send_json(told);
        answer.with_context(|| format!("toxiproxy does not take {told} at {path}"))?;
        Ok(())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
