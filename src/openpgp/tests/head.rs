//! The key packet at the head of a message: its length, whom it lets in, and its replacement.

use super::*;

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
    // As gpg writes it, with a header of the old format.
    let gpg = b"\x8c\x0d\x04\x09\x03\x08saltsalt\xff\xd2\x40\x01";
    assert_eq!(key_packet_length(gpg), Some(15));
    for other in [b"".as_slice(), b"hello", b"\xca\x03PGP", &literal(b"word")] {
        assert_eq!(key_packet_length(other), None);
    }
}
