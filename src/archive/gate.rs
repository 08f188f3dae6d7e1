//! A reader that hands what it reads on to a sink, and can hold it back for a while.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use super::ArchiveError;

/// The two ends of a passing stream, and what is held back between them.
struct Passage<R, W> {
    source: R,
    sink: W,
    held: Vec<u8>,
    holding: bool,
    limit: usize,
    bytes: u64,
    ended: bool,
    sink_error: Option<io::Error>,
}

/// A passage that the tar reader and its caller share.
///
/// Everything read is written to the sink: at once, or, while the gate holds, when it is released. At most `limit`
/// bytes are held.
pub(super) struct Gate<R, W>(Rc<RefCell<Passage<R, W>>>);

/// The reading end of a [`Gate`].
pub(super) struct GateReader<R, W>(Rc<RefCell<Passage<R, W>>>);

impl<R: Read, W: Write> Gate<R, W> {
    pub(super) fn new(source: R, sink: W, limit: usize) -> Self {
        Self(Rc::new(RefCell::new(Passage {
            source,
            sink,
            held: Vec::new(),
            holding: false,
            limit,
            bytes: 0,
            ended: false,
            sink_error: None,
        })))
    }

    pub(super) fn reader(&self) -> GateReader<R, W> {
        GateReader(Rc::clone(&self.0))
    }

    /// From now on, what is read waits.
    pub(super) fn hold(&self) {
        self.0.borrow_mut().holding = true;
    }

    /// Lets go of what waits, and of all that comes.
    pub(super) fn release(&self) -> io::Result<()> {
        let passage = &mut *self.0.borrow_mut();
        passage.holding = false;
        passage.sink.write_all(&passage.held)?;
        passage.held.clear();
        Ok(())
    }

    /// How many bytes have been read.
    pub(super) fn bytes(&self) -> u64 {
        self.0.borrow().bytes
    }

    /// Whether the source has come to its end.
    pub(super) fn ended(&self) -> bool {
        self.0.borrow().ended
    }

    /// Tells whose fault a failed read was: the sink's, which only shows through the reader, or the source's.
    pub(super) fn blame(&self, error: io::Error) -> ArchiveError {
        match self.0.borrow_mut().sink_error.take() {
            Some(sink_error) => ArchiveError::Sink(sink_error),
            None if error.kind() == io::ErrorKind::UnexpectedEof => ArchiveError::Truncated {
                bytes: self.0.borrow().bytes,
            },
            None => ArchiveError::Read(error),
        }
    }
}

impl<R: Read, W: Write> Read for GateReader<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let passage = &mut *self.0.borrow_mut();
        let read = passage.source.read(buffer)?;
        passage.ended |= read == 0 && !buffer.is_empty();
        passage.bytes += read as u64;
        let fresh = &buffer[..read];
        if passage.holding {
            if passage.held.len() + read > passage.limit {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("a member's header is longer than {} bytes", passage.limit),
                ));
            }
            passage.held.extend_from_slice(fresh);
        } else if let Err(error) = passage.sink.write_all(fresh) {
            passage.sink_error = Some(error);
            return Err(io::Error::other("the sink failed"));
        }
        Ok(read)
    }
}
