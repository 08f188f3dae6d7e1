#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
//! The promises of the room, on small messages, where every position can be tried.

use std::io::{Cursor, Read, Write};

use proptest::collection::vec;
use proptest::prelude::*;
use sequoia_openpgp::serialize::stream::{Compressor, LiteralWriter, Message};
use sequoia_openpgp::types::CompressionAlgorithm;

use super::chunks::CHUNK;
use super::seal::{encrypt_stretched, seal_stretched};
use super::*;

mod head;
mod refusals;

/// The cheapest key derivation: thousands of messages are opened here.
const CHEAP: u32 = 1024;

fn passphrase() -> Passphrase {
    Passphrase::parse(&"correct horse".into()).unwrap()
}

fn sealed(content: &[u8]) -> Vec<u8> {
    let mut sealer = seal_stretched(Vec::new(), &passphrase(), CHEAP).unwrap();
    sealer.write_all(content).unwrap();
    sealer.finish().unwrap()
}

/// Seals packets as they are, however little sense they make.
fn sealed_packets(packets: &[u8]) -> Vec<u8> {
    let mut body = encrypt_stretched(Vec::new(), &passphrase(), CHEAP).unwrap();
    body.write_all(packets).unwrap();
    body.finish().unwrap().finish().unwrap()
}

fn literal(content: &[u8]) -> Vec<u8> {
    let mut packets = Vec::new();
    let mut writer = LiteralWriter::new(Message::new(&mut packets))
        .build()
        .unwrap();
    writer.write_all(content).unwrap();
    writer.finalize().unwrap();
    packets
}

fn compressed(method: CompressionAlgorithm, layers: usize, content: &[u8]) -> Vec<u8> {
    let mut packets = Vec::new();
    let mut message = Message::new(&mut packets);
    for _ in 0..layers {
        message = Compressor::new(message).algo(method).build().unwrap();
    }
    let mut writer = LiteralWriter::new(message).build().unwrap();
    writer.write_all(content).unwrap();
    writer.finalize().unwrap();
    packets
}

fn opened(message: &[u8]) -> Result<Vec<u8>, OpenError> {
    let mut content = Vec::new();
    open(Cursor::new(message.to_vec()), &passphrase())?
        .read_to_end(&mut content)
        .map_err(|error| error.downcast::<OpenError>().unwrap())?;
    Ok(content)
}

/// Both ways through a message agree on whether it is good.
fn refused(message: &[u8]) -> bool {
    let token =
        open(Cursor::new(message.to_vec()), &passphrase()).and_then(Untrusted::authenticate);
    let read = opened(message);
    assert_eq!(token.is_err(), read.is_err());
    read.is_err()
}

fn refused_everywhere(message: &[u8]) {
    for length in 0..message.len() {
        assert!(
            refused(&message[..length]),
            "cut to {length} of {}",
            message.len()
        );
    }
    for at in 0..message.len() {
        for bit in 0..8 {
            let mut altered = message.to_vec();
            altered[at] ^= 1 << bit;
            assert!(
                refused(&altered),
                "bit {bit} of byte {at} of {}",
                message.len()
            );
        }
    }
    for byte in 0..=u8::MAX {
        assert!(refused(&[message, &[byte]].concat()), "extended by {byte}");
        assert!(refused(&[&[byte], message].concat()), "preceded by {byte}");
    }
    assert!(refused(&[message, message].concat()), "twice");
}

#[test]
fn a_small_message_is_refused_when_touched_anywhere() {
    let message = sealed(b"some words");
    assert_eq!(opened(&message).unwrap(), b"some words");
    refused_everywhere(&message);
}

#[test]
fn a_compressed_message_is_refused_when_touched_anywhere() {
    let content = b"word and word and word again";
    for method in [
        CompressionAlgorithm::Zip,
        CompressionAlgorithm::Zlib,
        CompressionAlgorithm::BZip2,
    ] {
        let message = sealed_packets(&compressed(method, 1, content));
        assert_eq!(opened(&message).unwrap(), content);
        refused_everywhere(&message);
    }
}

