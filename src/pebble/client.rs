//! The client itself, and the kinds of request that its methods are made of.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::envelope;
use super::error::PebbleError;
use super::exec::Shared;
use super::http::{self, Answer, Ask};

/// How long a plain request may take. The daemon writes its state to disk on most of them, and disks can be slow.
pub(super) const REQUEST: Duration = Duration::from_secs(10);

/// The most that a plain answer may hold: a thousand changes with their logs fit in well.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A client of one Pebble daemon.
///
/// It holds only the socket's path: each request makes a connection of its own, so a client outlives any number of
/// restarts of the container. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Client {
    socket: Arc<Path>,
    shared: Option<Arc<Shared>>,
}

impl Client {
    /// Makes a client for the daemon that listens on this socket; nothing is tried yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into().into(),
            shared: None,
        }
    }

    /// Names a directory that both containers see: its path in this one, and its absolute path in the workload's.
    ///
    /// Streams may then go through named pipes in it, see [`super::Bulk`]. It is tried first whether they can.
    #[must_use]
    pub fn sharing(mut self, here: impl Into<PathBuf>, there: impl Into<String>) -> Self {
        self.shared = Some(Arc::new(Shared::new(here.into(), there.into())));
        self
    }

    pub(super) fn shared(&self) -> Option<&Shared> {
        self.shared.as_deref()
    }

    /// The socket that this client talks to.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) async fn ask(&self, ask: Ask<'_>) -> Result<Answer, PebbleError> {
        http::ask(&self.socket, ask).await
    }

    /// A GET whose answer is a result; `None` when the daemon left it out.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        target: &str,
        within: Duration,
    ) -> Result<Option<T>, PebbleError> {
        let ask = plain("GET", target, None, within);
        let name = ask.name();
        let answer = self.ask(ask).await?;
        envelope::sync_result(&name, answer.status, &answer.body)
    }

    /// A GET of a list, which the daemon may give as null.
    pub(super) async fn get_list<T: DeserializeOwned>(
        &self,
        target: &str,
    ) -> Result<Vec<T>, PebbleError> {
        Ok(self.get(target, REQUEST).await?.unwrap_or_default())
    }

    /// A POST whose answer is a result.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        target: &str,
        body: &impl Serialize,
    ) -> Result<Option<T>, PebbleError> {
        let ask = plain("POST", target, Some(json(target, body)?), REQUEST);
        let name = ask.name();
        let answer = self.ask(ask).await?;
        envelope::sync_result(&name, answer.status, &answer.body)
    }

    /// A POST whose answer is a change to wait for, and perhaps a result.
    pub(super) async fn post_change<T: DeserializeOwned>(
        &self,
        target: &str,
        body: &impl Serialize,
    ) -> Result<(String, Option<T>), PebbleError> {
        let ask = plain("POST", target, Some(json(target, body)?), REQUEST);
        let name = ask.name();
        let answer = self.ask(ask).await?;
        envelope::async_result(&name, answer.status, &answer.body)
    }
}

/// The result of an answer that must have one.
pub(super) fn required<T>(what: &str, result: Option<T>) -> Result<T, PebbleError> {
    result.ok_or_else(|| PebbleError::protocol(what, "it has no result"))
}

fn plain<'a>(
    method: &'static str,
    target: &'a str,
    body: Option<Bytes>,
    within: Duration,
) -> Ask<'a> {
    Ask {
        method,
        target,
        body: body.map(|bytes| ("application/json", bytes)),
        accept: None,
        limit: ANSWER_BYTES,
        within,
    }
}

fn json(target: &str, body: &impl Serialize) -> Result<Bytes, PebbleError> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|error| PebbleError::protocol(target, error))
}
