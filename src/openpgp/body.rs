//! The encrypted body of a message: decrypted and hashed as it passes, judged at its end.

use std::io::{self, Read};
use std::sync::Arc;

use sequoia_openpgp::parse::{PacketParser, PacketParserResult};
use sha1::{Digest, Sha1};

use super::OpenError;
use super::cfb::{Decryptor, MDC, MDC_HEADER, PREFIX, STEP};
use super::envelope::Envelope;
use super::watch::Watch;

/// The plaintext packets inside an integrity-protected packet.
///
/// Its end of file comes after the MDC was found good and nothing follows in the outer message. What it hands out before
/// is decrypted but not yet trustworthy; only the bytes that may be the MDC are held back.
pub(super) struct Body {
    /// The outer message; taken when it has been read to its end.
    outer: Option<PacketParser<'static>>,
    decryptor: Decryptor,
    mdc: Sha1,
    /// Decrypted bytes: handed out up to `next`, hashed up to `safe`, and behind it up to an MDC's length held back.
    plain: Vec<u8>,
    next: usize,
    safe: usize,
    watch: Arc<Watch>,
}

impl Body {
    /// Starts decrypting and looks whether the key can be right.
    pub(super) fn open(envelope: Envelope, watch: Arc<Watch>) -> Result<Self, OpenError> {
        let mut body = Self {
            decryptor: Decryptor::new(envelope.cipher, &envelope.key)
                .map_err(OpenError::malformed)?,
            outer: Some(envelope.body),
            mdc: Sha1::new(),
            plain: Vec::with_capacity(STEP + MDC),
            next: 0,
            safe: 0,
            watch,
        };
        let ended = body.fill()?;
        if body.plain.len() < PREFIX + MDC {
            return Err(OpenError::Truncated);
        }
        if body.plain[PREFIX - 4..PREFIX - 2] != body.plain[PREFIX - 2..PREFIX] {
            return Err(OpenError::WrongPassphrase);
        }
        body.judge(ended)?;
        body.next = PREFIX;
        Ok(body)
    }

    /// Moves what was held back to the front and decrypts the next step behind it; tells whether it was the last.
    fn fill(&mut self) -> Result<bool, OpenError> {
        self.plain.drain(..self.safe);
        self.next = 0;
        self.safe = 0;
        let held = self.plain.len();
        let Some(outer) = &mut self.outer else {
            return Ok(true);
        };
        outer
            .take(STEP as u64)
            .read_to_end(&mut self.plain)
            .map_err(|error| self.watch.explain_io(error))?;
        // The key stream goes on in whole blocks, and a step is a number of those.
        self.decryptor.apply(&mut self.plain[held..]);
        Ok(self.plain.len() < held + STEP)
    }

    /// Hashes what can be handed out now; at the end, checks the MDC and that the outer message ends, too.
    fn judge(&mut self, ended: bool) -> Result<(), OpenError> {
        self.safe = self.plain.len().saturating_sub(MDC);
        self.mdc.update(&self.plain[..self.safe]);
        if !ended {
            return Ok(());
        }
        let Some(outer) = self.outer.take() else {
            return Ok(());
        };
        // A length that promises more than there is shows here, and only so.
        let (_, rest) = outer.next().map_err(|error| match error.downcast() {
            Ok(error) => self.watch.explain_io(error),
            Err(_) => OpenError::Truncated,
        })?;
        let (header, digest) = self.plain[self.safe..].split_at(MDC_HEADER.len());
        self.mdc.update(header);
        if header != MDC_HEADER || digest != self.mdc.finalize_reset().as_slice() {
            return Err(OpenError::Altered);
        }
        match rest {
            PacketParserResult::EOF(_) => {}
            PacketParserResult::Some(_) => return Err(OpenError::TrailingData),
        }
        self.watch.good();
        Ok(())
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.next == self.safe {
            if self.outer.is_none() {
                return match self.watch.verdict() {
                    Some(Ok(())) => Ok(0),
                    Some(Err(error)) => Err(error.into()),
                    None => Err(OpenError::Truncated.into()),
                };
            }
            self.fill()
                .and_then(|ended| self.judge(ended))
                .map_err(|error| self.watch.bad(error))?;
        }
        let bytes = buffer.len().min(self.safe - self.next);
        buffer[..bytes].copy_from_slice(&self.plain[self.next..self.next + bytes]);
        self.next += bytes;
        Ok(bytes)
    }
}
