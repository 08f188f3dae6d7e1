//! The key packet at the head of a message: its length, whom it lets in, and its replacement.

use super::super::head::{KeyPacket, rekey_stretched};
use super::*;

/// A key packet as gpg writes it, with a header of the old format: it holds no key, only a salt.
const GPG: &[u8] = b"\x8c\x0d\x04\x09\x03\x08saltsalt\x00";

fn other() -> Passphrase {
    Passphrase::parse(&"correct donkey".into()).unwrap()
}

fn head(message: &[u8]) -> &[u8] {
    &message[..message.len().min(usize::try_from(HEAD).unwrap())]
}

/// The message with the key packet that another passphrase opens.
fn rekeyed(message: &[u8]) -> Vec<u8> {
    let Rekeyed { old_length, packet } =
        rekey_stretched(head(message), &passphrase(), &other(), CHEAP).unwrap();
    assert_eq!((old_length, packet.len()), (KEY_PACKET, 48));
    let rest = &message[usize::try_from(old_length).unwrap()..];
    [packet.as_slice(), rest].concat()
}

fn opened_by_the_other(message: Vec<u8>) -> Vec<u8> {
    let mut content = Vec::new();
    let mut plain = open(Cursor::new(message), &other()).unwrap();
    plain.read_to_end(&mut content).unwrap();
    content
}

#[test]
fn the_key_packet_has_the_length_that_the_format_promises() {
    for content in [0, 10, 3 * CHUNK] {
        let message = sealed(&vec![1; content]);
        assert_eq!(key_packet_length(&message), Some(KEY_PACKET));
        assert_eq!(key_packet_length(&message[..48]), Some(KEY_PACKET));
        assert_eq!(key_packet_length(&message[..47]), None);
        // The encrypted packet starts right behind it.
        assert_eq!(message[usize::try_from(KEY_PACKET).unwrap()], 0xd2);
    }
    assert_eq!(key_packet_length(GPG), Some(15));
    for other in [b"".as_slice(), b"hello", b"\xca\x03PGP", &literal(b"word")] {
        assert_eq!(key_packet_length(other), None);
    }
}

#[test]
fn the_head_alone_tells_whom_the_message_lets_in() {
    for content in [0, 10, 4096, 3 * CHUNK] {
        let message = sealed(&vec![1; content]);
        for head in [head(&message), &message] {
            assert!(unlocks(head, &passphrase()).unwrap());
            assert!(!unlocks(head, &other()).unwrap());
        }
    }
}

#[test]
fn what_is_no_head_of_a_message_is_refused_by_name() {
    let message = sealed(&[1; 5000]);
    for length in [1, 48, 49, 60] {
        let error = unlocks(&message[..length], &passphrase()).unwrap_err();
        assert!(matches!(error, OpenError::Truncated), "{length}: {error}");
    }
    for length in 2..48 {
        assert!(!unlocks(&message[..length], &passphrase()).unwrap_or_default());
    }
    let refused = |head: &[u8]| unlocks(head, &passphrase()).unwrap_err().to_string();
    assert_eq!(refused(b""), "the message is empty");
    assert_eq!(refused(b"hello"), "this is not an OpenPGP message");
    let rubbish = [b"\xc3\x00".as_slice(), &[0; 100]].concat();
    assert!(rekey(&rubbish, &passphrase(), &other()).is_err());
}

#[test]
fn a_rekeyed_message_opens_with_the_new_passphrase_alone() {
    for bytes in [0, 10, 4096, 3 * CHUNK + 7] {
        let content: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
        let message = sealed(&content);
        let again = rekeyed(&message);
        assert_eq!(again.len(), message.len());
        assert!(opened(&again).is_err());
        assert_eq!(opened_by_the_other(again), content);
    }
}

#[test]
fn a_rekeyed_message_is_still_refused_when_touched() {
    let message = rekeyed(&sealed(b"some words"));
    for at in 0..message.len() {
        let mut altered = message.clone();
        altered[at] ^= 1;
        let verdict = open(Cursor::new(altered), &other()).and_then(Untrusted::authenticate);
        assert!(verdict.is_err(), "byte {at}");
    }
}

#[test]
fn a_wrong_passphrase_makes_no_key_packet() {
    for _ in 0..100 {
        let message = sealed(b"some words");
        let made = rekey_stretched(&message, &other(), &passphrase(), CHEAP);
        assert!(matches!(made, Err(OpenError::WrongPassphrase)));
    }
}

#[test]
fn a_key_that_is_made_of_the_passphrase_cannot_be_moved_to_another() {
    let body = [b"\xd2\x40\x01".as_slice(), &[7; 63]].concat();
    let message = [GPG, &body].concat();
    let made = rekey_stretched(&message, &passphrase(), &other(), CHEAP);
    assert!(matches!(made, Err(OpenError::DerivedKey)));
}

#[test]
fn a_passphrase_remembers_the_keys_of_the_last_messages_that_it_sealed_or_opened() {
    let (sealer, opener) = (passphrase(), passphrase());
    let message = || {
        let sealer = seal_stretched(Vec::new(), &sealer, CHEAP).unwrap();
        sealer.finish().unwrap()
    };
    let first = message();
    let packet = KeyPacket::of(&first).unwrap().skesk;
    assert!(sealer.key_of(&packet).is_some());
    assert!(opener.key_of(&packet).is_none());
    assert!(unlocks(&first, &opener).unwrap());
    assert!(opener.key_of(&packet).is_some());
    for _ in 0..8 {
        message();
    }
    assert!(sealer.key_of(&packet).is_none());
    assert!(other().key_of(&packet).is_none());
}
