//! Questions to a running Synapse over its HTTP port.
//!
//! One connection a question, a limit in time for each, and answers of at most 64 KiB: enough for what we ask, whoever
//! answers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::{PORT, ServerName};

/// How long a question may take that Synapse answers from memory.
const QUICK: Duration = Duration::from_secs(3);

/// The most bytes of an answer.
const ANSWER_LIMIT: usize = 64 * 1024;

/// A Synapse and where it answers. Cheap to make and to clone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Homeserver {
    address: SocketAddr,
}

/// Why Synapse gave no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Nothing listens: Synapse does not run, or not yet.
    #[error("synapse does not answer on {address}")]
    NotRunning {
        /// Where it should answer.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Synapse took too long.
    #[error("synapse did not answer {path} within {} s", limit.as_secs_f32())]
    TimedOut {
        /// What was asked for.
        path: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// The connection broke in the middle.
    #[error("the connection to synapse broke at {path}")]
    Broken {
        /// What was asked for.
        path: &'static str,
        /// What the HTTP client said.
        source: hyper::Error,
    },
    /// Synapse refused.
    #[error("synapse refused {path} with status {status} {code}: {message}")]
    Refused {
        /// What was asked for.
        path: &'static str,
        /// The HTTP status.
        status: u16,
        /// The Matrix error code, such as `M_USER_IN_USE`; may be empty.
        code: String,
        /// What it said.
        message: String,
    },
    /// The answer is not what this question gets, or too long.
    #[error("synapse gave an answer to {path} that is not understood")]
    Malformed {
        /// What was asked for.
        path: &'static str,
    },
}

impl Homeserver {
    /// The Synapse of this pod.
    pub fn local() -> Self {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)))
    }

    /// A Synapse elsewhere.
    pub fn at(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Asks whether it is well.
    pub async fn health(&self) -> Result<(), ApiError> {
        self.ask(Method::GET, "/health", Bytes::new(), QUICK)
            .await
            .map(drop)
    }

    /// Asks for its version, such as `1.163.2`.
    pub async fn version(&self) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            server: Server,
        }
        #[derive(Deserialize)]
        struct Server {
            version: String,
        }
        let answer: Answer = self.get("/_matrix/federation/v1/version").await?;
        Ok(answer.server.version)
    }

    /// Asks which server name it serves.
    pub async fn served_server_name(&self) -> Result<ServerName, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            server_name: String,
        }
        let path = "/_matrix/key/v2/server";
        let answer: Answer = self.get(path).await?;
        ServerName::parse(&answer.server_name).map_err(|_unnamed| ApiError::Malformed { path })
    }

    /// Gets a JSON document.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &'static str) -> Result<T, ApiError> {
        let answer = self.ask(Method::GET, path, Bytes::new(), QUICK).await?;
        serde_json::from_slice(&answer).map_err(|_error| ApiError::Malformed { path })
    }

    /// Posts a JSON document; the answer may hold a secret.
    pub(super) async fn post(
        &self,
        path: &'static str,
        document: Zeroizing<Vec<u8>>,
        limit: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, ApiError> {
        let document = Bytes::from_owner(document);
        let answer = self.ask(Method::POST, path, document, limit).await?;
        Ok(Zeroizing::new(answer.into()))
    }

    pub(super) async fn ask(
        &self,
        method: Method,
        path: &'static str,
        document: Bytes,
        limit: Duration,
    ) -> Result<Bytes, ApiError> {
        let (status, answer) = tokio::time::timeout(limit, self.exchange(method, path, document))
            .await
            .map_err(|_elapsed| ApiError::TimedOut { path, limit })??;
        if status.is_success() {
            return Ok(answer);
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Refusal {
            errcode: String,
            error: String,
        }
        // A refusal that is no JSON, such as a proxy's, still has its status.
        let refusal: Refusal = serde_json::from_slice(&answer).unwrap_or_default();
        Err(ApiError::Refused {
            path,
            status: status.as_u16(),
            code: refusal.errcode,
            message: refusal.error,
        })
    }

    /// Sends one request over a connection of its own and reads the whole answer.
    async fn exchange(
        &self,
        method: Method,
        path: &'static str,
        document: Bytes,
    ) -> Result<(StatusCode, Bytes), ApiError> {
        let broken = |source| ApiError::Broken { path, source };
        let stream =
            TcpStream::connect(self.address)
                .await
                .map_err(|source| ApiError::NotRunning {
                    address: self.address,
                    source,
                })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(document))
            .map_err(|_unfit| ApiError::Malformed { path })?;
        let answer = async move {
            let answer = sender.send_request(request).await.map_err(broken)?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_LIMIT);
            let body = body.collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    return ApiError::Malformed { path };
                }
                match error.downcast::<hyper::Error>() {
                    Ok(error) => broken(*error),
                    Err(_) => ApiError::Malformed { path },
                }
            })?;
            Ok((status, body.to_bytes()))
        };
        // The connection only moves the bytes; what goes wrong with it shows in the answer.
        let (answer, _connection) = tokio::join!(answer, connection);
        answer
    }
}

#[cfg(test)]
pub(super) mod tests;
