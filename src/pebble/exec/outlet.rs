//! A command's output as it comes through a named pipe, with the daemon's word on its end.
//!
//! The end of a pipe says only that nobody writes to it any more, and a killed command leaves it like that too. So the
//! daemon's end marker on stdio is waited for as well, which comes when the command is gone. Only when both are there the
//! output is complete; what that is worth, the exit code says.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::net::unix::pipe;

use super::fifo::Fifo;
use super::stdout::StreamEnd;
use super::websocket::{self, Piece, Socket};

/// Bytes of one read.
const READ_BYTES: usize = 256 * 1024;

/// Buffers that are filled again when what they held was let go of. A reader that holds more than these gets fresh ones.
const BUFFERS: usize = 8;

/// Bytes of the last look into the pipe of a command that is gone.
const LOOK_BYTES: usize = 16 * 1024;

/// The near end of a pipe that the command writes to.
pub(super) struct Outlet {
    receiver: pipe::Receiver,
    /// There until the command has opened its end.
    fifo: Option<Fifo>,
    stdio: SplitStream<Socket>,
    /// What the daemon said.
    word: StreamEnd,
    /// Whether the pipe has ended.
    dry: bool,
    buffers: VecDeque<BytesMut>,
}

impl Outlet {
    pub(super) fn new(receiver: pipe::Receiver, fifo: Fifo, stdio: SplitStream<Socket>) -> Self {
        Self {
            receiver,
            fifo: Some(fifo),
            stdio,
            word: StreamEnd::Open,
            dry: false,
            buffers: VecDeque::with_capacity(BUFFERS),
        }
    }

    /// The next piece; `None` when the output broke off.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        self.listen(cx);
        if self.word == StreamEnd::Broken {
            return Poll::Ready(None);
        }
        if !self.dry {
            match ready!(self.poll_read(cx)) {
                Ok(bytes) if bytes.is_empty() => self.dry = true,
                Ok(bytes) => return Poll::Ready(Some(Piece::Data(bytes))),
                Err(error) => {
                    tracing::debug!(%error, "the pipe of a command's output");
                    return Poll::Ready(None);
                }
            }
        }
        match self.word {
            StreamEnd::Marked => Poll::Ready(Some(Piece::End)),
            StreamEnd::Open | StreamEnd::Broken | StreamEnd::Unread => Poll::Pending,
        }
    }

    /// Hears what the daemon says. What the command writes to its standard output all the same goes nowhere.
    fn listen(&mut self, cx: &mut Context<'_>) {
        while self.word == StreamEnd::Open {
            self.word = match self.stdio.poll_next_unpin(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(message))) => match websocket::piece(message) {
                    Piece::Data(_) | Piece::Nothing => continue,
                    Piece::End => StreamEnd::Marked,
                },
                Poll::Ready(Some(Err(_)) | None) => StreamEnd::Broken,
            };
        }
    }

    /// Reads what is there; nothing at the pipe's end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        loop {
            match self.receiver.poll_read_ready(cx)? {
                Poll::Ready(()) => {}
                Poll::Pending if self.word == StreamEnd::Marked => return self.look(),
                Poll::Pending => return Poll::Pending,
            }
            // An empty pipe is ready only after the other end was opened; the path has done its work.
            self.fifo = None;
            let mut buffer = self.buffer();
            match self.receiver.try_read_buf(&mut buffer) {
                Ok(_) => {
                    let bytes = buffer.split().freeze();
                    self.keep(buffer);
                    return Poll::Ready(Ok(bytes));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.keep(buffer),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Looks for itself, when the command is gone and the runtime has nothing new from the pipe.
    fn look(&mut self) -> Poll<io::Result<Bytes>> {
        let mut bytes = [0; LOOK_BYTES];
        match rustix::io::read(&self.receiver, &mut bytes) {
            Ok(0) if self.was_opened()? => Poll::Ready(Ok(Bytes::new())),
            Ok(0) => Poll::Ready(Err(io::Error::other("the command never opened it"))),
            Ok(count) => Poll::Ready(Ok(Bytes::copy_from_slice(&bytes[..count]))),
            // A process that the command has left behind; the end of the pipe wakes us.
            Err(Errno::AGAIN) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    /// Whether there ever was somebody at the other end, who is gone now.
    fn was_opened(&self) -> io::Result<bool> {
        let mut polled = [PollFd::new(&self.receiver, PollFlags::IN)];
        poll(&mut polled, Some(&Timespec::default()))?;
        Ok(polled[0].revents().contains(PollFlags::HUP))
    }

    /// A buffer with room for a read: the one that was filled longest ago, if nobody holds a part of it any more.
    fn buffer(&mut self) -> BytesMut {
        if let Some(mut oldest) = self.buffers.pop_front() {
            if oldest.try_reclaim(READ_BYTES) {
                return oldest;
            }
            self.buffers.push_front(oldest);
        }
        BytesMut::with_capacity(READ_BYTES)
    }

    fn keep(&mut self, buffer: BytesMut) {
        if self.buffers.len() < BUFFERS {
            self.buffers.push_back(buffer);
        }
    }
}
