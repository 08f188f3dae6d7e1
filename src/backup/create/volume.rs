//! One volume on its way: four stages at work at once, and the inventory beside them.
//!
//! ```text
//! tar (Pebble) ==> names, digests (thread) ==> seal (thread) ==> volume's upload
//!                        \=> sealed inventory ================> inventory's upload
//! ```
//!
//! Each arrow is a pipe that ends well only if everything before it did; so an upload is completed only when `tar` gave
//! a good verdict, the archive was whole, and the message was finished.

use std::io::{self, Write};
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::{CreateError, Creation, INVENTORY, PartPlan, tar_command};
use crate::archive;
use crate::backup::catalogue::VOLUME;
use crate::backup::format::{Document, InventoryHeader, InventoryWriter, Volume};
use crate::backup::pipe::{Counted, PIECE, PipeReader, PipeWriter, broken, is_echo, pipe};
use crate::backup::{Catalogue, Monitor};
use crate::openpgp::{self, Passphrase, Sealer};
use crate::s3::{Bucket, Upload};

/// Parts that may be on their way at once.
const IN_FLIGHT: usize = 3;
/// What an archive adds to the contents: headers, padding, and room for growth while it is read.
const OVERHEAD_PER_MEMBER: u64 = 2048;
/// What a member takes in the inventory.
const INVENTORY_PER_MEMBER: u64 = 512;

/// A volume and its inventory, whole in the bucket.
pub(super) struct Sealed {
    pub(super) volume: Volume,
    pub(super) inventory: Document,
    pub(super) warnings: Vec<String>,
    pub(super) retries: u32,
}

type SealedPipe = Sealer<Counted<PipeWriter>>;

