//! A packet of unknown length, written as chunks.

use std::io::{self, Write};

use sequoia_openpgp::packet::Tag;
use sequoia_openpgp::packet::header::{BodyLength, CTB};
use sequoia_openpgp::serialize::Marshal;

/// How many bytes a chunk holds; OpenPGP wants a power of two.
pub(super) const CHUNK: usize = 256 * 1024;

/// A packet whose length is told piece by piece, because nobody knows it before the end.
///
/// A body that fits one chunk gets a plain length. Without [`Chunks::finish`] the last length is missing, so a dropped
/// packet is a truncated one. After a failed write the packet cannot be continued.
pub(super) struct Chunks<W> {
    out: W,
    chunk: Vec<u8>,
}

impl<W: Write> Chunks<W> {
    /// Starts a packet of that kind.
    pub(super) fn begin(mut out: W, tag: Tag) -> io::Result<Self> {
        CTB::new(tag).serialize(&mut out).map_err(plain)?;
        Ok(Self {
            out,
            chunk: Vec::with_capacity(CHUNK),
        })
    }

    /// Writes the last chunk and gives the stream back.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.cut(BodyLength::Full)?;
        Ok(self.out)
    }

    fn cut(&mut self, length: fn(u32) -> BodyLength) -> io::Result<()> {
        let bytes = u32::try_from(self.chunk.len()).map_err(io::Error::other)?;
        length(bytes).serialize(&mut self.out).map_err(plain)?;
        self.out.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }
}

impl<W: Write> Write for Chunks<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK && !data.is_empty() {
            self.cut(BodyLength::Partial)?;
        }
        let taken = data.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&data[..taken]);
        Ok(taken)
    }

    /// Flushes what lies below; a chunk that is not full cannot be cut.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Takes the I/O error out of Sequoia's error, so that its kind stays visible.
fn plain(error: sequoia_openpgp::anyhow::Error) -> io::Error {
    error.downcast().unwrap_or_else(io::Error::other)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use super::*;

    fn packet(bytes: usize, piece: usize) -> Vec<u8> {
        let mut packet = Chunks::begin(Vec::new(), Tag::Literal).unwrap();
        for piece in vec![b'x'; bytes].chunks(piece) {
            packet.write_all(piece).unwrap();
        }
        packet.finish().unwrap()
    }

    #[test]
    fn small_bodies_have_a_plain_length() {
        assert_eq!(packet(0, 1), [0xcb, 0]);
        assert_eq!(packet(3, 1), b"\xcb\x03xxx");
        assert_eq!(packet(CHUNK, 1000)[..6], [0xcb, 0xff, 0, 4, 0, 0]);
    }

    #[test]
    fn long_bodies_are_cut_at_256_kib_however_they_come() {
        for piece in [4096, 100_000, 3 * CHUNK] {
            let packet = packet(2 * CHUNK + 7, piece);
            assert_eq!(packet.len(), 1 + 1 + CHUNK + 1 + CHUNK + 1 + 7);
            assert_eq!(packet[1], 0xe0 + 18);
            assert_eq!(packet[2 + CHUNK], 0xe0 + 18);
            assert_eq!(packet[3 + 2 * CHUNK], 7);
        }
    }
}
