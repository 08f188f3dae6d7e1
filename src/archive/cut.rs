//! Cuts one tar stream into several archives, between members.

use std::io::{self, BufRead, Write};

use super::header::BLOCK;
use super::stream::{Stream, refused};
use super::{ArchiveError, Dialect, Member, Passed, Refusal, content};

/// Bytes of a record, which an archive's length is a multiple of.
const RECORD: u64 = 20 * BLOCK as u64;
/// The most that the end of an archive takes: its end mark, and padding to the record.
const END: u64 = RECORD + 2 * BLOCK as u64;

/// Where the archives go that a stream is cut into.
pub trait Archives {
    /// One archive while it is written.
    type Archive: Write;

    /// Begins the next archive, which will have at most so many bytes.
    fn open(&mut self, most: u64) -> io::Result<Self::Archive>;

    /// Takes an archive that is whole.
    fn close(&mut self, archive: Self::Archive, passed: Passed) -> io::Result<()>;
}

/// Lets a tar stream pass into archives of at most `most` bytes, each a whole one of its own.
///
/// A member is never cut: one that is larger than `most` gets an archive for itself, as large as it takes. `admit` and
/// `observer` are asked as by [`super::pass`]. Of a stream that does not end well, the last archive is not closed.
pub fn cut<R: BufRead, A: Archives>(
    source: R,
    most: u64,
    archives: &mut A,
    mut admit: impl FnMut(&Member) -> Result<(), Refusal>,
    mut observer: impl FnMut(Member) -> io::Result<()>,
) -> Result<(), ArchiveError> {
    let mut stream = Stream::new(Dialect::Own, source, Current::None);
    while let Some(mut member) = stream.next()? {
        admit(&member).map_err(|refusal| refused(member.path.as_bytes(), refusal))?;
        let takes = stream.held() + member.size.next_multiple_of(BLOCK as u64);
        let full = matches!(stream.sink(), Current::Open { passed, .. } if passed.stream + takes + END > most);
        if full {
            stream.sink().close(archives)?;
        }
        if matches!(stream.sink(), Current::None) {
            stream.sink().open(archives, most.max(takes + END))?;
        }
        content(&mut stream, &mut member)?;
        stream.sink().count(&member);
        observer(member).map_err(ArchiveError::Observer)?;
    }
    // The end of the stream itself goes nowhere; that it is a good one is what the last archive waits for.
    let mut last = std::mem::replace(stream.sink(), Current::None);
    stream.forget();
    stream.end()?;
    last.close(archives)
}

/// The archive that is being written.
enum Current<W> {
    None,
    Open { archive: W, passed: Passed },
}

impl<W: Write> Current<W> {
    fn open(
        &mut self,
        archives: &mut impl Archives<Archive = W>,
        most: u64,
    ) -> Result<(), ArchiveError> {
        let archive = archives.open(most).map_err(ArchiveError::Sink)?;
        let passed = Passed::default();
        *self = Self::Open { archive, passed };
        Ok(())
    }

    fn count(&mut self, member: &Member) {
        if let Self::Open { passed, .. } = self {
            passed.members += 1;
            passed.content += member.size;
        }
    }

    /// Ends the archive as `tar` does: with two empty blocks, and empty ones to the end of the record.
    fn close(&mut self, archives: &mut impl Archives<Archive = W>) -> Result<(), ArchiveError> {
        let Self::Open {
            mut archive,
            mut passed,
        } = std::mem::replace(self, Self::None)
        else {
            return Ok(());
        };
        let end = (passed.stream + 2 * BLOCK as u64).next_multiple_of(RECORD) - passed.stream;
        let written = archive.write_all(&[0; END as usize][..end as usize]);
        written.map_err(ArchiveError::Sink)?;
        passed.stream += end;
        archives.close(archive, passed).map_err(ArchiveError::Sink)
    }
}

impl<W: Write> Write for Current<W> {
    /// What comes when no archive is open is the end of the stream.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None => Ok(bytes.len()),
            Self::Open { archive, passed } => {
                let written = archive.write(bytes)?;
                passed.stream += written as u64;
                Ok(written)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Open { archive, .. } => archive.flush(),
        }
    }
}
