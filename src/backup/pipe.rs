//! Stages of a stream, joined by bounded queues: the one bridge between blocking code and async code.
//!
//! Sealing, opening and reading tar are blocking `Read` and `Write` code on threads of their own; Pebble and S3 are
//! async. A pipe carries pieces of bytes between any two of them. A pipe ends well only when its writer said so:
//! a writer that is dropped, whatever the reason, ends it with an error, and so a stage that failed can never look like
//! the end of the stream to the next one.

use std::error::Error;
use std::io::{self, BufRead, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::archive::Sha256Hex;

/// Bytes of one piece.
pub(super) const PIECE: usize = 256 * 1024;
/// Pieces that may wait in a pipe: 1 MiB.
const WAITING: usize = 4;

/// Buffers that may wait to be filled again: those of the waiting pieces, and one at each end.
const SPARE: usize = WAITING + 2;

enum Piece {
    Data(Bytes),
    End,
}

/// The end of a pipe that is written to.
pub(super) struct PipeWriter {
    pieces: mpsc::Sender<Piece>,
    /// A buffer of the size of a piece, or none, and how far it is filled.
    filling: BytesMut,
    filled: usize,
    spares: Spares,
}

/// The end of a pipe that is read from.
pub(super) struct PipeReader {
    pieces: mpsc::Receiver<Piece>,
    /// The piece that is being read, and how far.
    current: Bytes,
    at: usize,
    ended: bool,
    spares: Spares,
}

/// Buffers on their way back from the reader to the writer.
///
/// A fresh buffer of this size is memory that the system has to map, clear and unmap again: an eighth of a backup's time.
#[derive(Clone, Default)]
struct Spares(Arc<Mutex<Vec<BytesMut>>>);

impl Spares {
    /// A buffer of the size of a piece.
    fn take(&self) -> BytesMut {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| BytesMut::zeroed(PIECE))
    }

    /// Keeps the buffer of a piece, when nobody else reads in it and it is one of ours.
    fn keep(&self, piece: Bytes) {
        let Ok(mut buffer) = piece.try_into_mut() else {
            return;
        };
        if buffer.capacity() != PIECE {
            return;
        }
        // All but the last piece of a stream are full.
        buffer.resize(PIECE, 0);
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() < SPARE {
            spares.push(buffer);
        }
    }
}

/// Makes a pipe that holds at most 1 MiB, and one more piece at each end.
pub(super) fn pipe() -> (PipeWriter, PipeReader) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let spares = Spares::default();
    let writer = PipeWriter {
        pieces: sender,
        filling: BytesMut::new(),
        filled: 0,
        spares: spares.clone(),
    };
    let reader = PipeReader {
        pieces: receiver,
        current: Bytes::new(),
        at: 0,
        ended: false,
        spares,
    };
    (writer, reader)
}

impl PipeWriter {
    /// Sends a piece from async code; false when nobody reads any more.
    pub(super) async fn send(&mut self, data: Bytes) -> bool {
        self.pieces.send(Piece::Data(data)).await.is_ok()
    }

    /// Ends the stream well, from async code.
    pub(super) async fn end(self) -> bool {
        self.pieces.send(Piece::End).await.is_ok()
    }

    /// Ends the stream well, from a blocking thread, after what was written.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.pieces.blocking_send(Piece::End).map_err(closed)
    }

    /// Has bytes read straight into the piece that is being filled, on a blocking thread; tells how many.
    pub(super) fn fill(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if self.filling.is_empty() {
            self.filling = self.spares.take();
        }
        let read = read(&mut self.filling[self.filled..])?;
        self.filled += read;
        if self.filled == PIECE {
            self.flush()?;
        }
        Ok(read)
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.fill(|free| {
            let taken = bytes.len().min(free.len());
            free[..taken].copy_from_slice(&bytes[..taken]);
            Ok(taken)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.filled == 0 {
            return Ok(());
        }
        let mut data = std::mem::take(&mut self.filling);
        data.truncate(std::mem::take(&mut self.filled));
        let data = Piece::Data(data.freeze());
        self.pieces.blocking_send(data).map_err(closed)
    }
}

impl PipeReader {
    /// Takes the next piece in async code: `None` at a good end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.ended {
            return Ok(None);
        }
        let piece = self.pieces.recv().await;
        self.take(piece)
    }

    /// Takes the next piece on a blocking thread, without copying: `None` at a good end.
    pub(super) fn blocking_next(&mut self) -> io::Result<Option<Bytes>> {
        if self.ended {
            return Ok(None);
        }
        let piece = self.pieces.blocking_recv();
        self.take(piece)
    }

    /// Gives a piece back that is done with, so that its memory is used again.
    pub(super) fn give_back(&self, piece: Bytes) {
        self.spares.keep(piece);
    }

    fn take(&mut self, piece: Option<Piece>) -> io::Result<Option<Bytes>> {
        match piece {
            Some(Piece::Data(data)) => Ok(Some(data)),
            Some(Piece::End) => {
                self.ended = true;
                Ok(None)
            }
            None => Err(broken()),
        }
    }
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let taken = buffer.len().min(piece.len());
        buffer[..taken].copy_from_slice(&piece[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

impl BufRead for PipeReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.current.len() {
            self.spares.keep(std::mem::take(&mut self.current));
            self.at = 0;
            match self.blocking_next()? {
                Some(data) => self.current = data,
                None => break,
            }
        }
        Ok(&self.current[self.at..])
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
        if self.at == self.current.len() {
            self.spares.keep(std::mem::take(&mut self.current));
            self.at = 0;
        }
    }
}