/// Uploads the volume and the inventory of one backup.
pub(super) async fn upload(
    creation: &Creation<'_>,
    header: &InventoryHeader,
    monitor: &Monitor,
) -> Result<Sealed, CreateError> {
    let (tar_out, archive_in) = pipe();
    let (archive_out, seal_in) = pipe();
    let (sealed_out, sealed_in) = pipe();
    let (inventory_out, inventory_in) = pipe();

    let content = creation.source.content;
    let members = creation.source.members;
    let plan = PartPlan::for_size(content + content / 20 + members * OVERHEAD_PER_MEMBER);
    let inventory_plan = PartPlan::for_size(members * INVENTORY_PER_MEMBER);
    let volume_key = Catalogue::key(creation.id, VOLUME);
    let inventory_key = Catalogue::key(creation.id, INVENTORY);
    let bucket = creation.catalogue.bucket();

    let (passphrase, header) = (Arc::clone(creation.passphrase), header.clone());
    let noting = tokio::task::spawn_blocking(move || {
        note(archive_in, archive_out, inventory_out, &passphrase, &header)
    });
    let passphrase = Arc::clone(creation.passphrase);
    let sealing = tokio::task::spawn_blocking(move || seal(seal_in, sealed_out, &passphrase));

    let volume = async {
        let (fed, noted, sealed, sent) = tokio::join!(
            feed(creation, tar_out, monitor),
            joined(noting),
            joined(sealing),
            send(bucket, &volume_key, plan, sealed_in),
        );
        let (warnings, (inventory, passed), (size, sha256), retries) =
            all(fed, noted, sealed, sent)?;
        let volume = Volume {
            name: VOLUME.to_owned(),
            size,
            sha256,
            members: passed.members,
            content: passed.content,
        };
        let volumes = [volume.clone()];
        let finishing = tokio::task::spawn_blocking(move || {
            finish(inventory.finish(&volumes).map_err(CreateError::Stream)?)
        });
        let document = joined(finishing).await?;
        Ok((volume, document, warnings, retries))
    };
    let inventory = send(bucket, &inventory_key, inventory_plan, inventory_in);

    let ((volume, (size, sha256), warnings, retries), again) = match tokio::join!(volume, inventory)
    {
        (Ok(volume), Ok(retries)) => (volume, retries),
        (Err(first), Err(second)) if first.is_echo() => return Err(second),
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    Ok(Sealed {
        volume,
        inventory: Document {
            name: INVENTORY.to_owned(),
            size,
            sha256,
        },
        warnings,
        retries: retries + again,
    })
}

/// Runs `tar` and passes on what it writes; the stream ends well only after `tar` did.
async fn feed(
    creation: &Creation<'_>,
    mut out: PipeWriter,
    monitor: &Monitor,
) -> Result<Vec<String>, CreateError> {
    let exec = tar_command::command(creation.source);
    let mut process = creation
        .client
        .exec(&exec)
        .await
        .map_err(CreateError::Source)?;
    let Some(mut stdout) = process.stdout.take() else {
        return Err(CreateError::Stream(broken()));
    };
    while let Some(piece) = stdout.chunk().await.map_err(CreateError::Stream)? {
        monitor.add(piece.len() as u64);
        if !out.send(piece).await {
            // Dropping the process kills `tar`; the stage that is gone says why.
            return Err(CreateError::Stream(broken()));
        }
    }
    let warnings = tar_command::verdict(process.wait(tar_command::ENDING).await)
        .map_err(CreateError::Source)?;
    out.end().await;
    Ok(warnings)
}

/// Reads the archive as it passes and notes every member in the inventory.
fn note(
    source: PipeReader,
    mut out: PipeWriter,
    inventory: PipeWriter,
    passphrase: &Passphrase,
    header: &InventoryHeader,
) -> Result<(InventoryWriter<SealedPipe>, archive::Passed), CreateError> {
    let sealer = openpgp::seal(Counted::new(inventory), passphrase).map_err(CreateError::Seal)?;
    let mut inventory = InventoryWriter::begin(sealer, header).map_err(CreateError::Stream)?;
    let passed = archive::pass(
        source,
        &mut out,
        |_| Ok(()),
        |member| inventory.add(&member),
    )?;
    out.finish().map_err(CreateError::Stream)?;
    Ok((inventory, passed))
}

/// Seals what passes; gives the size and digest of the sealed bytes.
fn seal(
    mut source: PipeReader,
    out: PipeWriter,
    passphrase: &Passphrase,
) -> Result<(u64, archive::Sha256Hex), CreateError> {
    let mut sealer = openpgp::seal(Counted::new(out), passphrase).map_err(CreateError::Seal)?;
    let mut buffer = vec![0; PIECE];
    loop {
        let read = io::Read::read(&mut source, &mut buffer).map_err(CreateError::Stream)?;
        if read == 0 {
            break;
        }
        sealer
            .write_all(&buffer[..read])
            .map_err(CreateError::Stream)?;
    }
    finish(sealer)
}

fn finish(sealer: SealedPipe) -> Result<(u64, archive::Sha256Hex), CreateError> {
    let (out, size, sha256) = sealer.finish().map_err(CreateError::Seal)?.into_parts();
    out.finish().map_err(CreateError::Stream)?;
    Ok((size, sha256))
}

/// Uploads what comes out of a pipe, and completes the upload only at the pipe's good end.
async fn send(
    bucket: &Bucket,
    key: &str,
    plan: PartPlan,
    mut pieces: PipeReader,
) -> Result<u32, CreateError> {
    let failed = |source| CreateError::Upload {
        key: key.to_owned(),
        source,
    };
    let mut upload = Upload::begin(bucket, key, plan, IN_FLIGHT)
        .await
        .map_err(failed)?;
    loop {
        let written = match pieces.next().await {
            Ok(Some(piece)) => {
                let written = upload.write(&piece).await.map_err(failed);
                pieces.give_back(piece);
                written
            }
            Ok(None) => break,
            Err(error) => Err(CreateError::Stream(error)),
        };
        if let Err(error) = written {
            if let Err(error) = upload.abort().await {
                tracing::warn!(key, %error, "the failed upload stays open in the bucket");
            }
            return Err(error);
        }
    }
    // Completing compares what the store has with what was sent.
    Ok(upload.complete().await.map_err(failed)?.retries)
}

async fn joined<T>(handle: JoinHandle<Result<T, CreateError>>) -> Result<T, CreateError> {
    handle.await.unwrap_or(Err(CreateError::Panicked))
}

/// All four stages' results, or the error of the stage that failed first: the others only broke off with it.
fn all<A, B, C, D>(
    first: Result<A, CreateError>,
    second: Result<B, CreateError>,
    third: Result<C, CreateError>,
    fourth: Result<D, CreateError>,
) -> Result<(A, B, C, D), CreateError> {
    match (first, second, third, fourth) {
        (Ok(a), Ok(b), Ok(c), Ok(d)) => Ok((a, b, c, d)),
        (a, b, c, d) => {
            let errors = [a.err(), b.err(), c.err(), d.err()];
            let mut errors: Vec<CreateError> = errors.into_iter().flatten().collect();
            let cause = errors
                .iter()
                .position(|error| !error.is_echo())
                .unwrap_or(0);
            Err(errors.swap_remove(cause))
        }
    }
}

impl CreateError {
    /// Whether this only says that another stage broke off.
    fn is_echo(&self) -> bool {
        is_echo(self)
    }
}
