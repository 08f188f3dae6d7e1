//! The passphrase, under the rule of `gpg --passphrase-file`.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use sequoia_openpgp::crypto::{Password, SessionKey};
use sequoia_openpgp::packet::skesk::SKESK4;
use thiserror::Error;

use super::cfb::Cipher;

/// How many messages' keys are remembered: those that one run opens again.
const REMEMBERED: usize = 8;

/// A passphrase that stock `gpg` would read from a file in the same way.
///
/// It is one line of text, neither empty nor ended by a line break. It lies encrypted in memory and is overwritten when
/// dropped. There is no `Debug`, on purpose: Sequoia's own type prints the secret in debug builds.
///
/// It remembers the keys of the last messages that it opened or sealed, because a run reads the same inventory several times
/// and finding a key takes a tenth of a second. They are overwritten with it.
pub struct Passphrase {
    password: Password,
    keys: Mutex<VecDeque<(SKESK4, Cipher, SessionKey)>>,
}

impl Passphrase {
    /// Checks a configured secret and takes the passphrase out of it.
    ///
    /// `gpg` reads up to the first newline and drops that newline. One newline at the end is therefore dropped here too;
    /// whatever `gpg` would silently understand differently from the eye of the operator is refused.
    pub fn parse(secret: &SecretString) -> Result<Self, PassphraseError> {
        let text = secret.expose_secret();
        let line = text.strip_suffix('\n').unwrap_or(text);
        if line.is_empty() {
            return Err(PassphraseError::Empty);
        }
        if line.contains('\n') {
            return Err(PassphraseError::SeveralLines);
        }
        if line.contains('\r') {
            return Err(PassphraseError::CarriageReturn);
        }
        if line.contains('\0') {
            return Err(PassphraseError::Nul);
        }
        Ok(Self {
            password: Password::from(line),
            keys: Mutex::default(),
        })
    }

    /// The passphrase as Sequoia takes it; it must not be formatted.
    pub(super) fn password(&self) -> &Password {
        &self.password
    }

    /// The key of the message that begins with this packet, if it was remembered.
    pub(super) fn key_of(&self, packet: &SKESK4) -> Option<(Cipher, SessionKey)> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let found = keys.iter().find(|(known, ..)| known == packet);
        found.map(|(_, cipher, key)| (*cipher, key.clone()))
    }

    /// Remembers the key of a message.
    pub(super) fn remember(&self, packet: SKESK4, cipher: Cipher, key: SessionKey) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.truncate(REMEMBERED - 1);
        keys.push_front((packet, cipher, key));
    }
}

/// Why a secret is no passphrase. The texts never hold any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PassphraseError {
    /// There is nothing before the first line break.
    #[error("the passphrase is empty")]
    Empty,
    /// A newline is followed by more text, which `gpg` would leave out.
    #[error(
        "the passphrase has more than one line, of which gpg would use only the first: give it as a single line"
    )]
    SeveralLines,
    /// There is a carriage return, as Windows editors leave it; `gpg` would count it in and nobody would see it.
    #[error(
        "the passphrase contains a carriage return, which gpg would make part of it: save it with Unix line ends"
    )]
    CarriageReturn,
    /// There is a NUL character, at which `gpg` would cut.
    #[error("the passphrase contains a NUL character, at which gpg would cut it: leave it out")]
    Nul,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, PassphraseError> {
        let passphrase = Passphrase::parse(&SecretString::from(text))?;
        Ok(passphrase
            .password()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    }

    #[test]
    fn the_first_line_is_the_passphrase() {
        assert_eq!(parse("correct horse"), Ok("correct horse".into()));
        assert_eq!(parse("correct horse\n"), Ok("correct horse".into()));
        assert_eq!(parse("  spaces stay "), Ok("  spaces stay ".into()));
        assert_eq!(parse("zażółć gęślą jaźń"), Ok("zażółć gęślą jaźń".into()));
    }

    #[test]
    fn what_gpg_would_read_otherwise_is_refused() {
        assert_eq!(parse(""), Err(PassphraseError::Empty));
        assert_eq!(parse("\n"), Err(PassphraseError::Empty));
        assert_eq!(parse("one\ntwo"), Err(PassphraseError::SeveralLines));
        assert_eq!(parse("one\n\n"), Err(PassphraseError::SeveralLines));
        assert_eq!(parse("\none"), Err(PassphraseError::SeveralLines));
        assert_eq!(parse("one\r\n"), Err(PassphraseError::CarriageReturn));
        assert_eq!(parse("one\0two"), Err(PassphraseError::Nul));
    }

    #[test]
    fn errors_do_not_hold_the_secret() {
        for text in ["hunter2\nhunter2", "hunter2\r", "hunter2\0"] {
            assert!(
                !parse(text)
                    .map_or_else(|error| error.to_string(), |_| text.into())
                    .contains("hunter2")
            );
        }
    }
}
