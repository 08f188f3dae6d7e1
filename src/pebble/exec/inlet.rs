//! A command's input as it goes through a named pipe.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use super::fifo::Fifo;

/// How often to look whether the command has opened its end. Nothing tells when it has, and a program opens its input
/// within milliseconds of its start.
const LOOK: Duration = Duration::from_millis(2);

/// The near end of a pipe that the command reads from.
pub(super) struct Inlet {
    state: State,
    opened: watch::Sender<bool>,
}

enum State {
    /// The command has not opened its end yet, and is waiting for us once it does.
    Shut(Fifo, Pin<Box<Sleep>>),
    Open(pipe::Sender),
    Ended,
}

impl Inlet {
    /// The receiver tells whether the command has opened its end.
    pub(super) fn new(fifo: Fifo) -> (Self, watch::Receiver<bool>) {
        let (opened, watcher) = watch::channel(false);
        let state = State::Shut(fifo, Box::pin(sleep(Duration::ZERO)));
        (Self { state, opened }, watcher)
    }

    /// Opens our end as soon as the command has opened its own. Its open returns only then, so it misses nothing.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let State::Shut(fifo, again) = &mut self.state {
            ready!(again.as_mut().poll(cx));
            match fifo.sender()? {
                Some(sender) => {
                    // With this the path is gone too.
                    self.state = State::Open(sender);
                    self.opened.send_replace(true);
                }
                None => again.set(sleep(LOOK)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what the pipe has room for.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?;
        match &mut self.state {
            State::Open(sender) => Pin::new(sender).poll_write(cx, bytes),
            State::Shut(..) | State::Ended => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Ends the input: what was written can still be read, and then there is no more.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?;
        self.state = State::Ended;
        Poll::Ready(Ok(()))
    }
}
