//! Sealed messages against the two programs that others will read and have written them with: `gpg` and Sequoia.
//!
//! The room's own promises (every byte position) are tested beside the code; 1.2 GB goes through in the bench.

use std::io::{Cursor, Read, Write};

use anyhow::{Context, Result, ensure};
use synapse_operator::openpgp::{
    HEAD, KEY_PACKET, OpenError, Passphrase, Rekeyed, Untrusted, open, rekey, seal, unlocks,
};

use gpg::Gpg;

mod gpg;
mod sequoia;

const SECRET: &str = "correct horse battery staple";

/// Sizes around the edges of blocks, chunks and buffers of both sides.
const SIZES: [usize; 12] = [
    0, 1, 511, 512, 513, 8191, 8192, 8193, 1_048_575, 1_048_576, 1_048_577, 5_000_000,
];

/// Bytes that no compression makes smaller, the same in every run.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(bytes)
    .collect()
}

fn passphrase(secret: &str) -> Result<Passphrase> {
    Ok(Passphrase::parse(&secret.into())?)
}

fn sealed(secret: &str, content: &[u8]) -> Result<Vec<u8>> {
    let mut sealer = seal(Vec::new(), &passphrase(secret)?)?;
    sealer.write_all(content)?;
    Ok(sealer.finish()?)
}

fn opened(secret: &str, message: &[u8]) -> Result<Vec<u8>> {
    let mut plain = open(Cursor::new(message.to_vec()), &passphrase(secret)?)?;
    let mut content = Vec::new();
    plain.read_to_end(&mut content)?;
    let token = plain.authenticate()?;
    ensure!(
        token.plaintext_bytes() == content.len() as u64,
        "the token counts otherwise"
    );
    Ok(content)
}

fn refusal(message: &[u8]) -> Result<OpenError> {
    open(Cursor::new(message.to_vec()), &passphrase(SECRET)?)
        .and_then(Untrusted::authenticate)
        .err()
        .context("the message was opened")
}

#[test]
fn gpg_and_sequoia_open_what_we_seal() -> Result<()> {
    let gpg = Gpg::new(SECRET)?;
    for size in SIZES {
        let content = noise(size);
        let message = sealed(SECRET, &content)?;
        ensure!(gpg.open(&message)? == content, "gpg, {size} bytes");
        ensure!(
            sequoia::open(SECRET, &message)? == content,
            "Sequoia, {size} bytes"
        );
    }
    Ok(())
}

#[test]
fn gpg_and_sequoia_open_what_we_rekeyed() -> Result<()> {
    const LATER: &str = "another horse, another staple";
    let gpg = Gpg::new(LATER)?;
    for size in SIZES {
        let content = noise(size);
        let mut message = sealed(SECRET, &content)?;
        let head = &message[..message.len().min(usize::try_from(HEAD)?)];
        let Rekeyed { old_length, packet } =
            rekey(head, &passphrase(SECRET)?, &passphrase(LATER)?)?;
        ensure!(packet.len() as u64 == KEY_PACKET, "another length");
        message.splice(..usize::try_from(old_length)?, packet);
        ensure!(gpg.open(&message)? == content, "gpg, {size} bytes");
        ensure!(
            sequoia::open(LATER, &message)? == content,
            "Sequoia, {size} bytes"
        );
    }
    // Its key is made of the passphrase, and the check of a wrong one is too weak to bet a backup on.
    let theirs = Gpg::new(SECRET)?.seal(&[], b"some words")?;
    let refused = rekey(&theirs, &passphrase(SECRET)?, &passphrase(LATER)?);
    ensure!(matches!(refused, Err(OpenError::DerivedKey)));
    ensure!(unlocks(&theirs, &passphrase(SECRET)?)?);
    Ok(())
}

#[test]
fn we_open_what_gpg_and_sequoia_seal() -> Result<()> {
    let gpg = Gpg::new(SECRET)?;
    for size in SIZES {
        let content = noise(size);
        let message = gpg.seal(&[], &content)?;
        ensure!(opened(SECRET, &message)? == content, "gpg, {size} bytes");
        let message = sequoia::seal(SECRET, &content)?;
        ensure!(
            opened(SECRET, &message)? == content,
            "Sequoia, {size} bytes"
        );
    }
    Ok(())
}

