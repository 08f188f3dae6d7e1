//! A large object on its way in: several ranges of it ahead, and again from where a connection broke.
//!
//! ```text
//! store ==> piece 4 (task) --queue--.
//! store ==> piece 3 (task) --queue--|
//! store ==> piece 2 (task) --queue--|
//! store ==> piece 1 (task) --queue--'--> chunk
//! ```
//!
//! Each piece is a range that one task asks for and puts into a queue which holds all of it, so no connection ever waits
//! for the reader. The reader takes from the first queue, as the bytes come; when that piece has ended the next one
//! behind the last is asked for.

mod cells;
mod piece;
mod source;
mod span;
mod start;

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinSet;

use super::bucket::{Bucket, unquoted};
use super::error::S3Error;
use super::memory::Memory;
use cells::{CELL, Cells};
use piece::Piece;
use source::{Body, Source};
pub use start::Start;

/// The cells of one piece: its bytes may begin with one that is not full, because the reader was waiting.
const CELLS: usize = Fetch::PIECE as usize / CELL + 1;

/// A large object's bytes in order, read ahead in several ranges.
///
/// All bytes come from one object: it is pinned to the tag that the store gave first, and [`S3Error::Replaced`] is told
/// as soon as the store has another object under the key. A connection that breaks or stands still under a piece is no
/// error: what is missing is asked for again from that byte, until [`Limits::part_attempts`](super::Limits) requests in
/// a row have brought next to nothing. Dropping it ends its requests.
///
/// A store that answers a range with the whole object, or that gives no strong tag, is read in one request; without a
/// tag it is not asked again.
#[derive(Debug)]
pub struct Fetch {
    source: Source,
    etag: Option<String>,
    /// The pieces asked for, in order.
    pieces: VecDeque<Ahead>,
    /// The most of them.
    ahead: usize,
    tasks: JoinSet<()>,
    cells: Cells,
    /// Up to where the object has been asked for.
    asked: u64,
    /// Up to where it has been handed out.
    given: u64,
}

/// A piece on its way.
#[derive(Debug)]
struct Ahead {
    end: u64,
    chunks: Receiver<Result<Bytes, S3Error>>,
}

impl Bucket {
    /// Opens a large object for reading several ranges ahead; for a small one [`Bucket::get`] does.
    ///
    /// The first request is the first range, because it is the one way to ask for size and tag that brings bytes, too,
    /// and whose refusal has a text (an answer to HEAD has none).
    pub async fn fetch(&self, key: &str) -> Result<Fetch, S3Error> {
        let (source, first) = Source::begin(self, key, Fetch::PIECE).await?;
        let ahead = Fetch::ahead(self.memory());
        let mut fetch = Fetch {
            etag: source.tag.as_deref().map(unquoted),
            source,
            pieces: VecDeque::new(),
            ahead,
            tasks: JoinSet::new(),
            cells: Cells::new(CELLS * ahead),
            asked: 0,
            given: 0,
        };
        fetch.ask_ahead(Some(first));
        Ok(fetch)
    }
}

impl Fetch {
    /// The bytes of one piece. The last may be smaller.
    pub const PIECE: u64 = 2 << 20;
    /// The fewest and the most pieces that are asked for at a time.
    const PIECES: (u64, u64) = (2, 32);

    /// How many pieces are asked for at a time within a budget, the one that is handed out included: 6 with the usual one.
    ///
    /// They are all the memory that it takes, and for each a chunk more: 13.5 MiB then, of which 12 MiB are bytes asked for
    /// and not handed out yet. A chunk that was handed out is the caller's and takes up to 256 KiB. What a connection reads
    /// into, at most 408 KiB each, is not counted.
    #[must_use]
    pub fn ahead(memory: Memory) -> usize {
        let (fewest, most) = Self::PIECES;
        let pieces = (memory.ahead() / Self::PIECE).clamp(fewest, most);
        usize::try_from(pieces).unwrap_or(usize::MAX)
    }

    /// The object's size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.source.size
    }

    /// The store's tag of the content, without quotes, if it gave a strong one.
    #[must_use]
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The next bytes, or nothing at the object's true end, which is after exactly [`Fetch::size`] bytes.
    ///
    /// After an error there is no more to be had. Cancel-safe: a wait given up loses no byte.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, S3Error> {
        while let Some(front) = self.pieces.front_mut() {
            match front.chunks.recv().await {
                Some(Ok(chunk)) => {
                    self.given += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
                Some(Err(error)) => {
                    self.give_up();
                    return Err(error);
                }
                None if self.given == front.end => {
                    self.pieces.pop_front();
                    self.ask_ahead(None);
                }
                // The task is gone without an error: it has panicked.
                None => self.give_up(),
            }
        }
        if self.given == self.source.size {
            return Ok(None);
        }
        Err(self.source.truncated(self.given))
    }

    fn give_up(&mut self) {
        self.tasks.abort_all();
        self.pieces.clear();
    }

    /// Asks for as many pieces as may be on their way. `first` is the body of the very first, which is there already.
    fn ask_ahead(&mut self, mut first: Option<Body>) {
        while self.tasks.try_join_next().is_some() {}
        let most = self.source.bucket.shared().download.connections(self.ahead);
        while self.pieces.len() < most && self.asked < self.source.size {
            let end = self.source.end_of_piece(self.asked, Self::PIECE);
            let (sender, chunks) = channel(CELLS);
            let piece = Piece::new(
                self.source.clone(),
                self.asked..end,
                self.cells.clone(),
                sender,
            );
            self.tasks.spawn(piece.read(first.take()));
            self.pieces.push_back(Ahead { end, chunks });
            self.asked = end;
        }
    }
}
