//! The blocks of a tar stream on their way from a source to a sink.

use std::io::{self, BufRead, Write};

use super::header::{self, Announced, BLOCK, Header};
use super::member::{Member, Refusal};
use super::{ArchiveError, Dialect};

/// The longest name of a member, its NUL included: more than this no system call takes.
const NAME_LIMIT: u64 = 4096;

/// The two ends of a passing stream, and the headers that wait between them.
///
/// At most a header, a long name and a second header are held: 5 KiB and a half.
pub(super) struct Stream<R, W> {
    dialect: Dialect,
    source: R,
    sink: W,
    bytes: u64,
    held: Vec<u8>,
}

impl<R: BufRead, W: Write> Stream<R, W> {
    pub(super) fn new(dialect: Dialect, source: R, sink: W) -> Self {
        Self {
            dialect,
            source,
            sink,
            bytes: 0,
            held: Vec::new(),
        }
    }

    /// How many bytes have been read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads the headers of the next member, holds them back and judges them; `None` at the first block of the end mark.
    pub(super) fn next(&mut self) -> Result<Option<Member>, ArchiveError> {
        let mut long_name: Option<Vec<u8>> = None;
        loop {
            let mut block = [0; BLOCK];
            self.fill(&mut block)?;
            self.held.extend_from_slice(&block);
            let name = || long_name.as_deref().unwrap_or(header::name(&block));
            if block.iter().all(|byte| *byte == 0) {
                return match &long_name {
                    None => Ok(None),
                    Some(name) => Err(refused(name, Refusal::Headless)),
                };
            }
            let header = Header::read(&block).map_err(|refusal| refused(name(), refusal))?;
            match header.announced {
                Announced::Member(kind) => {
                    let member = Member::judge(self.dialect, kind, name(), &header);
                    return member.map(Some).map_err(|refusal| refused(name(), refusal));
                }
                Announced::LongName if long_name.is_some() => {
                    return Err(refused(name(), Refusal::TwoNames));
                }
                Announced::LongName if header.size > NAME_LIMIT => {
                    return Err(refused(name(), Refusal::LongName));
                }
                Announced::LongName => long_name = Some(self.long_name(header.size as usize)?),
            }
        }
    }

    /// Reads a long name, which stands in blocks of its own.
    ///
    /// It has to end in a NUL: `tar` does not look at its size, but reads on to the first one.
    fn long_name(&mut self, size: usize) -> Result<Vec<u8>, ArchiveError> {
        let mut name = vec![0; size.next_multiple_of(BLOCK)];
        self.fill(&mut name)?;
        self.held.extend_from_slice(&name);
        name.truncate(size);
        match name.pop() {
            Some(0) => Ok(name),
            Some(_) | None => Err(refused(&name, Refusal::Unreadable)),
        }
    }

    /// Bytes of the headers that wait.
    pub(super) fn held(&self) -> u64 {
        self.held.len() as u64
    }

    /// Where the stream goes.
    pub(super) fn sink(&mut self) -> &mut W {
        &mut self.sink
    }

    /// Throws the headers away that wait.
    pub(super) fn forget(&mut self) {
        self.held.clear();
    }

    /// Lets go of the headers that wait.
    pub(super) fn release(&mut self) -> Result<(), ArchiveError> {
        self.sink
            .write_all(&self.held)
            .map_err(ArchiveError::Sink)?;
        self.held.clear();
        Ok(())
    }

    /// Passes on a member's content and the padding behind it, from the source's own buffer; `each` is shown the content.
    pub(super) fn content(
        &mut self,
        size: u64,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), ArchiveError> {
        // A size fits into 63 bits, so this does not overflow.
        let mut left = size.next_multiple_of(BLOCK as u64);
        let mut content = size;
        while left > 0 {
            let piece = filled(&mut self.source)?;
            if piece.is_empty() {
                return Err(self.truncated());
            }
            let read = at_most(piece.len(), left);
            let shown = at_most(read, content);
            each(&piece[..shown]);
            let written = self.sink.write_all(&piece[..read]);
            written.map_err(ArchiveError::Sink)?;
            self.consume(read);
            content -= shown as u64;
            left -= read as u64;
        }
        Ok(())
    }

    /// Passes on what follows the first block of the end mark: a second one, and padding to the record.
    pub(super) fn end(&mut self) -> Result<(), ArchiveError> {
        let mut zeros = 0;
        loop {
            let padding = filled(&mut self.source)?;
            if padding.is_empty() {
                break;
            }
            if padding.iter().any(|byte| *byte != 0) {
                return Err(ArchiveError::Trailing);
            }
            self.sink.write_all(padding).map_err(ArchiveError::Sink)?;
            let read = padding.len();
            self.consume(read);
            zeros += read;
        }
        if zeros < BLOCK {
            return Err(self.truncated());
        }
        Ok(())
    }

    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), ArchiveError> {
        while !buffer.is_empty() {
            let piece = filled(&mut self.source)?;
            if piece.is_empty() {
                return Err(self.truncated());
            }
            let read = buffer.len().min(piece.len());
            let (now, later) = buffer.split_at_mut(read);
            now.copy_from_slice(&piece[..read]);
            self.consume(read);
            buffer = later;
        }
        Ok(())
    }

    fn consume(&mut self, bytes: usize) {
        self.source.consume(bytes);
        self.bytes += bytes as u64;
    }

    fn truncated(&self) -> ArchiveError {
        ArchiveError::Truncated { bytes: self.bytes }
    }
}

/// What a source has at hand, and more when that is nothing; empty at its end.
fn filled(source: &mut impl BufRead) -> Result<&[u8], ArchiveError> {
    while let Err(error) = source.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(ArchiveError::Read(error));
        }
    }
    source.fill_buf().map_err(ArchiveError::Read)
}

fn at_most(bytes: usize, limit: u64) -> usize {
    bytes.min(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// The error for a member of this name.
pub(super) fn refused(name: &[u8], refusal: Refusal) -> ArchiveError {
    ArchiveError::Refused {
        name: String::from_utf8_lossy(name).into_owned(),
        refusal,
    }
}
