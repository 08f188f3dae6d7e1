//! Reads a tar stream as it passes: names every member, digests it, and refuses what must not be unpacked.
//!
//! `create-backup` lets the stream of `tar -c` pass on its way to the sealer; `restore-backup` lets the opened stream
//! pass on its way to `tar -x`. Both use the same rules, so nothing is saved that would be refused on the way back:
//! names are relative and do not climb, members are plain files and directories without set-user-id bits. A member's
//! header is held back until it has been judged; nothing of a refused member reaches the sink.
//!
//! The bytes go through unchanged. The room never writes a tar stream of its own and never touches a file system.

mod gate;
mod member;

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

pub use member::{Kind, Member, Refusal, Sha256Hex};

use gate::Gate;

/// How many bytes of one member's headers (long names, pax records) may be held back before they are judged.
const HEADER_LIMIT: usize = 1024 * 1024;
/// The unit in which member contents are read.
const CHUNK: usize = 128 * 1024;

/// Why a tar stream did not pass.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The source failed, or what it gave is no tar stream.
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
/// Returns only when the stream ended as tar ends it. On an error the sink holds a useless beginning.
pub fn pass<R: Read, W: Write>(
    source: R,
    sink: W,
    mut observer: impl FnMut(Member) -> io::Result<()>,
) -> Result<Passed, ArchiveError> {
    let gate = Gate::new(source, sink, HEADER_LIMIT);
    let mut archive = tar::Archive::new(gate.reader());
    let mut passed = Passed::default();
    let mut buffer = vec![0; CHUNK];

    gate.hold();
    for entry in archive.entries().map_err(|error| gate.blame(error))? {
        let mut entry = entry.map_err(|error| gate.blame(error))?;
        let mut member = Member::judge(&entry)?;
        gate.release().map_err(ArchiveError::Sink)?;
        let mut digest = Sha256::new();
        loop {
            let read = entry.read(&mut buffer).map_err(|error| gate.blame(error))?;
            if read == 0 {
                break;
            }
            digest.update(&buffer[..read]);
            passed.content += read as u64;
        }
        drop(entry);
        if member.kind == Kind::File {
            member.sha256 = Some(Sha256Hex::from_digest(&digest.finalize()));
        }
        passed.members += 1;
        observer(member).map_err(ArchiveError::Observer)?;
        gate.hold();
    }
    drop(archive);

    if gate.ended() {
        return Err(ArchiveError::Truncated {
            bytes: gate.bytes(),
        });
    }
    gate.release().map_err(ArchiveError::Sink)?;
    drain(&gate, &mut buffer)?;
    passed.stream = gate.bytes();
    Ok(passed)
}

/// Passes on what follows the first zero block: a second one, and padding to the record.
fn drain<R: Read, W: Write>(gate: &Gate<R, W>, buffer: &mut [u8]) -> Result<(), ArchiveError> {
    let mut reader = gate.reader();
    let mut zeros = 0;
    loop {
        let read = reader.read(buffer).map_err(|error| gate.blame(error))?;
        if read == 0 {
            break;
        }
        if buffer[..read].iter().any(|byte| *byte != 0) {
            return Err(ArchiveError::Trailing);
        }
        zeros += read;
    }
    if zeros < 512 {
        return Err(ArchiveError::Truncated {
            bytes: gate.bytes(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
