//! One large OpenPGP message, sealed by us and opened by `gpg`, and the other way.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use synapse_operator::openpgp::{Passphrase, open, seal};

use super::peer::{end_agent, gpg};
use super::process;

const PASSPHRASE: &str = "correct horse battery staple";
const STEP: usize = 256 * 1024;

/// One direction of one side.
pub(super) struct Passage {
    /// What was done, and by whom.
    pub(super) what: &'static str,
    /// Wall seconds.
    pub(super) wall: f64,
    /// Seconds on the processors.
    pub(super) cpu: f64,
}

/// Sends `size` bytes there and back in each pairing, and compares what comes out.
pub(super) fn round_trips(directory: &Path, size: u64) -> Result<Vec<Passage>> {
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    fs::write(directory.join("passphrase"), format!("{PASSPHRASE}\n"))?;
    let plain = directory.join("plain");
    io::copy(
        &mut File::open("/dev/urandom")?.take(size),
        &mut File::create(&plain)?,
    )?;
    let digest = digest(&mut File::open(&plain)?)?;
    let passages = all(directory, &plain, &digest);
    end_agent(directory);
    fs::remove_dir_all(directory)?;
    passages
}

fn all(directory: &Path, plain: &Path, digest: &[u8]) -> Result<Vec<Passage>> {
    let (ours, theirs) = (directory.join("ours.gpg"), directory.join("theirs.gpg"));
    let passphrase = Passphrase::parse(&PASSPHRASE.into())?;
    let sealed_by_us = by_us("sealed by us", || {
        let mut sealer = seal(File::create(&ours)?, &passphrase)?;
        pour(&mut File::open(plain)?, &mut sealer)?;
        sealer.finish()?;
        Ok(())
    })?;
    let opened_by_gpg = by_gpg("... opened by gpg", directory, &["-d"], &ours, |out| {
        ensure!(
            self::digest(out)? == digest,
            "gpg opens something else than what we sealed"
        );
        Ok(())
    })?;
    let sealed_by_gpg = by_gpg(
        "sealed by gpg -z 0",
        directory,
        &["-z", "0", "--symmetric"],
        plain,
        |out| {
            io::copy(out, &mut File::create(&theirs)?)?;
            Ok(())
        },
    )?;
    let opened_by_us = by_us("... opened by us", || {
        let mut opened = open(File::open(&theirs)?, &passphrase)?;
        let found = self::digest(&mut opened)?;
        let bytes = opened.authenticate()?.plaintext_bytes();
        ensure!(
            bytes == fs::metadata(plain)?.len() && found == digest,
            "we open something else than what gpg sealed"
        );
        Ok(())
    })?;
    Ok(vec![
        sealed_by_us,
        opened_by_gpg,
        sealed_by_gpg,
        opened_by_us,
    ])
}

fn by_us(what: &'static str, work: impl FnOnce() -> Result<()>) -> Result<Passage> {
    let own = std::process::id();
    let (began, before) = (Instant::now(), process::cpu(own));
    work()?;
    Ok(Passage {
        what,
        wall: began.elapsed().as_secs_f64(),
        cpu: (process::cpu(own) - before).own,
    })
}

fn by_gpg(
    what: &'static str,
    home: &Path,
    arguments: &[&str],
    input: &Path,
    take: impl FnOnce(&mut dyn Read) -> Result<()>,
) -> Result<Passage> {
    let began = Instant::now();
    let mut command = gpg(home);
    command
        .args(arguments)
        .stdin(File::open(input)?)
        .stdout(Stdio::piped());
    let mut child: Child = command.spawn().context("failed to start gpg")?;
    let mut output = child.stdout.take().context("gpg has no output")?;
    let taken = take(&mut output);
    drop(output);
    let readings = process::await_all(began, &mut [("gpg", child)])?;
    taken?;
    let reading = readings.first().copied().unwrap_or_default();
    Ok(Passage {
        what,
        wall: reading.wall,
        cpu: reading.cpu.own,
    })
}

fn digest(source: &mut dyn Read) -> Result<Vec<u8>> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; STEP];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(digest.finalize().to_vec()),
            read => digest.update(&buffer[..read]),
        }
    }
}

fn pour(source: &mut dyn Read, sink: &mut dyn Write) -> Result<()> {
    let mut buffer = vec![0; STEP];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(()),
            read => sink.write_all(&buffer[..read])?,
        }
    }
}
