//! Replies in Pebble's envelopes, short ones with a length and long ones in chunks.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

/// The longest reply that is sent with its length; Go's server buffers as much.
const BUFFERED: usize = 2048;

/// A reply as the server sends it.
pub(crate) type Reply = Response<Content>;

/// The body of a reply.
pub(crate) enum Content {
    /// All of it, and whether its length is told.
    Whole(Option<Bytes>, bool),
    /// What a task sends, in chunks.
    Stream(mpsc::Receiver<Bytes>),
}

impl Content {
    pub(crate) fn whole(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        let told = text.len() <= BUFFERED;
        Self::Whole(Some(text), told)
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut *self {
            Self::Whole(text, _) => Poll::Ready(
                text.take()
                    .filter(|text| !text.is_empty())
                    .map(|text| Ok(Frame::data(text))),
            ),
            Self::Stream(chunks) => chunks
                .poll_recv(context)
                .map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(text, told) => *told && text.as_ref().is_none_or(Bytes::is_empty),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(text, true) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Self::Whole(_, false) | Self::Stream(_) => SizeHint::new(),
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'a str,
    #[serde(rename = "status-code")]
    status_code: u16,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
}

/// What went wrong, as the API tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) kind: Option<&'static str>,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: None,
            message: message.into(),
        }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    pub(crate) fn with_kind(mut self, kind: &'static str) -> Self {
        self.kind = Some(kind);
        self
    }

    /// The JSON object that says it.
    pub(crate) fn to_json(&self) -> Value {
        match self.kind {
            Some(kind) => serde_json::json!({"message": self.message, "kind": kind}),
            None => serde_json::json!({"message": self.message}),
        }
    }

    /// The text of the whole envelope.
    pub(crate) fn to_text(&self) -> String {
        text("error", self.status, None, Some(self.to_json()))
    }

    pub(crate) fn to_reply(&self) -> Reply {
        json(self.status, self.to_text())
    }
}

/// The reply for something done at once.
pub(crate) fn sync(result: Value) -> Reply {
    json(200, sync_text(200, result))
}

/// The same with another status, which only health uses.
pub(crate) fn sync_with(status: u16, result: Value) -> Reply {
    json(status, sync_text(status, result))
}

/// The reply for something done that has no result.
pub(crate) fn sync_nothing() -> Reply {
    json(200, text("sync", 200, None, None))
}

/// The envelope of a sync reply as text.
pub(crate) fn sync_text(status: u16, result: Value) -> String {
    text("sync", status, None, Some(result))
}

/// The reply for something that a change will do.
pub(crate) fn accepted(change: &str, result: Value) -> Reply {
    json(202, text("async", 202, Some(change), Some(result)))
}

/// A reply of any type.
pub(crate) fn plain(status: u16, content_type: Option<&'static str>, content: Content) -> Reply {
    let mut reply = Response::new(content);
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(content_type) = content_type {
        reply
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    reply
}

fn json(status: u16, text: String) -> Reply {
    plain(status, Some("application/json"), Content::whole(text))
}

fn text(kind: &str, code: u16, change: Option<&str>, result: Option<Value>) -> String {
    let phrase = StatusCode::from_u16(code)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default();
    let envelope = Envelope {
        r#type: kind,
        status_code: code,
        status: phrase,
        change,
        result,
    };
    serde_json::to_string(&envelope).unwrap_or_default()
}
