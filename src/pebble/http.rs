//! One HTTP request on one connection to the unix socket, with limits on time and size.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::error::PebbleError;

/// Headers of an answer may take this much; the daemon's take a few hundred bytes.
const HEADER_BYTES: usize = 64 * 1024;

/// What is asked: method, path with query, and what goes with it.
pub(super) struct Ask<'a> {
    pub(super) method: &'static str,
    pub(super) target: &'a str,
    /// The body and its content type.
    pub(super) body: Option<(&'a str, Bytes)>,
    pub(super) accept: Option<&'static str>,
    /// The most that the answer's body may hold.
    pub(super) limit: usize,
    /// How long everything from the connection to the end of the answer may take.
    pub(super) within: Duration,
}

/// An answer that has arrived to its last byte.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

impl Ask<'_> {
    /// The request's name in errors and logs: without its query, which may be long.
    pub(super) fn name(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }
}

/// Connects, asks, and returns the whole answer.
pub(super) async fn ask(socket: &Path, ask: Ask<'_>) -> Result<Answer, PebbleError> {
    let name = ask.name();
    let within = ask.within;
    let deadline = Instant::now() + within;
    let answer = timeout_at(deadline, exchange(socket, ask, &name))
        .await
        .unwrap_or_else(|_| {
            Err(PebbleError::TimedOut {
                what: name.clone(),
                after: within,
            })
        });
    match &answer {
        Ok(answer) => {
            tracing::debug!(request = %name, status = answer.status, bytes = answer.body.len(), "pebble")
        }
        Err(error) => tracing::debug!(request = %name, %error, "pebble"),
    }
    answer
}

/// Opens a connection to the daemon.
pub(super) async fn connect(socket: &Path) -> Result<UnixStream, PebbleError> {
    UnixStream::connect(socket)
        .await
        .map_err(|source| PebbleError::CannotConnect {
            socket: socket.to_owned(),
            source,
        })
}

async fn exchange(socket: &Path, ask: Ask<'_>, name: &str) -> Result<Answer, PebbleError> {
    let stream = connect(socket).await?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEADER_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| PebbleError::broken(name, error))?;
    // The connection lives in a task of its own, which ends with this set at the latest.
    let mut driver = JoinSet::new();
    driver.spawn(connection);

    let mut request = Request::builder()
        .method(ask.method)
        .uri(ask.target)
        .header("Host", "localhost");
    if let Some(accept) = ask.accept {
        request = request.header("Accept", accept);
    }
    let mut body = Bytes::new();
    if let Some((content_type, bytes)) = ask.body {
        request = request.header("Content-Type", content_type);
        body = bytes;
    }
    let request = request
        .body(Full::new(body))
        .map_err(|error| PebbleError::protocol(name, error))?;

    let response = sender
        .send_request(request)
        .await
        .map_err(|error| broken_or_wrong(name, error))?;
    let status = response.status().as_u16();
    let content_type = response
        .headers()
        .get("Content-Type")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let body = Limited::new(response.into_body(), ask.limit)
        .collect()
        .await
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                PebbleError::TooLong {
                    what: format!("the answer to {name}"),
                    limit: ask.limit,
                }
            } else {
                PebbleError::broken(name, error)
            }
        })?
        .to_bytes();
    Ok(Answer {
        status,
        content_type,
        body,
    })
}

/// A head that cannot be read is a breach of protocol; anything else is a connection that went away.
fn broken_or_wrong(name: &str, error: hyper::Error) -> PebbleError {
    if error.is_parse() {
        PebbleError::protocol(name, error)
    } else {
        PebbleError::broken(name, error)
    }
}

/// Writes text for use as a value in a query.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                escaped.push(char::from(byte))
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn only_harmless_bytes_go_into_a_query_as_they_are() {
        assert_eq!(escape("/data/home.yaml"), "/data/home.yaml");
        assert_eq!(
            escape("/a b&c=d%e\u{e9}+\n"),
            "/a%20b%26c%3Dd%25e%C3%A9%2B%0A"
        );
    }
}
