//! The websockets of an exec, and what goes over them.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::super::error::PebbleError;
use super::super::http;
use super::super::signal::Signal;

/// One websocket to the daemon.
pub(super) type Socket = WebSocketStream<UnixStream>;

/// How long a handshake may take. The daemon itself gives the three of them five seconds together.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// The most that one message may hold. The daemon sends at most 128 KiB.
const MESSAGE_BYTES: usize = 1024 * 1024;

/// One read takes a whole message of the daemon's usual 64 KiB and its header.
const READ_BYTES: usize = 128 * 1024;

/// What says on stdio and stderr that no more will come.
const END: &str = r#"{"command":"end"}"#;

/// What arrived on a stream.
pub(super) enum Piece {
    Data(Bytes),
    End,
    /// Something that is of no concern.
    Nothing,
}

/// Which of an exec's websockets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Channel {
    Control,
    Stdio,
    Stderr,
}

impl Channel {
    fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Stdio => "stdio",
            Self::Stderr => "stderr",
        }
    }
}

/// Connects one websocket of a task.
pub(super) async fn connect(
    path: &Path,
    task: &str,
    channel: Channel,
) -> Result<Socket, PebbleError> {
    let name = channel.name();
    let what = format!("connecting the {name} websocket");
    let protocol = |detail: String| PebbleError::protocol(&what, detail);
    let uri: Uri = format!("ws://localhost/v1/tasks/{task}/websocket/{name}")
        .parse()
        .map_err(|_| protocol(format!("{task:?} is no id of a task")))?;
    let shake = async {
        let stream = http::connect(path).await?;
        let request = ClientRequestBuilder::new(uri);
        match client_async_with_config(request, stream, Some(config())).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => Err(protocol(format!(
                "status {} instead of 101",
                response.status().as_u16()
            ))),
            Err(Error::Io(error)) => Err(PebbleError::broken(&what, error)),
            Err(error) => Err(protocol(error.to_string())),
        }
    };
    timeout(HANDSHAKE, shake).await.unwrap_or_else(|_| {
        Err(PebbleError::TimedOut {
            what: what.clone(),
            after: HANDSHAKE,
        })
    })
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MESSAGE_BYTES)
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES))
}

/// The end marker, ready to be sent.
pub(super) fn end() -> Message {
    Message::text(END)
}

/// The order to send a signal, ready to be sent on control.
pub(super) fn signal(signal: Signal) -> Message {
    Message::text(json!({"command": "signal", "signal": {"name": signal.name()}}).to_string())
}

/// Says what a message on stdio or stderr means. Texts that are no end marker mean nothing, as the daemon does it too.
pub(super) fn piece(message: Message) -> Piece {
    match message {
        Message::Binary(bytes) if !bytes.is_empty() => Piece::Data(bytes),
        Message::Text(text) if is_end(text.as_str()) => Piece::End,
        Message::Binary(_)
        | Message::Text(_)
        | Message::Ping(_)
        | Message::Pong(_)
        | Message::Close(_)
        | Message::Frame(_) => Piece::Nothing,
    }
}

fn is_end(text: &str) -> bool {
    text == END
        || serde_json::from_str::<serde_json::Value>(text).is_ok_and(|value| {
            value.get("command").and_then(|command| command.as_str()) == Some("end")
        })
}

/// Waits for the next piece of a stream; `None` when the connection ended.
pub(super) async fn next<S>(stream: &mut S) -> Option<Result<Piece, Error>>
where
    S: futures_util::Stream<Item = Result<Message, Error>> + Unpin,
{
    Some(stream.next().await?.map(piece))
}