/// A message of several chunks: each length header, and what stands next to it.
#[test]
fn the_seams_of_a_long_message_are_refused_when_touched() {
    let content: Vec<u8> = (0..2 * CHUNK + 9).map(|at| (at % 253) as u8).collect();
    let message = sealed(&content);
    assert_eq!(opened(&message).unwrap(), content);

    // Behind the packet of the passphrase, whose length is its second byte; its salt may hold any byte.
    let head = 2 + usize::from(message[1]);
    assert_eq!((message[0], message[head]), (0xc3, 0xd2));
    let seams = [head + 1, head + 2 + CHUNK, head + 3 + 2 * CHUNK];
    assert_eq!(seams.map(|seam| message[seam])[..2], [0xf2, 0xf2]);
    for at in seams.into_iter().flat_map(|seam| seam - 1..=seam + 1) {
        assert!(refused(&message[..at]), "cut to {at}");
        for bit in 0..8 {
            let mut altered = message.clone();
            altered[at] ^= 1 << bit;
            assert!(opened(&altered).is_err(), "bit {bit} of byte {at}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_was_sealed_comes_out_however_it_is_read(content in vec(any::<u8>(), 0..40_000), piece in 1_usize..20_000) {
        let message = sealed(&content);
        let mut plain = open(Cursor::new(message), &passphrase()).unwrap();
        let mut read = Vec::new();
        let mut buffer = vec![0; piece];
        loop {
            match plain.read(&mut buffer).unwrap() {
                0 => break,
                bytes => read.extend_from_slice(&buffer[..bytes]),
            }
        }
        prop_assert!(read == content);
        prop_assert_eq!(plain.authenticate().unwrap().plaintext_bytes(), content.len() as u64);
    }

    #[test]
    fn any_message_is_refused_when_cut_altered_or_extended(
        content in vec(any::<u8>(), 0..3_000),
        places in vec((any::<prop::sample::Index>(), 1_u8..), 1..60),
        more in vec(any::<u8>(), 1..40),
    ) {
        let message = sealed(&content);
        for (place, mask) in places {
            let at = place.index(message.len());
            prop_assert!(refused(&message[..at]), "cut to {}", at);
            let mut altered = message.clone();
            altered[at] ^= mask;
            prop_assert!(refused(&altered), "byte {} altered by {}", at, mask);
            altered = message.clone();
            altered.remove(at);
            prop_assert!(refused(&altered), "byte {} left out", at);
            altered = message.clone();
            altered.splice(at..at, more.iter().copied());
            prop_assert!(refused(&altered), "something put in at {}", at);
        }
        prop_assert!(refused(&[message, more].concat()), "extended");
    }

    #[test]
    fn no_rubbish_is_a_message(rubbish in vec(any::<u8>(), 0..400)) {
        prop_assert!(refused(&rubbish));
    }
}

#[test]
fn a_message_that_was_not_finished_is_cut_off() {
    for bytes in [0, 10, CHUNK, 3 * CHUNK] {
        let mut out = Vec::new();
        let mut sealer = seal_stretched(&mut out, &passphrase(), CHEAP).unwrap();
        sealer.write_all(&vec![1; bytes]).unwrap();
        sealer.flush().unwrap();
        drop(sealer);
        assert!(refused(&out), "{bytes} bytes");
    }
}

#[test]
fn a_failed_write_cannot_be_finished() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(data.len())
                .ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(data.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut sealer = seal_stretched(Full(CHUNK), &passphrase(), CHEAP).unwrap();
    let error = sealer.write_all(&vec![1; 4 * CHUNK]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert!(sealer.write(b"more").is_err());
    assert!(matches!(sealer.finish().err(), Some(SealError::Broken)));
}

#[test]
fn a_failing_source_is_told_from_a_short_one() {
    struct Failing(Cursor<Vec<u8>>);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(std::io::ErrorKind::ConnectionReset.into()),
                bytes => Ok(bytes),
            }
        }
    }
    let message = sealed(&vec![1; 100_000]);
    for length in [0, 10, 200, 50_000, message.len() - 1] {
        let source = Failing(Cursor::new(message[..length].to_vec()));
        let error = open(source, &passphrase())
            .and_then(Untrusted::authenticate)
            .unwrap_err();
        assert!(
            matches!(&error, OpenError::Read(cause) if cause.kind() == std::io::ErrorKind::ConnectionReset)
        );
        assert!(
            matches!(
                opened(&message[..length]),
                Err(OpenError::Truncated | OpenError::Empty)
            ),
            "{length}"
        );
    }
}

#[test]
fn the_first_cause_is_told_again() {
    let mut message = sealed(&vec![1; 100_000]);
    *message.last_mut().unwrap() ^= 1;
    let mut plain = open(Cursor::new(message), &passphrase()).unwrap();
    let error = plain.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(matches!(error.downcast().unwrap(), OpenError::Altered));
    assert!(plain.read(&mut [0; 10]).is_err());
    assert!(matches!(plain.authenticate(), Err(OpenError::Altered)));
}

#[test]
fn a_wrong_passphrase_has_its_own_name() {
    let wrong = Passphrase::parse(&"correct donkey".into()).unwrap();
    for _ in 0..100 {
        let error = open(Cursor::new(sealed(b"some words")), &wrong).err();
        assert!(
            matches!(error, Some(OpenError::WrongPassphrase)),
            "{error:?}"
        );
    }
}

#[test]
fn content_beyond_the_callers_limit_is_refused() {
    let message = sealed(&[1; 1000]);
    let plain = |limit| {
        open(Cursor::new(message.clone()), &passphrase())
            .unwrap()
            .at_most(limit)
    };
    assert_eq!(plain(1000).authenticate().unwrap().plaintext_bytes(), 1000);
    assert!(matches!(
        plain(999).authenticate(),
        Err(OpenError::TooLong { limit: 999 })
    ));
}
