//! What is refused, and by which name.

use super::*;

#[test]
fn a_decompression_bomb_is_refused() {
    let zeros = vec![0; 70 << 20];
    let message = sealed_packets(&compressed(CompressionAlgorithm::BZip2, 1, &zeros));
    assert!(message.len() < 2000);
    assert!(matches!(opened(&message), Err(OpenError::Bomb { .. })));

    let honest = sealed_packets(&compressed(CompressionAlgorithm::Zip, 1, &zeros));
    assert_eq!(opened(&honest).unwrap().len(), zeros.len());
}

/// Text of the error for each thing that is refused inside the encrypted body.
#[test]
fn strange_insides_are_refused_by_name() {
    let word = literal(b"word");
    let zip = CompressionAlgorithm::Zip;
    let table: [(&str, Vec<u8>); 8] = [
        ("the message is encrypted more than once", sealed(b"word")),
        (
            "the message is encrypted more than once",
            b"\xd2\x03\x01ab".to_vec(),
        ),
        (
            "the message is compressed more than once",
            compressed(zip, 2, b"word"),
        ),
        (
            "the message is compressed with Unknown compression algorithm 77, which is not supported",
            b"\xc8\x02\x4dx".to_vec(),
        ),
        (
            "the message holds something unexpected: Marker Packet",
            b"\xca\x03PGP".to_vec(),
        ),
        (
            "the message holds something unexpected: Literal Data Packet",
            [word.clone(), word.clone()].concat(),
        ),
        (
            "the message holds something unexpected: User ID Packet",
            [word, b"\xcd\x01a".to_vec()].concat(),
        ),
        ("the message is cut off", Vec::new()),
    ];
    for (text, packets) in table {
        assert_eq!(
            opened(&sealed_packets(&packets)).unwrap_err().to_string(),
            text
        );
    }
}

/// Text of the error for each thing that is refused before anything is decrypted.
#[test]
fn strange_outsides_are_refused_by_name() {
    // Version 4, AES-256, iterated and salted SHA-256, a salt, the lowest count: a key packet as gpg writes it.
    let key = b"\xc3\x0d\x04\x09\x03\x08saltsalt\x00";
    let with = |byte: usize, value: u8| {
        let mut key = key.to_vec();
        key[byte] = value;
        key
    };
    let body = [b"\xd2\x40\x01".as_slice(), &[7; 63]].concat();
    let argon2 = [
        b"\xc3\x16\x04\x09\x04saltsaltsaltsalt\x01\x01\x1f".as_slice(),
        &body,
    ]
    .concat();
    let table: [(&str, Vec<u8>); 20] = [
        ("the message is empty", Vec::new()),
        ("this is not an OpenPGP message", b"hello".to_vec()),
        (
            "the message is in ASCII armor: take it off with gpg --dearmor",
            b"-----BEGIN PGP MESSAGE-----\n\nw".to_vec(),
        ),
        ("the message is not encrypted", literal(b"word")),
        (
            "the message is not encrypted",
            compressed(CompressionAlgorithm::Zip, 1, b"word"),
        ),
        (
            "the message is encrypted to a public key, not to a passphrase only",
            b"\xc1\x0d\x03keykeyid\x01\x00\x01\x01".to_vec(),
        ),
        (
            "the message is encrypted to a public key, not to a passphrase only",
            [key.as_slice(), b"\xc1\x0d\x03keykeyid\x01\x00\x01\x01"].concat(),
        ),
        (
            "the message is encrypted to several passphrases",
            [key.as_slice(), key, &body].concat(),
        ),
        (
            "the message has no integrity protection",
            [key.as_slice(), b"\xc9\x03abc"].concat(),
        ),
        (
            "the message has no integrity protection",
            b"\xc9\x03abc".to_vec(),
        ),
        (
            "the message uses authenticated encryption (an AEAD packet of type 20), which is not supported",
            [key.as_slice(), b"\xd4\x03\x01\x09\x02"].concat(),
        ),
        (
            "the message uses authenticated encryption (a key packet of version 5 or 6), which is not supported",
            [with(2, 5), body.clone()].concat(),
        ),
        (
            "the message uses authenticated encryption (a key packet of version 5 or 6), which is not supported",
            [with(2, 6), body.clone()].concat(),
        ),
        (
            "the message uses authenticated encryption (an integrity-protected packet of version 2), which is not supported",
            [key.as_slice(), b"\xd2\x26\x02\x09\x02\x06", &[7; 34]].concat(),
        ),
        (
            "the message is encrypted with CAST5: only AES is supported",
            [with(3, 3), body.clone()].concat(),
        ),
        (
            "the message is encrypted with Unknown symmetric key algo 99: only AES is supported",
            [with(3, 99), body.clone()].concat(),
        ),
        (
            "the message derives its key by Unknown hash algorithm 99, which is not supported",
            [with(5, 99), body.clone()].concat(),
        ),
        (
            "the message derives its key by Argon2id with t: 1, p: 1, m: 2^31, salt: 73616C7473616C7473616C7473616C74, which is not supported",
            argon2,
        ),
        (
            "the message holds something unexpected: Marker Packet",
            [b"\xca\x03PGP".as_slice(), key, &body].concat(),
        ),
        ("the message is cut off", key.to_vec()),
    ];
    for (text, message) in table {
        assert_eq!(opened(&message).unwrap_err().to_string(), text);
    }
    // The key packet of the table is a good one: only the passphrase is missing.
    assert!(matches!(
        opened(&[key.as_slice(), &body].concat()),
        Err(OpenError::WrongPassphrase)
    ));
}
