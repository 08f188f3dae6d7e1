//! Seals a stream with a passphrase and opens it again: a `Write` that encrypts, a `Read` that decrypts.
//!
//! [`seal()`] and [`open()`] are for `backup`, which puts a tar on one side and a bucket on the other. What is written is an
//! ordinary OpenPGP message, so that stock `gpg` recovers a server with no charm at all; what is read is also what
//! `tar | gpg --symmetric` left in the bucket before us. Nothing else in the house knows OpenPGP, and this room knows
//! nothing of tar, buckets or Juju. It never makes or reads keys, signatures or ASCII armor.
//!
//! ```text
//! seal   plaintext > literal packet > CFB and SHA-1 > SEIPD packet > out        (after one SKESK packet)
//! open   source > outer packets > CFB and SHA-1 > [decompression] > literal packet > untrusted plaintext
//!                       \______________ MDC, end of the message ______________________/ only then: end of file
//! ```
//!
//! Sequoia does the packets, the length headers, the key derivation and the decompression. The bulk loop of the
//! integrity-protected packet (AES in CFB mode and the SHA-1 of its modification detection code, MDC) is our own, over
//! RustCrypto's block calls. Every Sequoia backend hashes with a SHA-1 that looks for collisions; it takes two thirds of
//! the time and cannot be switched off. An MDC does not need it: its digest is encrypted with the data, so whoever lacks
//! the passphrase has no collision to bring in, and whoever has it needs none. Measured, that is 2.5 to 3 times the speed.
//!
//! Sequoia's writer of partial lengths always cuts 4 MiB chunks and keeps the stream underneath to itself, so the chunks
//! are cut here (256 KiB, in both layers) and only their headers are Sequoia's.
//!
//! What leaves [`Untrusted`] is not trustworthy before its end of file: anyone who can write to the bucket can flip
//! chosen bits of it. Keep it where it can do no harm until [`Untrusted::authenticate`] has given its token.

mod body;
mod cfb;
mod chunks;
mod envelope;
mod head;
mod open;
mod passphrase;
mod refusal;
mod seal;
#[cfg(test)]
mod tests;
mod watch;

pub use head::{HEAD, KEY_PACKET, Rekeyed, key_packet_length, rekey, unlocks};
pub use open::{Authenticated, Untrusted, open};
pub use passphrase::{Passphrase, PassphraseError};
pub use refusal::OpenError;
pub use seal::{MessageKey, SealError, Sealer, seal, seal_with};
