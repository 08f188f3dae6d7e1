//! The encrypted body of a message: decrypted and hashed as it passes, judged at its end.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use sequoia_openpgp::parse::buffered_reader::BufferedReader;
use sequoia_openpgp::parse::{Cookie, PacketParser, PacketParserResult};
use sha1::{Digest, Sha1};

use super::OpenError;
use super::cfb::{Decryptor, MDC, MDC_HEADER, PREFIX, STEP};
use super::envelope::Envelope;
use super::watch::Watch;

/// The plaintext packets inside an integrity-protected packet.
///
/// Its end of file comes after the MDC was found good and nothing follows in the outer message. What it hands out before
/// is decrypted but not yet trustworthy; only the bytes that may be the MDC are held back. The parser of those packets
/// reads straight in the buffer.
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
    cookie: Cookie,
}

impl Body {
    /// Starts decrypting and looks whether the key can be right.
    pub(super) fn open(envelope: Envelope, watch: Arc<Watch>) -> Result<Self, OpenError> {
        let mut body = Self {
            decryptor: Decryptor::new(envelope.cipher, &envelope.key)
                .map_err(OpenError::malformed)?,
            outer: Some(envelope.body),
            mdc: Sha1::new(),
            plain: Vec::with_capacity(2 * STEP + MDC),
            next: 0,
            safe: 0,
            watch,
            cookie: Cookie::default(),
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

    /// Moves what was not read yet to the front and decrypts the next step behind it; tells whether it was the last.
    fn fill(&mut self) -> Result<bool, OpenError> {
        self.plain.drain(..self.next);
        self.safe -= self.next;
        self.next = 0;
        let held = self.plain.len();
        let Some(outer) = &mut self.outer else {
            return Ok(true);
        };
        while self.plain.len() < held + STEP {
            let missing = held + STEP - self.plain.len();
            let sealed = outer.data(missing);
            let sealed = sealed.map_err(|error| self.watch.explain_io(error))?;
            let bytes = sealed.len().min(missing);
            if bytes == 0 {
                break;
            }
            self.plain.extend_from_slice(&sealed[..bytes]);
            outer.consume(bytes);
        }
        // The key stream goes on in whole blocks, and a step is a number of those.
        self.decryptor.apply(&mut self.plain[held..]);
        Ok(self.plain.len() < held + STEP)
    }

    /// What can be handed out now.
    fn ready(&self) -> &[u8] {
        &self.plain[self.next..self.safe]
    }

    /// Hashes what can be handed out now; at the end, checks the MDC and that the outer message ends, too.
    fn judge(&mut self, ended: bool) -> Result<(), OpenError> {
        let safe = self.plain.len().saturating_sub(MDC).max(self.safe);
        self.mdc.update(&self.plain[self.safe..safe]);
        self.safe = safe;
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
        let plain = self.data(1)?;
        let bytes = buffer.len().min(plain.len());
        buffer[..bytes].copy_from_slice(&plain[..bytes]);
        self.next += bytes;
        Ok(bytes)
    }
}

impl BufferedReader<Cookie> for Body {
    fn buffer(&self) -> &[u8] {
        self.ready()
    }

    fn data(&mut self, amount: usize) -> io::Result<&[u8]> {
        while self.ready().len() < amount && self.outer.is_some() {
            self.fill()
                .and_then(|ended| self.judge(ended))
                .map_err(|error| self.watch.bad(error))?;
        }
        if self.outer.is_none() && self.ready().is_empty() {
            match self.watch.verdict() {
                Some(Ok(())) => (),
                Some(Err(error)) => return Err(error.into()),
                None => return Err(OpenError::Truncated.into()),
            }
        }
        Ok(self.ready())
    }

    fn consume(&mut self, amount: usize) -> &[u8] {
        assert!(
            amount <= self.ready().len(),
            "more is consumed than is there"
        );
        self.next += amount;
        &self.plain[self.next - amount..self.safe]
    }

    fn data_consume(&mut self, amount: usize) -> io::Result<&[u8]> {
        let amount = self.data(amount)?.len().min(amount);
        Ok(self.consume(amount))
    }

    fn data_consume_hard(&mut self, amount: usize) -> io::Result<&[u8]> {
        if self.data(amount)?.len() < amount {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(self.consume(amount))
    }

    fn get_mut(&mut self) -> Option<&mut dyn BufferedReader<Cookie>> {
        None
    }

    fn get_ref(&self) -> Option<&dyn BufferedReader<Cookie>> {
        None
    }

    fn into_inner<'b>(self: Box<Self>) -> Option<Box<dyn BufferedReader<Cookie> + 'b>> {
        None
    }

    fn cookie_set(&mut self, cookie: Cookie) -> Cookie {
        std::mem::replace(&mut self.cookie, cookie)
    }

    fn cookie_ref(&self) -> &Cookie {
        &self.cookie
    }

    fn cookie_mut(&mut self) -> &mut Cookie {
        &mut self.cookie
    }
}

/// Nothing of the message: the parsers ask for it to trace what they do.
impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Body")
    }
}

impl fmt::Display for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Body")
    }
}
