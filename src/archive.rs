//! Reads a tar stream as it passes: names every member, digests it, and refuses what must not be unpacked.
//!
//! `create-backup` lets the stream of `tar -c` pass on its way to the sealer; `restore-backup` lets the opened stream
//! pass on its way to `tar -x`. Both use the same rules, so nothing is saved that would be refused on the way back:
//! names are relative and do not climb, members are plain files and directories without set-user-id bits, and every
//! header is one that GNU tar writes in its own format and that all programs read alike. A caller may add a rule of its
//! own. A member's headers are held back until it has been judged; nothing of a refused member reaches the sink.
//!
//! Archives that the Python charm left in the bucket are read in a [`Dialect`] of their own: the same rules, but a name may
//! begin with the slash that `tar --absolute-names` leaves there.
//!
//! The bytes go through unchanged; [`cut()`] only ends one archive and begins the next between two members. The room never
//! touches a file system.

mod cut;
mod dialect;
mod header;
mod member;
mod stream;

use std::io::{self, BufRead, Write};

use sha2::{Digest, Sha256};

pub use cut::{Archives, cut};
pub use dialect::Dialect;
pub use member::{Kind, Member, Refusal, Sha256Hex};

use stream::{Stream, refused};

/// Why a tar stream did not pass.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The source failed.
    #[error("failed to read the archive")]
    Read(#[source] io::Error),
    /// The place where the stream goes did not take it.
    #[error("failed to pass the archive on")]
    Sink(#[source] io::Error),
    /// The stream stopped without tar's end mark: `tar` itself takes this for a whole archive.
    #[error("archive broke off after {bytes} bytes, without its end mark")]
    Truncated {
        /// How many bytes had come.
        bytes: u64,
    },
    /// Something other than padding follows the end mark.
    #[error("archive goes on after its end mark")]
    Trailing,
    /// A member breaks the rules of what is saved and unpacked.
    #[error("member {name:?} is refused")]
    Refused {
        /// The member's name as it stands in the archive, made printable.
        name: String,
        /// The rule it breaks.
        #[source]
        refusal: Refusal,
    },
    /// The observer of the members failed.
    #[error("failed to note a member")]
    Observer(#[source] io::Error),
}

/// What went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Members of every kind.
    pub members: u64,
    /// Bytes of file contents.
    pub content: u64,
    /// Bytes of the tar stream, headers and padding included.
    pub stream: u64,
}

/// Lets a tar stream pass from `source` to `sink` and tells `observer` of each whole member, in order.
///
/// `admit` is asked about each member before anything of it is passed on, and whether it is to be passed on at all.
/// Returns only when the stream ended as tar ends it. On an error the sink holds a useless beginning, and nothing of a member that was refused.
pub fn pass<R: BufRead, W: Write>(
    source: R,
    sink: W,
    admit: impl FnMut(&Member) -> Result<bool, Refusal>,
    observer: impl FnMut(Member) -> io::Result<()>,
) -> Result<Passed, ArchiveError> {
    pass_in(Dialect::Own, source, sink, admit, observer)
}

/// The same as [`pass`], for an archive in a dialect that need not be our own.
pub fn pass_in<R: BufRead, W: Write>(
    dialect: Dialect,
    source: R,
    sink: W,
    mut admit: impl FnMut(&Member) -> Result<bool, Refusal>,
    mut observer: impl FnMut(Member) -> io::Result<()>,
) -> Result<Passed, ArchiveError> {
    let mut stream = Stream::new(dialect, source, Gate { sink, open: true });
    let mut passed = Passed::default();
    while let Some(mut member) = stream.next()? {
        let wanted = admit(&member);
        stream.sink().open = wanted.map_err(|refusal| refused(member.path.as_bytes(), refusal))?;
        content(&mut stream, &mut member)?;
        passed.members += 1;
        passed.content += member.size;
        observer(member).map_err(ArchiveError::Observer)?;
    }
    stream.sink().open = true;
    stream.release()?;
    stream.end()?;
    passed.stream = stream.bytes();
    Ok(passed)
}

/// A sink that can be shut for a while: what comes then is gone.
struct Gate<W> {
    sink: W,
    open: bool,
}

impl<W: Write> Write for Gate<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.open {
            true => self.sink.write(bytes),
            false => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Passes on a member that was admitted, and digests it.
fn content<R: BufRead, W: Write>(
    stream: &mut Stream<R, W>,
    member: &mut Member,
) -> Result<(), ArchiveError> {
    stream.release()?;
    let mut digest = Sha256::new();
    stream.content(member.size, |piece| digest.update(piece))?;
    if member.kind == Kind::File {
        member.sha256 = Some(Sha256Hex::from_digest(&digest.finalize()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
