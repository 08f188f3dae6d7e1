//! Writing: a stream that encrypts what passes.

use std::io::{self, Write};

use sequoia_openpgp::crypto::{SessionKey, random};
use sequoia_openpgp::packet::Tag;
use sha1::{Digest, Sha1};
use thiserror::Error;

use super::Passphrase;
use super::cfb::{Cipher, Encryptor, MDC, MDC_HEADER, PREFIX, STEP};
use super::chunks::Chunks;
use super::head::key_packet;

/// How many bytes are hashed to make a key of a passphrase: the most that OpenPGP can say (count byte 255).
pub(super) const STRETCH: u32 = 65_011_712;

/// The version byte of an integrity-protected packet whose integrity is an MDC.
const SEIPD_V1: [u8; 1] = [1];

/// What stands in front of a literal packet's content: binary, no file name, no date.
const LITERAL_HEADER: [u8; 6] = [b'b', 0, 0, 0, 0, 0];

/// The key of a message to be, and the packet in which the passphrase keeps it.
pub struct MessageKey {
    key: SessionKey,
    packet: Vec<u8>,
}

impl MessageKey {
    /// Makes a key that nobody has used. Takes some tenths of a second, so it may be worth being early.
    pub fn new(passphrase: &Passphrase) -> Result<Self, SealError> {
        Self::stretched(passphrase, STRETCH)
    }

    fn stretched(passphrase: &Passphrase, stretch: u32) -> Result<Self, SealError> {
        let key = SessionKey::new(32).map_err(SealError::crypto)?;
        let packet = key_packet(Cipher::Aes256, &key, passphrase, stretch)?;
        Ok(Self { key, packet })
    }
}

/// Makes a key and starts a sealed message with it, as [`seal_with`] does.
pub fn seal<W: Write>(out: W, passphrase: &Passphrase) -> Result<Sealer<W>, SealError> {
    seal_with(out, MessageKey::new(passphrase)?)
}

/// Starts a sealed message on `out` and writes its head.
///
/// The message is an SKESK packet of version 4 (AES-256, iterated and salted SHA-512 at the highest count, an encrypted
/// session key) and an SEIPD packet of version 1 around an uncompressed literal packet: what `gpg` 2.2 and later read.
pub fn seal_with<W: Write>(out: W, key: MessageKey) -> Result<Sealer<W>, SealError> {
    let mut literal = Chunks::begin(encrypt(out, key)?, Tag::Literal)?;
    literal.write_all(&LITERAL_HEADER)?;
    Ok(Sealer {
        literal,
        broken: false,
    })
}

/// Seals with a key derivation of so many bytes.
#[cfg(test)]
pub(super) fn seal_stretched<W: Write>(
    out: W,
    passphrase: &Passphrase,
    stretch: u32,
) -> Result<Sealer<W>, SealError> {
    seal_with(out, MessageKey::stretched(passphrase, stretch)?)
}

/// Writes the key packet and starts the encrypted one, into which any packets may go.
fn encrypt<W: Write>(mut out: W, key: MessageKey) -> Result<Encrypting<Chunks<W>>, SealError> {
    out.write_all(&key.packet)?;

    let mut outer = Chunks::begin(out, Tag::SEIP)?;
    outer.write_all(&SEIPD_V1)?;
    let mut body = Encrypting {
        out: outer,
        encryptor: Encryptor::new(&key.key).map_err(SealError::crypto)?,
        mdc: Sha1::new(),
        step: Vec::with_capacity(STEP + MDC),
    };
    body.write_all(&prefix()?)?;
    Ok(body)
}

/// Encrypts with a key derivation of so many bytes.
#[cfg(test)]
pub(super) fn encrypt_stretched<W: Write>(
    out: W,
    passphrase: &Passphrase,
    stretch: u32,
) -> Result<Encrypting<Chunks<W>>, SealError> {
    encrypt(out, MessageKey::stretched(passphrase, stretch)?)
}

/// A message being written; what is written to it comes out encrypted below.
///
/// Only [`Sealer::finish`] ends the message. Dropped without it, what was written is a truncated message, which nobody
/// opens. It holds about 540 KiB, whatever passes.
#[must_use = "a message that is not finished cannot be opened"]
pub struct Sealer<W: Write> {
    literal: Chunks<Encrypting<Chunks<W>>>,
    broken: bool,
}

impl<W: Write> Sealer<W> {
    /// Writes the rest and the modification detection code, and gives the stream back, flushed.
    pub fn finish(self) -> Result<W, SealError> {
        if self.broken {
            return Err(SealError::Broken);
        }
        let mut out = self.literal.finish()?.finish()?.finish()?;
        out.flush()?;
        Ok(out)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.broken {
            return Err(io::Error::other(SealError::Broken));
        }
        self.literal.write(data).inspect_err(|_| self.broken = true)
    }

    /// Flushes the stream below. What is not a full chunk yet stays here until [`Sealer::finish`].
    fn flush(&mut self) -> io::Result<()> {
        self.literal.flush()
    }
}

/// Why a message could not be sealed.
#[derive(Debug, Error)]
pub enum SealError {
    /// The machine gave no randomness, or Sequoia refused its parameters.
    #[error("failed to make the message's key")]
    Crypto(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The stream below did not take the ciphertext.
    #[error("failed to write the sealed message")]
    Write(#[from] io::Error),
    /// An earlier write failed, so the message has a hole and can never be finished.
    #[error("an earlier write of the sealed message failed")]
    Broken,
}

impl SealError {
    pub(super) fn crypto(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Crypto(source.into())
    }
}

/// Hashes and encrypts what passes, a step at a time.
pub(super) struct Encrypting<W> {
    out: W,
    encryptor: Encryptor,
    mdc: Sha1,
    /// Plaintext that does not fill a step yet.
    step: Vec<u8>,
}

impl<W: Write> Encrypting<W> {
    /// Appends the MDC and encrypts the rest.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.step.extend_from_slice(&MDC_HEADER);
        self.mdc.update(&self.step);
        self.step.extend_from_slice(&self.mdc.finalize());
        self.encryptor.apply(&mut self.step);
        self.out.write_all(&self.step)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Encrypting<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let taken = data.len().min(STEP - self.step.len());
        self.step.extend_from_slice(&data[..taken]);
        if self.step.len() == STEP {
            self.mdc.update(&self.step);
            self.encryptor.apply(&mut self.step);
            self.out.write_all(&self.step)?;
            self.step.clear();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A block of noise and its last two bytes again, by which a reader knows a wrong key at once.
fn prefix() -> Result<[u8; PREFIX], SealError> {
    let mut prefix = [0; PREFIX];
    random(&mut prefix[..PREFIX - 2]).map_err(SealError::crypto)?;
    prefix.copy_within(PREFIX - 4..PREFIX - 2, PREFIX - 2);
    Ok(prefix)
}
