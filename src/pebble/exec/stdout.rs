//! A command's standard output.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use tokio::sync::watch;

use super::outlet::Outlet;
use super::patience::Patience;
use super::websocket::{self, Piece, Socket};

/// How an output stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// More may come.
    Open,
    /// The daemon said that no more comes.
    Marked,
    /// The connection ended without that.
    Broken,
    /// Nobody read to the end.
    Unread,
}

/// What carries a command's output.
pub(super) enum Source {
    Socket(SplitStream<Socket>),
    Pipe(Outlet),
}

impl Source {
    /// The next piece; `None` when the output broke off.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        match self {
            Self::Socket(stream) => {
                let message = ready!(stream.poll_next_unpin(cx));
                Poll::Ready(message.and_then(Result::ok).map(websocket::piece))
            }
            Self::Pipe(outlet) => outlet.poll_piece(cx),
        }
    }
}

/// The standard output of a command, or what its command line names instead.
///
/// Reading ends with 0 bytes only if the daemon said that the output is complete; a connection that breaks off is an
/// error of kind [`io::ErrorKind::UnexpectedEof`]. A complete output is not yet a success: ask
/// [`super::Process::wait`]. A command whose output is not read comes to a halt, and dropping this early makes its next
/// write fail.
///
/// What was received but not yet read is one message of at most 1 MiB; the daemon's are of 64 KiB. Of a named pipe it is
/// 256 KiB at most, and 1 MiB in the kernel.
pub struct Stdout {
    source: Option<Source>,
    chunk: Bytes,
    end: watch::Sender<StreamEnd>,
    patience: Patience,
}

impl Stdout {
    pub(super) fn new(source: Source, stall_limit: Duration) -> (Self, watch::Receiver<StreamEnd>) {
        let (end, watcher) = watch::channel(StreamEnd::Open);
        let stdout = Self {
            source: Some(source),
            chunk: Bytes::new(),
            end,
            patience: Patience::new(stall_limit),
        };
        (stdout, watcher)
    }

    /// Takes what has arrived as it is, without copying; `None` at the complete output's end.
    pub async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await?;
        let chunk = std::mem::take(&mut self.chunk);
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    /// Makes sure that there is something in `chunk`, unless the output is complete.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.chunk.is_empty() {
            let Some(source) = self.source.as_mut() else {
                return Poll::Ready(match *self.end.borrow() {
                    StreamEnd::Marked => Ok(()),
                    StreamEnd::Open | StreamEnd::Broken | StreamEnd::Unread => Err(broken_off()),
                });
            };
            let Poll::Ready(piece) = source.poll_piece(cx) else {
                ready!(self.patience.poll_out(cx));
                let detail = format!("nothing written for {} s", self.patience.limit().as_secs());
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, detail)));
            };
            self.patience.reset();
            match piece {
                Some(Piece::Data(bytes)) => self.chunk = bytes,
                Some(Piece::Nothing) => {}
                Some(Piece::End) => self.finish(StreamEnd::Marked),
                None => self.finish(StreamEnd::Broken),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self, end: StreamEnd) {
        // The daemon does not close the connection by itself.
        self.source = None;
        self.end.send_replace(end);
    }
}

impl AsyncBufRead for Stdout {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_chunk(cx))?;
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        let chunk = &mut self.get_mut().chunk;
        chunk.advance(count.min(chunk.len()));
    }
}

impl AsyncRead for Stdout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_chunk(cx))?;
        let count = self.chunk.len().min(into.remaining());
        into.put_slice(&self.chunk[..count]);
        self.chunk.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stdout {
    fn drop(&mut self) {
        if self.source.is_some() {
            self.end.send_replace(StreamEnd::Unread);
        }
    }
}

impl fmt::Debug for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdout")
            .field("buffered", &self.chunk.len())
            .field("end", &*self.end.borrow())
            .finish_non_exhaustive()
    }
}

fn broken_off() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the command's output broke off",
    )
}
