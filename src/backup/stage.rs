//! Brings a backup into a private directory beside the live data, and proves it whole.
//!
//! ```text
//! bucket ==> open (thread) ==> names, digests (thread) ==> tar -x (Pebble), into staging
//! ```
//!
//! Plaintext is not to be trusted before its message has ended well, and by then `tar` has unpacked it. That is why it
//! goes to staging, and why [`Staged`], which the swap asks for, can be made nowhere but here.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;

use super::format::{Inventory, MemberDigest, Members};
use super::pipe::{Counter, PIECE, PipeReader, PipeWriter, broken, is_echo, pipe};
use super::restore::RestoreError;
use super::{Catalogue, Manifest, Monitor, Place};
use crate::archive::{self, Sha256Hex};
use crate::openpgp::{self, Authenticated, Passphrase};
use crate::pebble;

/// See the same constant of the creating side.
const DEADLINE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long `tar` may take to end after its last byte: it may still be writing to a slow disk.
const ENDING: Duration = Duration::from_secs(15 * 60);

/// The most that a member's headers and padding take in an archive.
const PER_MEMBER: u64 = 16 * 1024;
/// The most that the end of an archive takes: a whole record of tar's.
const PER_ARCHIVE: u64 = 1024 * 1024;

/// Proof that everything in the staging directory is authentic and complete.
///
/// Holds the tokens of the messages it came from. Only [`stage`] makes it.
pub(super) struct Staged {
    _messages: Vec<Authenticated>,
}

/// Opens the sealed inventory of a backup, and reads it to its authenticated end.
pub(super) async fn inventory(
    catalogue: &Catalogue,
    passphrase: &Arc<Passphrase>,
    manifest: &Manifest,
) -> Result<(Inventory, Authenticated), RestoreError> {
    let (out, sealed) = pipe();
    let passphrase = Arc::clone(passphrase);
    let place = manifest.id.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut opened = openpgp::open(sealed, &passphrase).map_err(RestoreError::Open)?;
        let read = Inventory::read(io::BufReader::new(&mut opened), &place);
        // What the message says counts only after its end was checked: a forged one is told as forged.
        let message = opened.authenticate().map_err(RestoreError::Open)?;
        Ok((read?, message))
    });
    let document = &manifest.inventory;
    let key = Catalogue::key(&manifest.id, &document.name);
    let (downloaded, opened) = tokio::join!(download(catalogue, &key, out), joined(reading));
    let (object, opened) = match (downloaded, opened) {
        (Ok(object), Ok(opened)) => (object, opened),
        (downloaded, opened) => return Err(cause([downloaded.err(), opened.err()])),
    };
    if object != (document.size, document.sha256.clone()) {
        return Err(RestoreError::OtherObject(document.name.clone()));
    }
    Ok(opened)
}

/// Unpacks every volume into `place.staging`, which is there and empty.
pub(super) async fn stage(
    client: &pebble::Client,
    catalogue: &Catalogue,
    passphrase: &Arc<Passphrase>,
    (inventory, message): (&Inventory, Authenticated),
    place: &Place,
    monitor: &Monitor,
) -> Result<Staged, RestoreError> {
    let mut digest = MemberDigest::default();
    let mut messages = vec![message];
    for volume in &inventory.volumes {
        let key = Catalogue::key(&inventory.id, &volume.name);
        let (opened_out, opened) = pipe();
        let (sealed_out, sealed) = pipe();
        let (tar_out, tar_in) = pipe();
        let passphrase = Arc::clone(passphrase);
        let most = volume.content + volume.members * PER_MEMBER + PER_ARCHIVE;
        let opening =
            tokio::task::spawn_blocking(move || open(sealed, opened_out, &passphrase, most));
        let noting = tokio::task::spawn_blocking(move || note(opened, tar_out, digest));
        let (downloaded, opened, noted, unpacked) = tokio::join!(
            download(catalogue, &key, sealed_out),
            joined(opening),
            joined(noting),
            unpack(client, tar_in, place, monitor),
        );
        let (object, message, noted) = match (downloaded, opened, noted, unpacked) {
            (Ok(object), Ok(message), Ok(noted), Ok(())) => (object, message, noted),
            (downloaded, opened, noted, unpacked) => {
                return Err(cause([
                    downloaded.err(),
                    opened.err(),
                    noted.err(),
                    unpacked.err(),
                ]));
            }
        };
        if object != (volume.size, volume.sha256.clone()) {
            return Err(RestoreError::OtherObject(volume.name.clone()));
        }
        messages.push(message);
        digest = noted;
    }
    agree(inventory, digest.finish())?;
    Ok(Staged {
        _messages: messages,
    })
}

