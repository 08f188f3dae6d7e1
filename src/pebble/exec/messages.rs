//! A command's input as it goes over a websocket: gathered into messages.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures_util::Sink;
use futures_util::stream::SplitSink;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::websocket::{self, Socket};

/// Bytes in one message; beyond this, larger ones gain nothing.
const MESSAGE_BYTES: usize = 256 * 1024;

/// The writing half of stdio, and the message that is being gathered.
pub(super) struct Messages {
    socket: SplitSink<Socket, Message>,
    buffer: BytesMut,
    ended: bool,
}

impl Messages {
    pub(super) fn new(socket: SplitSink<Socket, Message>) -> Self {
        Self {
            socket,
            buffer: BytesMut::new(),
            ended: false,
        }
    }

    /// Gathers; a full message is handed to the connection first.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.buffer.len() >= MESSAGE_BYTES {
            ready!(self.poll_send(cx))?;
        }
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(MESSAGE_BYTES);
        }
        let count = bytes.len().min(MESSAGE_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    /// Passes everything on to the kernel.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx).map_err(broken)
    }

    /// Passes everything on, and the end marker behind it.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        if !self.ended {
            ready!(Pin::new(&mut self.socket).poll_ready(cx)).map_err(broken)?;
            let end = websocket::end();
            Pin::new(&mut self.socket).start_send(end).map_err(broken)?;
            self.ended = true;
        }
        Pin::new(&mut self.socket).poll_flush(cx).map_err(broken)
    }

    /// Hands the gathered bytes to the connection.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() {
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(&mut self.socket).poll_ready(cx)).map_err(broken)?;
        let message = Message::Binary(self.buffer.split().freeze());
        let sent = Pin::new(&mut self.socket).start_send(message);
        Poll::Ready(sent.map_err(broken))
    }
}

fn broken(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, error)
}
