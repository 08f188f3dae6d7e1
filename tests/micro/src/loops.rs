//! The hot loops, each over bytes in memory and into nothing.

use std::io::{self, Cursor, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use aes::Aes256Enc;
use aes::cipher::{Array, Block, BlockModeEncrypt, KeyIvInit};
use anyhow::{Context, Result};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use secrecy::SecretString;
use sha1::{Digest, Sha1};
use synapse_operator::openpgp::{Passphrase, open, seal};
use synapse_operator::{archive, backup};

/// Small enough to stay in the first-level cache, as the product has it.
const STEP: usize = 16 * 1024;

/// Steps that may be on their way from one thread to the other.
const WAITING: usize = 8;

/// How a pipe brings bytes to the sealer.
const PIECE: usize = 256 * 1024;

/// Bytes in no order, the same in every run.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(length + 8);
    while noise.len() < length {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        noise.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    noise.truncate(length);
    noise
}

/// A passphrase.
pub fn passphrase() -> Result<Passphrase> {
    Ok(Passphrase::parse(&SecretString::from(
        "correct horse battery staple",
    ))?)
}

/// SHA-1 alone: the least that opening takes.
pub fn sha1(data: &[u8]) -> usize {
    let mut digest = Sha1::new();
    data.chunks(STEP).for_each(|step| digest.update(step));
    usize::from(digest.finalize()[0])
}

/// SHA-1 and then AES-256 in CFB mode, step by step, one after the other: the least that sealing takes on one core.
pub fn both(data: &mut [u8]) -> usize {
    let mut digest = Sha1::new();
    let mut cipher = cfb_mode::Encryptor::<Aes256Enc>::new(&Array::default(), &Array::default());
    for step in data.chunks_mut(STEP) {
        digest.update(&*step);
        let (blocks, _) = Block::<Aes256Enc>::slice_as_chunks_mut(step);
        cipher.encrypt_blocks(blocks);
    }
    usize::from(digest.finalize()[0])
}

/// The same two on a thread each, which hand steps of a size to each other: what sealing could be on two cores.
pub fn apart(data: &[u8], step: usize) -> Result<usize> {
    let (filled, full) = mpsc::sync_channel::<Vec<u8>>(WAITING);
    let (emptied, empty) = mpsc::channel();
    for _ in 0..WAITING {
        emptied.send(vec![0; step])?;
    }
    std::thread::scope(|threads| -> Result<usize> {
        threads.spawn(move || {
            let (key, iv) = (Array::default(), Array::default());
            let mut cipher = cfb_mode::Encryptor::<Aes256Enc>::new(&key, &iv);
            for mut step in full {
                let (blocks, _) = Block::<Aes256Enc>::slice_as_chunks_mut(&mut step);
                cipher.encrypt_blocks(blocks);
                // Fails when no more are wanted.
                let _ = emptied.send(step);
            }
        });
        let mut digest = Sha1::new();
        for piece in data.chunks_exact(step) {
            let mut copy = empty.recv()?;
            copy.copy_from_slice(piece);
            digest.update(&copy);
            filled.send(copy)?;
        }
        // Nothing more comes: the other one ends.
        drop(filled);
        Ok(usize::from(digest.finalize()[0]))
    })
}

/// Seals into something, after the key has been derived.
pub fn seal_into<W: Write>(out: W, data: &[u8]) -> Result<W> {
    let mut sealer = seal(out, &passphrase()?)?;
    for piece in data.chunks(PIECE) {
        sealer.write_all(piece)?;
    }
    Ok(sealer.finish()?)
}

/// Seals two messages at once, a thread each: what several volumes at a time could be.
pub fn seal_two(data: &[u8]) -> Result<()> {
    let (one, other) = data.split_at(data.len() / 2);
    std::thread::scope(|threads| {
        let other = threads.spawn(|| seal_into(io::sink(), other).map(drop));
        seal_into(io::sink(), one)?;
        other.join().ok().context("the other panicked")?
    })
}

/// Bytes as gpg compresses them.
pub fn deflated(data: &[u8]) -> Result<Vec<u8>> {
    let mut deflater = DeflateEncoder::new(Vec::new(), Compression::default());
    deflater.write_all(data)?;
    Ok(deflater.finish()?)
}

/// Inflates to the end; gives the length.
pub fn inflate(deflated: &[u8]) -> Result<u64> {
    Ok(io::copy(
        &mut DeflateDecoder::new(deflated),
        &mut io::sink(),
    )?)
}

/// Lines of words, which can be compressed as a database of messages can.
pub fn prose(length: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "room", "message", "event", "user", "server", "media", "state", "key", "device", "thread",
        "reply", "edit", "call", "sync", "token", "join",
    ];
    let mut prose = Vec::with_capacity(length + 64);
    for (number, byte) in noise(length / 4).into_iter().enumerate() {
        let word = WORDS[usize::from(byte & 15)];
        prose.extend_from_slice(word.as_bytes());
        prose.push(if byte > 240 { b'\n' } else { b' ' });
        if byte > 250 {
            prose.extend_from_slice(number.to_string().as_bytes());
        }
    }
    prose.truncate(length);
    prose
}

/// A sealed message.
pub fn sealed(data: &[u8]) -> Result<Vec<u8>> {
    seal_into(Vec::with_capacity(data.len() + (1 << 20)), data)
}

/// Opens a message to its end; gives its length.
pub fn open_all(message: &'static [u8]) -> Result<u64> {
    let mut opened = open(Cursor::new(message), &passphrase()?)?;
    Ok(io::copy(&mut opened, &mut io::sink())?)
}

/// An archive of files of 256 KiB, as the stock `tar` writes it.
pub fn archived(data: &[u8]) -> Result<Vec<u8>> {
    let room = tempfile::tempdir()?;
    for (number, piece) in data.chunks(PIECE).enumerate() {
        std::fs::write(room.path().join(format!("{number:08}")), piece)?;
    }
    let mut tar = Command::new("tar");
    tar.args(["-c", "--format=gnu", "-C"]).arg(room.path());
    // Plain names: the reader takes no `./`.
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(room.path())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    let output = tar.args(names).stderr(Stdio::inherit()).output()?;
    anyhow::ensure!(output.status.success(), "tar failed");
    Ok(output.stdout)
}

/// Lets an archive pass through the reader, which digests every member.
pub fn archive(stream: &[u8]) -> Result<u64> {
    let passed = archive::pass(stream, io::sink(), |_| Ok(true), |_| Ok(()));
    Ok(passed.context("the archive does not pass")?.content)
}

/// Sends bytes through the pipe between two threads.
pub fn pipe(data: &[u8]) -> Result<u64> {
    let (mut writer, mut reader) = backup::micro::pipe();
    std::thread::scope(|threads| -> Result<u64> {
        let sent = threads.spawn(move || -> io::Result<()> {
            for piece in data.chunks(PIECE / 4) {
                writer.write_all(piece)?;
            }
            writer.finish()
        });
        let mut buffer = vec![0; PIECE];
        let mut received = 0;
        loop {
            match reader.read(&mut buffer)? {
                0 => break,
                read => received += read as u64,
            }
        }
        sent.join().ok().context("the writer panicked")??;
        Ok(received)
    })
}
