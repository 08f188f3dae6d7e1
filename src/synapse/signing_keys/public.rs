//! The name and the public half of a key.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::{self, Alphabet};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The one algorithm that Matrix signs with.
pub(super) const ALGORITHM: &str = "ed25519";

/// The name of a key, such as `ed25519:a_abcd`: the algorithm, a colon, and printable characters of which none is white
/// space.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

/// A text is no name of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of an ed25519 key")]
pub struct KeyIdError(String);

/// A public key: 32 bytes, written in base64 without padding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(String);

/// A text is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not 32 bytes in base64")]
pub struct PublicKeyError(String);

impl KeyId {
    /// Reads a name.
    pub fn parse(id: &str) -> Result<Self, KeyIdError> {
        let name = id
            .strip_prefix(ALGORITHM)
            .and_then(|rest| rest.strip_prefix(':'));
        let fit = |c: char| !c.is_whitespace() && !c.is_control();
        match name {
            Some(name) if !name.is_empty() && name.chars().all(fit) => Ok(Self(id.to_owned())),
            Some(_) | None => Err(KeyIdError(id.to_owned())),
        }
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PublicKey {
    /// Reads a key from base64, in each of the forms that Synapse takes.
    pub fn parse(text: &str) -> Result<Self, PublicKeyError> {
        let mut bytes = [0; 32];
        if !decode(text, &mut bytes) {
            return Err(PublicKeyError(text.to_owned()));
        }
        Ok(Self::from_bytes(&bytes))
    }

    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(STANDARD_NO_PAD.encode(bytes))
    }

    /// The key in base64 without padding.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Decodes exactly 32 bytes, as forgiving as Synapse: with padding or without, of the usual alphabet or of that for URLs.
///
/// No copy of what it decodes stays in memory.
pub(super) fn decode(text: &str, bytes: &mut [u8; 32]) -> bool {
    const fn engine(alphabet: &Alphabet) -> GeneralPurpose {
        let config = GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true);
        GeneralPurpose::new(alphabet, config)
    }
    const USUAL: GeneralPurpose = engine(&alphabet::STANDARD);
    const FOR_URLS: GeneralPurpose = engine(&alphabet::URL_SAFE);
    let engine = if text.contains(['-', '_']) {
        FOR_URLS
    } else {
        USUAL
    };
    // Longer than any text of 32 bytes needs; a longer text does not fit and is refused.
    let mut room = Zeroizing::new([0; 48]);
    match engine.decode_slice(text, room.as_mut()) {
        Ok(32) => {
            bytes.copy_from_slice(&room[..32]);
            true
        }
        Ok(_) | Err(_) => false,
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for KeyId {
    type Error = KeyIdError;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        Self::parse(&id)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = PublicKeyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.0
    }
}
