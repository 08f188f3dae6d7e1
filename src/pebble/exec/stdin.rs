//! A command's standard input.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::sync::{oneshot, watch};

use super::inlet::Inlet;
use super::leash::{Hold, Life};
use super::messages::Messages;
use super::patience::Patience;
use super::stdout::StreamEnd;

/// What carries a command's input.
pub(super) enum Input {
    Messages(Messages),
    Pipe(Inlet),
}

/// The standard input of a command, or what its command line names instead, to be finished by [`Stdin::end`].
///
/// Dropped without that, or with a failed source behind it, the command is killed before it can take the end of its
/// input for the end of the data. `shutdown` only flushes: nothing but `end` ends the input.
///
/// Small writes to the daemon are gathered into messages of 256 KiB, of which at most four are held; of a named pipe
/// the kernel holds 1 MiB, and this nothing. A write that fails with [`io::ErrorKind::BrokenPipe`] means that the
/// command will take no more, which is no trouble in itself: what [`super::Process::wait`] says about the command
/// counts. [`io::ErrorKind::TimedOut`] means that nothing was taken for as long as [`super::Exec::stall_limit`] allows.
pub struct Stdin {
    input: Option<Input>,
    give_up: Option<oneshot::Sender<Input>>,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_over: bool,
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
            written: false,
            patience: Patience::new(stall_limit),
        }
    }

    /// Sends what is left and then the end of input. A command that has exited already needs neither.
    pub async fn end(mut self) -> io::Result<()> {
        let ended = std::future::poll_fn(|cx| {
            self.poll_with(cx, |input, cx| match input {
                Input::Messages(messages) => messages.poll_end(cx),
                Input::Pipe(inlet) => inlet.poll_end(cx),
            })
        });
        match ended.await {
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

    /// Does something with the input, as long as the command is there and takes something now and then.
    fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Input, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.is_over {
            return Poll::Ready(Err(no_more()));
        }
        let Some(input) = self.input.as_mut() else {
            return Poll::Ready(Err(no_more()));
        };
        match act(input, cx) {
            Poll::Ready(acted) => {
                self.patience.reset();
                let kind = acted.as_ref().err().map(io::Error::kind);
                // Nobody is left who could take the end of the pipe for the end of the data.
                if matches!(input, Input::Pipe(_)) && kind == Some(io::ErrorKind::BrokenPipe) {
                    self.is_over = true;
                }
                Poll::Ready(acted)
            }
            Poll::Pending => self.poll_over(cx).map(Err),
        }
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
        self.written = true;
        self.poll_with(cx, |input, cx| match input {
            Input::Messages(messages) => messages.poll_write(cx, bytes),
            Input::Pipe(inlet) => inlet.poll_write(cx, bytes),
        })
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with(cx, |input, cx| match input {
            Input::Messages(messages) => messages.poll_flush(cx),
            // The kernel has it all.
            Input::Pipe(_) => Poll::Ready(Ok(())),
        })
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
            .field("written", &self.written)
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