#[test]
fn each_way_of_gpg_symmetric_opens() -> Result<()> {
    let ways: &[&[&str]] = &[
        &[],
        &["-z", "0"],
        &["-z", "9"],
        &["--compress-algo", "none"],
        &["--compress-algo", "zip"],
        &["--compress-algo", "zlib"],
        &["--compress-algo", "bzip2"],
        &["--cipher-algo", "AES"],
        &["--cipher-algo", "AES192"],
        &["--cipher-algo", "AES256"],
        &["--cipher-algo", "AES", "--s2k-cipher-algo", "AES"],
        &["--s2k-digest-algo", "SHA1"],
        &["--s2k-digest-algo", "SHA224"],
        &["--s2k-digest-algo", "SHA256"],
        &["--s2k-digest-algo", "SHA384"],
        &["--s2k-digest-algo", "SHA512"],
        &["--s2k-digest-algo", "RIPEMD160"],
        &["--s2k-mode", "0"],
        &["--s2k-mode", "1", "--s2k-digest-algo", "SHA1"],
        &["--s2k-mode", "3", "--s2k-count", "2048"],
        &["--s2k-mode", "3", "--s2k-count", "65011712"],
        &[
            "--cipher-algo",
            "AES",
            "--s2k-digest-algo",
            "SHA1",
            "-z",
            "0",
        ],
        &["--disable-mdc"],
        &["--set-filename", "backup.tar"],
        &["--textmode"],
        &["--openpgp", "--cipher-algo", "AES256"],
        &["--for-your-eyes-only"],
    ];
    let gpg = Gpg::new(SECRET)?;
    // Text, so that compression has something to do; more than one partial chunk of gpg's 8 KiB.
    let content = "Sixty words and sixty lines make a text of sixty words.\n"
        .repeat(600)
        .into_bytes();
    for way in ways {
        // gpg's own count, the highest, is what the tests by size have; here it would only cost minutes.
        let way = [&["--s2k-count", "2048"], *way].concat();
        let sealed_pipe = gpg.seal(&way, &content)?;
        let opened_pipe =
            opened(SECRET, &sealed_pipe).with_context(|| format!("gpg {way:?}, from a pipe"))?;
        let sealed_file = gpg.seal_file(&way, &content)?;
        let opened_file =
            opened(SECRET, &sealed_file).with_context(|| format!("gpg {way:?}, from a file"))?;
        if way.contains(&"--textmode") {
            ensure!(opened_pipe == opened_file, "gpg {way:?}");
        } else {
            ensure!(
                opened_pipe == content && opened_file == content,
                "gpg {way:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn what_gpg_can_do_besides_is_refused_by_name() -> Result<()> {
    let ways: &[(&str, &[&str])] = &[
        (
            "the message is encrypted with CAST5: only AES is supported",
            &["-c", "--cipher-algo", "CAST5"],
        ),
        (
            "the message is encrypted with 3DES: only AES is supported",
            &["-c", "--cipher-algo", "3DES"],
        ),
        (
            "the message is encrypted with Twofish: only AES is supported",
            &["-c", "--cipher-algo", "TWOFISH"],
        ),
        (
            "the message is encrypted with Camellia-256: only AES is supported",
            &["-c", "--cipher-algo", "CAMELLIA256"],
        ),
        (
            "the message has no integrity protection",
            &["-c", "--rfc2440", "--cipher-algo", "AES"],
        ),
        (
            "the message is in ASCII armor: take it off with gpg --dearmor",
            &["-c", "--armor"],
        ),
        (
            "the message is encrypted to a public key, not to a passphrase only",
            &["-e", "-r", gpg::USER],
        ),
        (
            "the message is encrypted to a public key, not to a passphrase only",
            &["-e", "-c", "-r", gpg::USER],
        ),
        (
            "the message holds something unexpected: One-Pass Signature Packet",
            &["-c", "--sign"],
        ),
        ("the message is not encrypted", &["--store"]),
        ("the message is not encrypted", &["--sign", "-z", "6"]),
    ];
    let gpg = Gpg::new(SECRET)?;
    gpg.make_key()?;
    for (text, way) in ways {
        let message = gpg
            .run(way, b"some words")
            .with_context(|| format!("gpg {way:?}"))?;
        let error = refusal(&message).with_context(|| format!("gpg {way:?}"))?;
        ensure!(error.to_string() == *text, "gpg {way:?}: {error}");
    }
    let twice = gpg.seal(&[], &gpg.seal(&[], b"some words")?)?;
    ensure!(
        opened(SECRET, &opened(SECRET, &twice)?)? == b"some words",
        "a message is content like any other"
    );
    Ok(())
}

/// The newer modes, which only `gpg` of 2.3 and later writes.
#[test]
fn the_ocb_mode_of_newer_gpg_is_refused_by_name() -> Result<()> {
    let gpg = Gpg::new(SECRET)?;
    match gpg.run(&["-c", "--force-ocb"], b"some words") {
        Ok(message) => {
            let error = refusal(&message)?;
            ensure!(matches!(error, OpenError::Aead { .. }), "{error}");
        }
        Err(error) => ensure!(format!("{error:#}").contains("force-ocb"), "{error:#}"),
    }
    Ok(())
}

#[test]
fn a_message_of_gpg_is_refused_when_touched_anywhere() -> Result<()> {
    let gpg = Gpg::new(SECRET)?;
    for way in [
        &["--s2k-count", "2048"][..],
        &["--s2k-count", "2048", "-z", "0"],
    ] {
        let message = gpg.seal(way, b"some words")?;
        ensure!(opened(SECRET, &message)? == b"some words");
        for at in 0..message.len() {
            refusal(&message[..at]).with_context(|| format!("cut to {at}"))?;
            for bit in 0..8 {
                let mut altered = message.clone();
                altered[at] ^= 1 << bit;
                refusal(&altered).with_context(|| format!("bit {bit} of byte {at}"))?;
            }
        }
        for byte in 0..=u8::MAX {
            refusal(&[&message[..], &[byte]].concat())
                .with_context(|| format!("extended by {byte}"))?;
        }
        refusal(&[&message[..], &message].concat()).context("twice")?;
    }
    Ok(())
}

#[test]
fn gpg_and_we_take_the_same_passphrase_from_the_same_file() -> Result<()> {
    for secret in [
        "short",
        "one line\n",
        "  with spaces around  ",
        "zażółć gęślą jaźń",
        &"long ".repeat(51),
        "\"quotes' and $dollars and \\ and %41",
    ] {
        let gpg = Gpg::new(secret)?;
        ensure!(
            gpg.open(&sealed(secret, b"some words")?)? == b"some words",
            "{secret:?}"
        );
        ensure!(
            opened(secret, &gpg.seal(&[], b"some words")?)? == b"some words",
            "{secret:?}"
        );
    }
    Ok(())
}

#[test]
fn a_message_that_was_not_finished_opens_nowhere() -> Result<()> {
    let gpg = Gpg::new(SECRET)?;
    for size in [10, 600_000] {
        let mut message = Vec::new();
        let mut sealer = seal(&mut message, &passphrase(SECRET)?)?;
        sealer.write_all(&noise(size))?;
        drop(sealer);
        ensure!(
            matches!(refusal(&message)?, OpenError::Truncated),
            "{size} bytes"
        );
        ensure!(gpg.open(&message).is_err(), "gpg, {size} bytes");
        ensure!(
            sequoia::open(SECRET, &message).is_err(),
            "Sequoia, {size} bytes"
        );
    }
    Ok(())
}

#[test]
fn a_wrong_passphrase_is_told_from_damage() -> Result<()> {
    let gpg = Gpg::new("another one")?;
    for message in [
        sealed("another one", b"some words")?,
        gpg.seal(&[], b"some words")?,
    ] {
        // By chance, one in 65,536 wrong keys gets past the first look at a message of gpg.
        let error = refusal(&message)?;
        ensure!(matches!(error, OpenError::WrongPassphrase), "{error}");
    }
    Ok(())
}