/// A neighbouring stage broke off. Its own error says why; this one only stops the stages beside it.
#[derive(Debug, thiserror::Error)]
#[error("the stage beside this one broke off")]
struct BrokenOff;

/// The error of a stage whose neighbour is gone.
pub(super) fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, BrokenOff)
}

fn closed<T>(_: T) -> io::Error {
    broken()
}

/// Whether an error, at the bottom, only says that a neighbouring stage broke off.
pub(super) fn is_echo(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let shared = error.downcast_ref::<Arc<io::Error>>().map(Arc::as_ref);
        let inner = error
            .downcast_ref::<io::Error>()
            .or(shared)
            .and_then(io::Error::get_ref);
        if error.is::<BrokenOff>() || inner.is_some_and(|inner| inner.is::<BrokenOff>()) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Counts bytes, and digests those behind the first ones.
#[derive(Default)]
pub(super) struct Counter {
    bytes: u64,
    /// How many at the beginning are not digested.
    skipped: u64,
    digest: Sha256,
}

impl Counter {
    /// A counter that leaves so many bytes at the beginning out of its digest.
    pub(super) fn behind(skipped: u64) -> Self {
        Self {
            skipped,
            ..Self::default()
        }
    }

    pub(super) fn count(&mut self, bytes: &[u8]) {
        let left = self.skipped.saturating_sub(self.bytes);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        self.bytes += bytes.len() as u64;
        self.digest.update(&bytes[left.min(bytes.len())..]);
    }

    /// The number of all bytes, and the digest.
    pub(super) fn finish(self) -> (u64, Sha256Hex) {
        (self.bytes, Sha256Hex::from_digest(&self.digest.finalize()))
    }
}

/// Counts what is written through it.
pub(super) struct Counted<W> {
    inner: W,
    counter: Counter,
}

impl<W> Counted<W> {
    pub(super) fn new(inner: W) -> Self {
        Self::behind(0, inner)
    }

    /// Leaves so many bytes at the beginning out of its digest.
    pub(super) fn behind(skipped: u64, inner: W) -> Self {
        let counter = Counter::behind(skipped);
        Self { inner, counter }
    }

    /// Gives back what is inside, the number of bytes, and their digest.
    pub(super) fn into_parts(self) -> (W, u64, Sha256Hex) {
        let (bytes, digest) = self.counter.finish();
        (self.inner, bytes, digest)
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.counter.count(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_end_is_told() {
        let (mut writer, mut reader) = pipe();
        let sent: Vec<u8> = (0..3 * PIECE + 17).map(|i| (i % 251) as u8).collect();
        let expected = sent.clone();
        let thread = std::thread::spawn(move || {
            writer.write_all(&sent).unwrap();
            writer.finish().unwrap();
        });
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        thread.join().unwrap();
        assert_eq!(read, expected);
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn a_buffer_that_was_read_is_filled_again() {
        let (mut writer, mut reader) = pipe();
        let mut seen = std::collections::BTreeSet::new();
        for round in 0..20_u8 {
            writer.write_all(&vec![round; PIECE]).unwrap();
            let mut first = [0];
            reader.read_exact(&mut first).unwrap();
            seen.insert(reader.current.as_ptr().addr() - 1);
            let mut rest = vec![0; PIECE - 1];
            reader.read_exact(&mut rest).unwrap();
            assert!(first == [round] && rest.iter().all(|byte| *byte == round));
        }
        assert_eq!(seen.len(), 1, "each round took other memory");
    }

    #[test]
    fn pieces_of_others_are_not_kept() {
        let (writer, reader) = pipe();
        reader.give_back(Bytes::from_static(&[7; PIECE]));
        reader.give_back(Bytes::from(vec![7; 17]));
        let shared = Bytes::from(vec![7; PIECE]);
        reader.give_back(shared.clone());
        assert!(writer.spares.0.lock().unwrap().is_empty());
        reader.give_back(shared);
        assert_eq!(writer.spares.take().capacity(), PIECE);
    }

    #[test]
    fn dropped_writer_is_an_error_and_never_an_end() {
        let (mut writer, mut reader) = pipe();
        writer.write_all(b"half").unwrap();
        writer.flush().unwrap();
        drop(writer);
        let mut read = Vec::new();
        assert_eq!(
            reader.read_to_end(&mut read).unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
        assert_eq!(read, b"half");
    }

    #[test]
    fn digest_begins_behind_what_is_skipped_however_the_bytes_come() {
        let bytes: Vec<u8> = (0..100).collect();
        for size in [1, 7, 48, 49, 100] {
            let mut counter = Counter::behind(48);
            bytes.chunks(size).for_each(|piece| counter.count(piece));
            assert_eq!(counter.finish(), (100, Sha256Hex::of(&bytes[48..])));
        }
    }

    #[test]
    fn dropped_reader_stops_the_writer() {
        let (mut writer, reader) = pipe();
        drop(reader);
        assert!(writer.write_all(&vec![0; 2 * PIECE]).is_err());
    }
}
