//! The head of a sealed message: the packet that holds its key, all that a passphrase decides about.
//!
//! ```text
//! | key packet: the message's key, encrypted with the passphrase | encrypted packet: a prefix to check by, content |
//!   replaced by rekey()                                            never touched
//! ```
//!
//! The content is encrypted with a random key of the message's own. So another passphrase needs another key packet and
//! not one byte of content. Whoever has kept the old packet, or the key in it, can still open the message.

use std::io::Cursor;
use std::sync::Arc;

use sequoia_openpgp::Packet;
use sequoia_openpgp::crypto::{S2K, SessionKey};
use sequoia_openpgp::packet::SKESK;
use sequoia_openpgp::packet::header::BodyLength;
use sequoia_openpgp::packet::skesk::SKESK4;
use sequoia_openpgp::parse::buffered_reader::BufferedReader;
use sequoia_openpgp::parse::{
    Dearmor, PacketParser, PacketParserBuilder, PacketParserResult, Parse,
};
use sequoia_openpgp::serialize::Marshal;
use sequoia_openpgp::types::{HashAlgorithm, SymmetricAlgorithm};

use super::cfb::{Cipher, Decryptor, PREFIX};
use super::envelope::Envelope;
use super::seal::{STRETCH, SealError};
use super::watch::{Source, Watch};
use super::{OpenError, Passphrase};

/// How many bytes the key packet takes that [`super::seal()`] writes.
///
/// Two of header, version, cipher, eleven for the way from the passphrase to a key, and 33 of encrypted session key.
pub const KEY_PACKET: u64 = 48;

/// How many first bytes of a message tell all that this module asks.
pub const HEAD: u64 = 4096;

/// How many bytes the key packet at the head of a message takes, if one stands there.
///
/// Meant for the first bytes of any message that takes a passphrase: the packet is never longer than some hundred bytes.
pub fn key_packet_length(head: &[u8]) -> Option<u64> {
    KeyPacket::of(head).map(|packet| packet.length)
}

/// Whether a passphrase opens the message that begins with these bytes; [`HEAD`] of them are enough.
///
/// As with [`OpenError::WrongPassphrase`], a wrong one passes by chance in one of 16 million messages of ours, and in one
/// of 65,536 of `gpg --symmetric`.
pub fn unlocks(head: &[u8], passphrase: &Passphrase) -> Result<bool, OpenError> {
    match unlock(head, passphrase) {
        Ok(_) => Ok(true),
        Err(OpenError::WrongPassphrase) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A key packet for another passphrase, to be put in the place of the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rekeyed {
    /// How many bytes the old packet takes, at the head of the message.
    pub old_length: u64,
    /// The new packet. For a message of ours it is as long as the old one.
    pub packet: Vec<u8>,
}

/// Makes the key packet by which the message that begins with these bytes opens with the passphrase `new`.
///
/// A message of `gpg --symmetric`, whose key comes from the passphrase itself, is refused
/// ([`OpenError::DerivedKey`]): one wrong passphrase in 65,536 would pass for the right one there, and replacing the packet
/// would then lose the message for good.
pub fn rekey(head: &[u8], old: &Passphrase, new: &Passphrase) -> Result<Rekeyed, OpenError> {
    rekey_stretched(head, old, new, STRETCH)
}

/// Makes the packet with a key derivation of so many bytes.
pub(super) fn rekey_stretched(
    head: &[u8],
    old: &Passphrase,
    new: &Passphrase,
    stretch: u32,
) -> Result<Rekeyed, OpenError> {
    let packet = KeyPacket::of(head).ok_or(OpenError::NotOpenPgp)?;
    if !packet.skesk.esk().is_ok_and(|held| held.is_some()) {
        return Err(OpenError::DerivedKey);
    }
    let (cipher, key) = unlock(head, old)?;
    Ok(Rekeyed {
        old_length: packet.length,
        packet: key_packet(cipher, &key, new, stretch).map_err(OpenError::malformed)?,
    })
}

/// Writes the packet that holds a message's key for those who have the passphrase.
pub(super) fn key_packet(
    cipher: Cipher,
    key: &SessionKey,
    passphrase: &Passphrase,
    stretch: u32,
) -> Result<Vec<u8>, SealError> {
    let s2k = S2K::new_iterated(HashAlgorithm::SHA512, stretch).map_err(SealError::crypto)?;
    let aes = SymmetricAlgorithm::AES256;
    let skesk = SKESK4::with_password(cipher.algorithm(), aes, s2k, key, passphrase.password())
        .map_err(SealError::crypto)?;
    passphrase.remember(skesk.clone(), cipher, key.clone());
    let mut packet = Vec::new();
    Packet::from(skesk)
        .serialize(&mut packet)
        .map_err(SealError::crypto)?;
    Ok(packet)
}

/// The message's key, if the passphrase gives the right one.
fn unlock(head: &[u8], passphrase: &Passphrase) -> Result<(Cipher, SessionKey), OpenError> {
    let watch = Arc::new(Watch::default());
    let source = Source::new(Cursor::new(head.to_vec()), watch.clone());
    let Envelope {
        mut body,
        cipher,
        key,
    } = Envelope::open(source, passphrase, &watch)?;
    let mut prefix = first(&mut body)?;
    let mut decryptor = Decryptor::new(cipher, &key).map_err(OpenError::malformed)?;
    decryptor.apply(&mut prefix);
    match prefix[PREFIX - 4..PREFIX - 2] == prefix[PREFIX - 2..] {
        true => Ok((cipher, key)),
        false => Err(OpenError::WrongPassphrase),
    }
}

/// The encrypted prefix. What follows it may be missing: only the head is here.
fn first(body: &mut PacketParser<'static>) -> Result<[u8; PREFIX], OpenError> {
    let there = body.data(PREFIX).map_err(|_| OpenError::Truncated)?;
    let prefix = there.first_chunk().ok_or(OpenError::Truncated)?;
    Ok(*prefix)
}

/// The key packet at the head of a message.
pub(super) struct KeyPacket {
    /// How many bytes it takes with its header.
    length: u64,
    pub(super) skesk: SKESK4,
}

impl KeyPacket {
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let parsed = PacketParserBuilder::from_bytes(head)
            .and_then(|builder| builder.dearmor(Dearmor::Disabled).map(true).build())
            .ok()?;
        let PacketParserResult::Some(parser) = parsed else {
            return None;
        };
        let mut fields = parser
            .map()?
            .iter()
            .map(|field| field.as_bytes().len() as u64);
        // The first byte and the length; what is missing of the content shows in nothing else.
        let header: u64 = fields.by_ref().take(2).sum();
        let content: u64 = fields.sum();
        if *parser.header().length() != BodyLength::Full(u32::try_from(content).ok()?) {
            return None;
        }
        match &parser.packet {
            Packet::SKESK(SKESK::V4(skesk)) => Some(Self {
                length: header + content,
                skesk: skesk.clone(),
            }),
            _ => None,
        }
    }
}
