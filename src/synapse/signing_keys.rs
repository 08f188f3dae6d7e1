//! The keys that a server signs with, and the public halves of those that it no longer signs with.
//!
//! Other servers check signatures with the public keys that this server publishes. A key that is replaced must stay
//! among them, under `old_signing_keys` of `homeserver.yaml`, or what it signed can no longer be checked. Everything
//! here is pure. The secret half is read to find the public one and is wiped at once.

mod old;
mod public;

pub use old::{OldSigningKey, OldSigningKeys, clashes, retire};
pub use public::{KeyId, KeyIdError, PublicKey, PublicKeyError};

use ed25519_dalek::SigningKey;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// A public key under its name, as other servers know it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifyKey {
    /// The name, such as `ed25519:a_abcd`.
    pub id: KeyId,
    /// The key.
    pub key: PublicKey,
}

/// Why a signing key file is not understood. No variant holds anything of the file but a line's number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// There is no line in it.
    #[error("the signing key file holds no key")]
    Empty,
    /// A line is not an algorithm, a name and a key.
    #[error("line {line} of the signing key file is not an algorithm, a name and a key")]
    Shape {
        /// Which line, from 1.
        line: usize,
    },
    /// The algorithm is not the one that Matrix has.
    #[error("line {line} of the signing key file is of another algorithm than ed25519")]
    Algorithm {
        /// Which line, from 1.
        line: usize,
    },
    /// The name cannot be one.
    #[error("line {line} of the signing key file has a name that cannot be one")]
    Name {
        /// Which line, from 1.
        line: usize,
    },
    /// The key is not 32 bytes in base64.
    #[error("line {line} of the signing key file has a key that is not 32 bytes in base64")]
    Seed {
        /// Which line, from 1.
        line: usize,
    },
}

/// Reads the public keys that belong to the text of a signing key file, in its order.
///
/// A file has one key a line: algorithm, name and secret seed. Synapse signs with all of them.
pub fn verify_keys(file: &SecretString) -> Result<Vec<VerifyKey>, SigningKeyError> {
    let mut keys = Vec::new();
    for (number, text) in file.expose_secret().lines().enumerate() {
        if !text.trim().is_empty() {
            keys.push(verify_key(number + 1, text)?);
        }
    }
    if keys.is_empty() {
        return Err(SigningKeyError::Empty);
    }
    Ok(keys)
}

fn verify_key(line: usize, text: &str) -> Result<VerifyKey, SigningKeyError> {
    let mut words = text.split_whitespace();
    let (Some(algorithm), Some(name), Some(seed), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(SigningKeyError::Shape { line });
    };
    if algorithm != public::ALGORITHM {
        return Err(SigningKeyError::Algorithm { line });
    }
    let id = KeyId::parse(&format!("{algorithm}:{name}"))
        .map_err(|_unfit| SigningKeyError::Name { line })?;
    let mut bytes = Zeroizing::new([0_u8; 32]);
    if !public::decode(seed, &mut bytes) {
        return Err(SigningKeyError::Seed { line });
    }
    // Wipes itself when it is dropped.
    let secret = SigningKey::from_bytes(&bytes);
    let key = PublicKey::from_bytes(secret.verifying_key().as_bytes());
    Ok(VerifyKey { id, key })
}

#[cfg(test)]
mod tests;
