//! The head of a sealed message: the packet that holds its key, all that a passphrase decides about.

use sequoia_openpgp::Packet;
use sequoia_openpgp::packet::SKESK;
use sequoia_openpgp::packet::header::BodyLength;
use sequoia_openpgp::packet::skesk::SKESK4;
use sequoia_openpgp::parse::{Dearmor, PacketParserBuilder, PacketParserResult, Parse};

/// How many bytes the key packet takes that [`super::seal()`] writes.
///
/// Two of header, version, cipher, eleven for the way from the passphrase to a key, and 33 of encrypted session key.
pub const KEY_PACKET: u64 = 48;

/// How many bytes the key packet at the head of a message takes, if one stands there.
///
/// Meant for the first bytes of any message that takes a passphrase: the packet is never longer than some hundred bytes.
pub fn key_packet_length(head: &[u8]) -> Option<u64> {
    KeyPacket::of(head).map(|packet| packet.length)
}

/// The key packet at the head of a message.
pub(super) struct KeyPacket {
    /// How many bytes it takes with its header.
    pub(super) length: u64,
    #[expect(dead_code, reason = "read by what follows")]
    pub(super) skesk: SKESK4,
}

impl KeyPacket {
    fn of(head: &[u8]) -> Option<Self> {
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
        let length = header + content;
        match &parser.packet {
            Packet::SKESK(SKESK::V4(skesk)) => Some(Self {
                length,
                skesk: skesk.clone(),
            }),
            _ => None,
        }
    }
}
