//! A command's standard input.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::Sink;
use tokio::io::AsyncWrite;
use tokio::sync::{oneshot, watch};
use tokio_tungstenite::tungstenite::Message;

use super::leash::{Hold, Input, Life};
use super::patience::Patience;
use super::stdout::StreamEnd;
use super::websocket;

/// Bytes in one message; beyond this, larger ones gain nothing.
const MESSAGE_BYTES: usize = 256 * 1024;

/// The standard input of a command, to be finished by [`Stdin::end`].
///
/// Dropped without that, or with a failed source behind it, the command is killed before it can take the end of its
/// input for the end of the data. `shutdown` only flushes: nothing but `end` ends the input.
///
/// Small writes are gathered into messages of 256 KiB; at most four of those are held. A write that fails with
/// [`io::ErrorKind::BrokenPipe`] means that the command will take no more, which is no trouble in itself: what
/// [`super::Process::wait`] says about the command counts. [`io::ErrorKind::TimedOut`] means that nothing was taken for
/// as long as [`super::Exec::stall_limit`] allows.
pub struct Stdin {
    input: Option<Input>,
    give_up: Option<oneshot::Sender<Input>>,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_over: bool,
    buffer: BytesMut,
    written: bool,
    patience: Patience,
}

impl Stdin {
    pub(super) fn new(
        input: Input,
        hold: Hold,
        stdout: watch::Receiver<StreamEnd>,
        stall_limit: Duration,
    ) -> Self {
        Self {
            input: Some(input),
            give_up: Some(hold.give_up),
            over: Box::pin(process_over(hold.life, stdout)),
            is_over: false,
            buffer: BytesMut::new(),
            written: false,
            patience: Patience::new(stall_limit),
        }
    }

    /// Sends what is left and then the end of input. A command that has exited already needs neither.
    pub async fn end(mut self) -> io::Result<()> {
        let sent = async {
            std::future::poll_fn(|cx| self.poll_send(cx)).await?;
            std::future::poll_fn(|cx| self.poll_end(cx)).await?;
            std::future::poll_fn(|cx| self.poll_sent(cx)).await
        };
        match sent.await {
            Ok(()) => {
                self.give_up = None;
                Ok(())
            }
            // In these two cases dropping self kills the command, if it is there still.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether anything was ever written.
    pub(super) fn is_untouched(&self) -> bool {
        !self.written
    }

    /// Pending unless the command is gone or nothing has moved for too long.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if !self.is_over && self.over.as_mut().poll(cx).is_pending() {
            ready!(self.patience.poll_out(cx));
            let detail = format!("nothing taken for {} s", self.patience.limit().as_secs());
            return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, detail));
        }
        self.is_over = true;
        Poll::Ready(no_more())
    }

    /// Waits until a message can be handed to the connection.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_over {
            return Poll::Ready(Err(no_more()));
        }
        let Some(input) = self.input.as_mut() else {
            return Poll::Ready(Err(no_more()));
        };
        match Pin::new(input).poll_ready(cx) {
            Poll::Ready(ready) => {
                self.patience.reset();
                Poll::Ready(ready.map_err(broken))
            }
            Poll::Pending => self.poll_over(cx).map(Err),
        }
    }

    /// Hands a message to the connection, which must have room.
    fn start_send(&mut self, message: Message) -> io::Result<()> {
        let input = self.input.as_mut().ok_or_else(no_more)?;
        Pin::new(input).start_send(message).map_err(broken)
    }

    /// Hands the gathered bytes to the connection.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_room(cx))?;
        let message = Message::Binary(self.buffer.split().freeze());
        Poll::Ready(self.start_send(message))
    }

    /// Hands the end marker to the connection.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_room(cx))?;
        Poll::Ready(self.start_send(websocket::end()))
    }

    /// Waits until the connection has passed everything on to the kernel.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(input) = self.input.as_mut() else {
            return Poll::Ready(Err(no_more()));
        };
        match Pin::new(input).poll_flush(cx) {
            Poll::Ready(sent) => {
                self.patience.reset();
                Poll::Ready(sent.map_err(broken))
            }
            Poll::Pending => self.poll_over(cx).map(Err),
        }
    }
}

impl AsyncWrite for Stdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if !self.is_over && self.over.as_mut().poll(cx).is_ready() {
            self.is_over = true;
        }
        if self.is_over {
            return Poll::Ready(Err(no_more()));
        }
        if self.buffer.len() >= MESSAGE_BYTES {
            ready!(self.poll_send(cx))?;
        }
        self.written = true;
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(MESSAGE_BYTES);
        }
        let count = bytes.len().min(MESSAGE_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        self.poll_sent(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // The keeper kills first and closes later. If there is none any more, the command is gone.
        if let (Some(input), Some(give_up)) = (self.input.take(), self.give_up.take()) {
            drop(give_up.send(input));
        }
    }
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdin")
            .field("buffered", &self.buffer.len())
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

/// Waits until the command will read no more: it has exited, or its output has ended.
async fn process_over(mut life: watch::Receiver<Life>, mut stdout: watch::Receiver<StreamEnd>) {
    let ended = |end: &StreamEnd| matches!(end, StreamEnd::Marked | StreamEnd::Broken);
    // Both arms only look at a value, so losing one loses nothing.
    tokio::select! {
        _ = life.wait_for(|life| *life != Life::Running) => {}
        Ok(_) = stdout.wait_for(ended) => {}
    }
}

fn no_more() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the command takes no more input")
}

fn broken(error: tokio_tungstenite::tungstenite::Error) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, error)
}
