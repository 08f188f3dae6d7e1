//! Why a message is not opened, each reason with a name.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use thiserror::Error;

/// Why a message was not opened, or why it must not be believed.
///
/// Cheap to clone, so that a read through other people's code and the later [`super::Untrusted::authenticate`] can both
/// tell the first cause. From an [`io::Error`] it comes back with [`io::Error::downcast`].
#[derive(Debug, Clone, Error)]
pub enum OpenError {
    /// The source failed.
    #[error("failed to read the sealed message")]
    Read(#[source] Arc<io::Error>),
    /// The source is empty.
    #[error("the message is empty")]
    Empty,
    /// The source does not start as an OpenPGP message does.
    #[error("this is not an OpenPGP message")]
    NotOpenPgp,
    /// The message is in ASCII armor, which we never write; `gpg --dearmor` takes it off.
    #[error("the message is in ASCII armor: take it off with gpg --dearmor")]
    Armored,
    /// The message is not encrypted at all.
    #[error("the message is not encrypted")]
    NotEncrypted,
    /// The message is encrypted to a key, alone or besides a passphrase.
    #[error("the message is encrypted to a public key, not to a passphrase only")]
    PublicKey,
    /// The message takes one of several passphrases, which `gpg --symmetric` never writes.
    #[error("the message is encrypted to several passphrases")]
    SeveralPassphrases,
    /// The message has nothing by which damage could be noticed (a packet of type 9).
    #[error("the message has no integrity protection")]
    NoIntegrity,
    /// The message is in one of the newer encryption modes (OCB and its like), which `gpg` 2.2 does not write.
    #[error("the message uses authenticated encryption ({packet}), which is not supported")]
    Aead {
        /// The packet that says so.
        packet: &'static str,
    },
    /// The message is encrypted with something else than AES.
    #[error("the message is encrypted with {name}: only AES is supported")]
    Cipher {
        /// The cipher's name.
        name: String,
    },
    /// The passphrase is turned into a key in a way that we do not know, or that lets the message choose our memory.
    #[error("the message derives its key by {name}, which is not supported")]
    KeyDerivation {
        /// The method's or the digest's name.
        name: String,
    },
    /// The passphrase is wrong, or the message's first bytes are damaged: the two cannot be told apart.
    ///
    /// By chance one wrong passphrase in 65,536 gets past this check for a message of `gpg --symmetric` (one in 16
    /// million for ours); it then ends in another error of this list, and still never in success.
    #[error("the passphrase is wrong, or the start of the message is damaged")]
    WrongPassphrase,
    /// The message's key is made of the passphrase, as `gpg --symmetric` does it, so it takes no other passphrase.
    #[error(
        "the message's key is made of its passphrase: another passphrase cannot be put in its place"
    )]
    DerivedKey,
    /// Inside the encrypted message is another encrypted message.
    #[error("the message is encrypted more than once")]
    NestedEncryption,
    /// Inside the compressed data is more compressed data.
    #[error("the message is compressed more than once")]
    NestedCompression,
    /// The message is compressed in a way that we do not know.
    #[error("the message is compressed with {name}, which is not supported")]
    Compression {
        /// The method's name.
        name: String,
    },
    /// The message swells more than honest data does: a decompression bomb.
    #[error(
        "the message swells from {sealed} bytes to more than {plaintext}, which honest data does not"
    )]
    Bomb {
        /// How many sealed bytes had been read.
        sealed: u64,
        /// How many bytes they had become.
        plaintext: u64,
    },
    /// The content is longer than the caller said it may be.
    #[error("the content of the message is longer than {limit} bytes")]
    TooLong {
        /// What the caller allowed.
        limit: u64,
    },
    /// A packet is where none of its kind may be, such as a signature or a key.
    #[error("the message holds something unexpected: {packet}")]
    Unexpected {
        /// What it is.
        packet: String,
    },
    /// The message ends too early.
    #[error("the message is cut off")]
    Truncated,
    /// Something follows the end of the message.
    #[error("something follows the end of the message")]
    TrailingData,
    /// The modification detection code does not fit: the message was damaged or altered.
    #[error("the message was damaged or altered")]
    Altered,
    /// The message breaks the rules of its format; damage shows like this, too.
    #[error("the message is malformed")]
    Malformed(#[source] Arc<dyn StdError + Send + Sync>),
}

impl OpenError {
    pub(super) fn malformed(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Malformed(Arc::from(source.into()))
    }
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        let kind = match &error {
            OpenError::Read(source) => source.kind(),
            OpenError::Truncated => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
