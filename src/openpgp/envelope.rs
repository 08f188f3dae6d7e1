//! The outside of a message: which key opens it, and where its encrypted body starts.

use std::io::{self, Read};
use std::sync::Arc;

use sequoia_openpgp::Packet;
use sequoia_openpgp::crypto::{S2K, SessionKey};
use sequoia_openpgp::packet::skesk::SKESK4;
use sequoia_openpgp::packet::{SEIP, SKESK, Tag};
use sequoia_openpgp::parse::buffered_reader::{BufferedReader, Generic};
use sequoia_openpgp::parse::{
    Cookie, Dearmor, PacketParser, PacketParserBuilder, PacketParserResult, Parse,
};

use super::cfb::Cipher;
use super::watch::{Source, Watch};
use super::{OpenError, Passphrase};

/// How many bytes are looked at to tell ASCII armor from rubbish.
const LOOK: usize = 64;

/// An opened envelope: the encrypted body, not decrypted yet, and what decrypts it.
pub(super) struct Envelope {
    /// Stands on the body of the integrity-protected packet, behind its version byte.
    pub(super) body: PacketParser<'static>,
    pub(super) cipher: Cipher,
    pub(super) key: SessionKey,
}

impl Envelope {
    /// Reads up to the encrypted body. Exactly one key packet may stand before it.
    pub(super) fn open<R: Read + Send + 'static>(
        source: Source<R>,
        passphrase: &Passphrase,
        watch: &Arc<Watch>,
    ) -> Result<Self, OpenError> {
        let mut first = first(source, watch)?;
        let Packet::SKESK(SKESK::V4(skesk)) = &first.packet else {
            return Err(refuse(&mut first, watch));
        };
        let skesk = skesk.clone();
        check(&skesk)?;
        let mut body = match first.next().map_err(|error| watch.explain(error))? {
            (_, PacketParserResult::Some(body)) => body,
            (_, PacketParserResult::EOF(_)) => return Err(OpenError::Truncated),
        };
        match &body.packet {
            Packet::SEIP(SEIP::V1(_)) => {}
            Packet::SKESK(SKESK::V4(_)) => return Err(OpenError::SeveralPassphrases),
            _ => return Err(refuse(&mut body, watch)),
        }
        let (cipher, key) = unlock(&skesk, passphrase)?;
        Ok(Self { body, cipher, key })
    }
}

/// The first packet; what does not even start as a message is named here.
fn first<R: Read + Send + 'static>(
    source: Source<R>,
    watch: &Watch,
) -> Result<PacketParser<'static>, OpenError> {
    let mut reader = Generic::with_cookie(source, None, Cookie::default());
    let start = reader.data(LOOK).map_err(|error| watch.explain_io(error))?;
    match start.first() {
        None => return Err(OpenError::Empty),
        // Each packet starts with the highest bit set; text never does.
        Some(byte) if byte & 0x80 != 0 => {}
        Some(_) if start.trim_ascii_start().starts_with(b"-----BEGIN PGP") => {
            return Err(OpenError::Armored);
        }
        Some(_) => return Err(OpenError::NotOpenPgp),
    }
    let parsed = PacketParserBuilder::from_buffered_reader(reader)
        .and_then(|builder| builder.dearmor(Dearmor::Disabled).build())
        .map_err(|error| watch.explain(error))?;
    match parsed {
        PacketParserResult::Some(parser) => Ok(parser),
        PacketParserResult::EOF(_) => Err(OpenError::Empty),
    }
}

/// Names what stands where a key packet or the encrypted body should.
fn refuse(parser: &mut PacketParser<'static>, watch: &Watch) -> OpenError {
    let tag = parser.packet.tag();
    if let Some(Err(first)) = watch.verdict() {
        return first;
    }
    match tag {
        Tag::PKESK => OpenError::PublicKey,
        Tag::SED => OpenError::NoIntegrity,
        Tag::AED => OpenError::Aead {
            packet: "an AEAD packet of type 20",
        },
        Tag::SKESK if matches!(version(parser), Some(5 | 6)) => OpenError::Aead {
            packet: "a key packet of version 5 or 6",
        },
        Tag::SEIP if matches!(version(parser), Some(2)) => OpenError::Aead {
            packet: "an integrity-protected packet of version 2",
        },
        Tag::Reserved if is_half_a_header(parser) => OpenError::Truncated,
        Tag::SKESK | Tag::SEIP if ends_early(&parser.packet) => OpenError::Truncated,
        Tag::Literal | Tag::CompressedData => OpenError::NotEncrypted,
        Tag::Reserved | Tag::Unknown(_) | Tag::Private(_) => OpenError::NotOpenPgp,
        _ => OpenError::Unexpected {
            packet: tag.to_string(),
        },
    }
}

/// The version of a key packet or an integrity-protected packet, known to Sequoia or not.
fn version(parser: &mut PacketParser<'static>) -> Option<u8> {
    parser
        .packet
        .version()
        .or_else(|| parser.data(1).ok()?.first().copied())
}

/// Whether what Sequoia could not read is the beginning of a packet's header and nothing after it.
fn is_half_a_header(parser: &mut PacketParser<'static>) -> bool {
    const LONGEST: usize = 6;
    parser.data(LONGEST).is_ok_and(|junk| {
        junk.len() < LONGEST && junk.first().is_some_and(|byte| byte & 0xc0 == 0xc0)
    })
}

/// Whether Sequoia gave the packet up because there was too little of it.
fn ends_early(packet: &Packet) -> bool {
    let Packet::Unknown(unknown) = packet else {
        return false;
    };
    let cause = unknown.error().downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}

/// Refuses what we cannot or will not derive a key with, before any work is done.
fn check(skesk: &SKESK4) -> Result<(), OpenError> {
    let algorithm = skesk.symmetric_algo();
    if Cipher::of(algorithm).is_none() {
        return Err(OpenError::Cipher {
            name: algorithm.to_string(),
        });
    }
    #[expect(
        deprecated,
        reason = "old messages of gpg hash the passphrase once; we only read them"
    )]
    let hash = match skesk.s2k() {
        S2K::Simple { hash } | S2K::Salted { hash, .. } | S2K::Iterated { hash, .. } => *hash,
        // Argon2 would let a message of a few bytes ask for gigabytes of memory.
        other => {
            return Err(OpenError::KeyDerivation {
                name: other.to_string(),
            });
        }
    };
    if hash.is_supported() {
        Ok(())
    } else {
        Err(OpenError::KeyDerivation {
            name: hash.to_string(),
        })
    }
}

/// Derives the session key, or decrypts it where the packet holds one.
///
/// A wrong passphrase makes a decrypted session key start with a nonsense algorithm. Names of real but unsupported
/// ciphers come out by chance, too, so all that is not one of ours counts as a wrong passphrase.
fn unlock(skesk: &SKESK4, passphrase: &Passphrase) -> Result<(Cipher, SessionKey), OpenError> {
    if let Some(known) = passphrase.key_of(skesk) {
        return Ok(known);
    }
    let (algorithm, key) = skesk
        .decrypt(passphrase.password())
        .map_err(OpenError::malformed)?;
    match Cipher::of(algorithm) {
        Some(cipher) if cipher.key_bytes() == key.len() => {
            passphrase.remember(skesk.clone(), cipher, key.clone());
            Ok((cipher, key))
        }
        _ => Err(OpenError::WrongPassphrase),
    }
}
