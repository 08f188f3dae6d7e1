//! A command's standard error: read by a task to its end, its last part kept.

use tokio::sync::watch;

use super::stdout::StreamEnd;
use super::websocket::{self, Piece, Socket};

/// What is kept for messages.
const TAIL_BYTES: usize = 8 * 1024;

/// The last part of standard error, and whether that is all.
#[derive(Debug)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    pub(super) end: StreamEnd,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
        let excess = (self.bytes.len() + bytes.len()).saturating_sub(TAIL_BYTES);
        self.bytes.drain(..excess);
        self.bytes.extend_from_slice(bytes);
    }

    /// The text; what is no UTF-8, as at a cut, is replaced.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Starts reading. The task ends with the stream, or with the last watcher.
pub(super) fn read(socket: Socket) -> watch::Receiver<Tail> {
    let (tail, watcher) = watch::channel(Tail {
        bytes: Vec::new(),
        end: StreamEnd::Open,
    });
    tokio::spawn(async move {
        // Losing the read is what is meant when nobody watches any more.
        tokio::select! {
            () = drain(socket, &tail) => {}
            () = tail.closed() => {}
        }
    });
    watcher
}

async fn drain(mut socket: Socket, tail: &watch::Sender<Tail>) {
    let end = loop {
        match websocket::next(&mut socket).await {
            Some(Ok(Piece::Data(bytes))) => tail.send_modify(|tail| tail.push(&bytes)),
            Some(Ok(Piece::Nothing)) => {}
            Some(Ok(Piece::End)) => break StreamEnd::Marked,
            Some(Err(_)) | None => break StreamEnd::Broken,
        }
    };
    tail.send_modify(|tail| tail.end = end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_part_is_kept() {
        let mut tail = Tail {
            bytes: Vec::new(),
            end: StreamEnd::Open,
        };
        tail.push(b"begin");
        tail.push(&vec![b'x'; TAIL_BYTES - 3]);
        assert_eq!(&tail.bytes[..3], b"gin");
        tail.push(&vec![b'y'; 3 * TAIL_BYTES]);
        tail.push(b"end");
        assert_eq!(tail.bytes.len(), TAIL_BYTES);
        assert!(tail.text().ends_with("yend"));
    }
}
