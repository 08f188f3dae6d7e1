//! A command's input as it goes through a named pipe.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use super::fifo::Fifo;

/// How long to wait before looking again whether the command has opened its end, at first and at most. Nothing tells
/// when it has, and most programs do so within milliseconds of their start.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// The near end of a pipe that the command reads from.
pub(super) struct Inlet(State);

enum State {
    /// The command has not opened its end yet, or nobody has asked since it did.
    Shut(oneshot::Receiver<io::Result<pipe::Sender>>),
    Open(pipe::Sender),
    Ended,
}

impl Inlet {
    /// Waits for the command in a task, which ends with this. The second value tells whether it has opened its end.
    pub(super) fn new(fifo: Fifo) -> (Self, watch::Receiver<bool>) {
        let (opened, watcher) = watch::channel(false);
        let (mut near, far) = oneshot::channel();
        tokio::spawn(async move {
            // Losing the look is what is meant when nobody has the inlet any more.
            let end = tokio::select! {
                end = open(fifo) => end,
                () = near.closed() => return,
            };
            opened.send_replace(end.is_ok());
            drop(near.send(end));
        });
        (Self(State::Shut(far)), watcher)
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let State::Shut(end) = &mut self.0 {
            let end = ready!(Pin::new(end).poll(cx)).unwrap_or_else(|_| Err(ended()));
            match end {
                Ok(sender) => self.0 = State::Open(sender),
                Err(error) => {
                    self.0 = State::Ended;
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what the pipe has room for. [`io::ErrorKind::BrokenPipe`] means that nobody reads from it any more.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?;
        match &mut self.0 {
            State::Open(sender) => Pin::new(sender).poll_write(cx, bytes),
            State::Shut(_) | State::Ended => Poll::Ready(Err(ended())),
        }
    }

    /// Ends the input: what was written can still be read, and then there is no more.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?;
        match std::mem::replace(&mut self.0, State::Ended) {
            State::Open(_) => Poll::Ready(Ok(())),
            State::Shut(_) | State::Ended => Poll::Ready(Err(ended())),
        }
    }
}

/// Opens our end as soon as the command opens its own, whose open returns only then: it misses nothing. After that the
/// path is gone.
async fn open(fifo: Fifo) -> io::Result<pipe::Sender> {
    let (mut pause, longest) = LOOK;
    loop {
        if let Some(sender) = fifo.sender()? {
            return Ok(sender);
        }
        sleep(pause).await;
        pause = longest.min(pause * 2);
    }
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the pipe is not open")
}