/// Downloads one object into a pipe; gives its size and digest.
async fn download(
    catalogue: &Catalogue,
    key: &str,
    mut out: PipeWriter,
) -> Result<(u64, Sha256Hex), RestoreError> {
    let failed = |source| RestoreError::Download {
        key: key.to_owned(),
        source,
    };
    let mut counter = Counter::default();
    let mut body = catalogue.bucket().get(key).await.map_err(failed)?;
    while let Some(piece) = body.chunk().await.map_err(failed)? {
        counter.count(&piece);
        if !out.send(piece).await {
            return Err(RestoreError::Stream(broken()));
        }
    }
    out.end().await;
    Ok(counter.finish())
}

/// Opens a volume as it passes; the plaintext ends well only after the message did.
fn open(
    source: PipeReader,
    mut out: PipeWriter,
    passphrase: &Passphrase,
    most: u64,
) -> Result<Authenticated, RestoreError> {
    let opened = openpgp::open(source, passphrase).map_err(RestoreError::Open)?;
    let mut opened = opened.at_most(most);
    let mut buffer = vec![0; PIECE];
    // An error of reading is repeated by `authenticate`, under its own name.
    while let Ok(read @ 1..) = opened.read(&mut buffer) {
        out.write_all(&buffer[..read])
            .map_err(RestoreError::Stream)?;
    }
    let message = opened.authenticate().map_err(RestoreError::Open)?;
    out.finish().map_err(RestoreError::Stream)?;
    Ok(message)
}

/// Reads the archive as it passes and adds every member to the digest.
fn note(
    source: PipeReader,
    mut out: PipeWriter,
    mut digest: MemberDigest,
) -> Result<MemberDigest, RestoreError> {
    archive::pass(
        source,
        &mut out,
        |_| Ok(()),
        |member| digest.add(&member).map(drop),
    )?;
    out.finish().map_err(RestoreError::Stream)?;
    Ok(digest)
}

/// Feeds `tar -x`. Its input ends only if everything before it ended well; otherwise it is killed first.
async fn unpack(
    client: &pebble::Client,
    mut pieces: PipeReader,
    place: &Place,
    monitor: &Monitor,
) -> Result<(), RestoreError> {
    let directory = format!("--directory={}", place.staging_in_workload());
    let command = [
        "tar",
        "--extract",
        "--file=-",
        "--preserve-permissions",
        "--no-same-owner",
        &directory,
    ];
    let exec = pebble::Exec::new(command)
        .env("LC_ALL", "C")
        .user(place.user_id, place.group_id)
        .timeout(DEADLINE);
    let mut process = client.exec(&exec).await.map_err(RestoreError::Unpack)?;
    let Some(mut stdin) = process.stdin.take() else {
        return Err(RestoreError::Stream(broken()));
    };
    let broke_off = loop {
        match pieces.next().await {
            Ok(Some(piece)) => {
                monitor.add(piece.len() as u64);
                if stdin.write_all(&piece).await.is_err() {
                    // tar is gone; how it ended says why.
                    break None;
                }
                pieces.give_back(piece);
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    if let Some(error) = broke_off {
        // Killed before its input is closed: `tar` must not take a broken stream for the end of a good one.
        if let Err(error) = process.kill().await {
            tracing::warn!(%error, "tar may still run");
        }
        return Err(RestoreError::Stream(error));
    }
    stdin.end().await.map_err(RestoreError::Stream)?;
    process
        .wait(ENDING)
        .await
        .map(drop)
        .map_err(RestoreError::Unpack)
}

/// What was unpacked must be what the inventory lists, member for member.
fn agree(inventory: &Inventory, unpacked: Members) -> Result<(), RestoreError> {
    if inventory.members == unpacked {
        return Ok(());
    }
    Err(RestoreError::OtherMembers {
        expected: inventory.members.count,
        unpacked: unpacked.count,
    })
}

async fn joined<T>(handle: JoinHandle<Result<T, RestoreError>>) -> Result<T, RestoreError> {
    handle.await.unwrap_or(Err(RestoreError::Panicked))
}

/// The error of the stage that failed first; the others only broke off with it.
fn cause<const N: usize>(errors: [Option<RestoreError>; N]) -> RestoreError {
    let mut errors: Vec<RestoreError> = errors.into_iter().flatten().collect();
    let first = errors.iter().position(|error| !is_echo(error)).unwrap_or(0);
    errors.swap_remove(first)
}
