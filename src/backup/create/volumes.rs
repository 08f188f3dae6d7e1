//! The volumes on their way: four stages at work at once, and the inventory beside them.
//!
//! ```text
//! tar (Pebble) ==> names, digests, cuts (thread) ==> seal (thread) ==> the volume's upload, one volume after the other
//!                        \=> sealed inventory ===================> the inventory's upload
//! ```
//!
//! Each arrow is a pipe that ends well only if everything before it did. A volume is complete when its archive, its
//! message and its upload are; whether `tar` had a good ending is known by the last one, and without it there is no
//! manifest.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::archives::{Begun, Notes};
use super::{CreateError, Creation, Group, INVENTORY, Tally, tar_command};
use crate::archive::{Passed, Sha256Hex};
use crate::backup::catalogue::volume_name;
use crate::backup::format::{Closing, InventoryHeader, InventoryWriter, Volume};
use crate::backup::pipe::{Counted, PipeReader, PipeWriter, broken, is_echo, pipe};
use crate::backup::{Catalogue, Monitor};
use crate::openpgp::{self, KEY_PACKET, MessageKey, Sealer};
use crate::s3::{Bucket, PartPlan, Upload};

/// What a message adds to an archive: a chunk's header for each 256 KiB, twice, and packets at both ends.
const SEAL_SHARE: u64 = 10_000;
const SEAL_ENDS: u64 = 64 * 1024;
/// What a member takes in the inventory: three times as much as usual.
const INVENTORY_PER_MEMBER: u64 = 1024;

pub(super) type SealedPipe = Sealer<Counted<PipeWriter>>;

/// Everything that was read, in volumes that are whole in the bucket.
pub(super) struct Read {
    pub(super) volumes: Vec<Volume>,
    pub(super) components: BTreeMap<String, Tally>,
    /// The inventory with all members in it, still open.
    pub(super) inventory: InventoryWriter<SealedPipe>,
    /// What `tar` said of files that changed.
    pub(super) changed: Vec<String>,
}

/// The inventory, whose upload goes on beside the volumes'.
pub(super) struct Document {
    pub(super) writer: InventoryWriter<SealedPipe>,
    pub(super) upload: DocumentUpload,
}

/// An upload that goes on by itself.
pub(super) struct DocumentUpload(JoinHandle<Result<(), CreateError>>);

impl Document {
    /// Begins the inventory and its upload.
    pub(super) async fn begin(
        creation: &Creation<'_>,
        header: &InventoryHeader,
    ) -> Result<Self, CreateError> {
        let (out, pieces) = pipe();
        let (passphrase, header) = (Arc::clone(creation.passphrase), header.clone());
        let beginning = spawn_blocking(move || {
            let sealer =
                openpgp::seal(Counted::new(out), &passphrase).map_err(CreateError::Seal)?;
            InventoryWriter::begin(sealer, &header).map_err(CreateError::Stream)
        });
        let members = creation.source.tally().members;
        let bucket = creation.catalogue.bucket().clone();
        let memory = creation.catalogue.memory();
        let plan = memory.plan_of_document(members * INVENTORY_PER_MEMBER);
        let key = Catalogue::key(creation.id, INVENTORY);
        let upload = tokio::spawn(async move { send(&bucket, &key, (plan, None), pieces).await });
        Ok(Self {
            writer: joined(beginning).await?,
            upload: DocumentUpload(upload),
        })
    }
}

impl DocumentUpload {
    /// Waits for the upload of an inventory that was finished.
    pub(super) async fn whole(self) -> Result<(), CreateError> {
        joined(self.0).await
    }

    /// Waits for the upload of an inventory that was given up; gives what failed first.
    pub(super) async fn failed(self, error: CreateError) -> CreateError {
        match joined(self.0).await {
            Err(own) if is_echo(&error) => own,
            Ok(_) | Err(_) => error,
        }
    }
}

/// A volume's key, which is found while other things are done.
pub(super) type Key = JoinHandle<Result<MessageKey, CreateError>>;

/// Begins to find a volume's key.
pub(super) fn key(creation: &Creation<'_>) -> Key {
    let passphrase = Arc::clone(creation.passphrase);
    spawn_blocking(move || MessageKey::new(&passphrase).map_err(CreateError::Seal))
}

/// Reads all groups, and uploads the volumes that they fill; `first` is the first one's key.
pub(super) async fn upload(
    creation: &Creation<'_>,
    first: Key,
    inventory: InventoryWriter<SealedPipe>,
    monitor: &Monitor,
) -> Result<Read, CreateError> {
    let (begun, volumes) = mpsc::channel(1);
    let notes = Notes {
        inventory,
        components: BTreeMap::new(),
        closed: Vec::new(),
        component: creation.source.component,
        watcher: Arc::clone(&creation.watcher),
    };
    // What is told of a request is large, and this is deep: without optimisation it would not fit the stack of a thread.
    let reading = Box::pin(read_groups(creation, notes, begun, monitor));
    let sealing = Box::pin(seal_volumes(creation, first, volumes));
    let (read, sealed) = tokio::join!(reading, sealing);
    let ((notes, changed), sealed) = match (read, sealed) {
        (Ok(read), Ok(sealed)) => (read, sealed),
        (read, sealed) => return Err(cause([read.err(), sealed.err()])),
    };
    let volumes = sealed.into_iter().zip(notes.closed);
    Ok(Read {
        volumes: volumes
            .map(|(sealed, passed)| sealed.volume(passed))
            .collect(),
        components: notes.components,
        inventory: notes.inventory,
        changed,
    })
}

async fn read_groups(
    creation: &Creation<'_>,
    mut notes: Notes,
    begun: mpsc::Sender<Begun>,
    monitor: &Monitor,
) -> Result<(Notes, Vec<String>), CreateError> {
    let mut changed = Vec::new();
    for group in &creation.source.groups {
        let (tar_out, stream) = pipe();
        let (begun, most) = (begun.clone(), creation.volume_size);
        let noting = spawn_blocking(move || notes.read(stream, most, begun));
        let (fed, noted) = tokio::join!(feed(creation, group, tar_out, monitor), joined(noting));
        match (fed, noted) {
            (Ok(differences), Ok(noted)) => {
                changed.extend(differences);
                notes = noted;
            }
            (fed, noted) => return Err(cause([fed.err(), noted.err()])),
        }
    }
    Ok((notes, changed))
}

/// Runs `tar` and passes on what it writes; the stream ends well only after `tar` did.
async fn feed(
    creation: &Creation<'_>,
    group: &Group,
    mut out: PipeWriter,
    monitor: &Monitor,
) -> Result<Vec<String>, CreateError> {
    let exec = tar_command::command(creation.source, group);
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
    let changed = tar_command::verdict(process.wait(tar_command::ENDING).await)
        .map_err(CreateError::Source)?;
    out.end().await;
    Ok(changed)
}

/// A volume whose object is whole in the bucket.
struct SealedVolume {
    key: String,
    size: u64,
    sha256: Sha256Hex,
}

impl SealedVolume {
    fn volume(self, passed: Passed) -> Volume {
        Volume {
            key: self.key,
            size: self.size,
            key_packet: KEY_PACKET,
            sha256: self.sha256,
            members: passed.members,
            content: passed.content,
        }
    }
}

/// Seals and uploads each volume as it is begun.
async fn seal_volumes(
    creation: &Creation<'_>,
    first: Key,
    mut volumes: mpsc::Receiver<Begun>,
) -> Result<Vec<SealedVolume>, CreateError> {
    let mut sealed = Vec::new();
    let mut next = Some(first);
    while let Some(Begun { archive, most }) = volumes.recv().await {
        let message_key = next.take().unwrap_or_else(|| key(creation));
        // Each group has a volume of its own, at least.
        if sealed.len() + 1 < creation.source.groups.len() {
            next = Some(key(creation));
        }
        let key = Catalogue::key(creation.id, &volume_name(sealed.len() + 1));
        let plan = creation.catalogue.memory().plan(sealed_size(most));
        let (out, pieces) = pipe();
        let sealing = async {
            let key = joined(message_key).await?;
            joined(spawn_blocking(move || seal(archive, out, key))).await
        };
        let bucket = creation.catalogue.bucket();
        // Only what is large and seldom read is worth a class of its own.
        let sending = Box::pin(send(bucket, &key, (plan, bucket.storage_class()), pieces));
        let (size, sha256) = match tokio::join!(sealing, sending) {
            (Ok(object), Ok(())) => object,
            (object, sent) => return Err(cause([object.err(), sent.err()])),
        };
        sealed.push(SealedVolume { key, size, sha256 });
    }
    Ok(sealed)
}

/// Seals what passes; gives the size of the sealed bytes, and the digest of those behind the key packet.
fn seal(
    mut source: PipeReader,
    out: PipeWriter,
    key: MessageKey,
) -> Result<(u64, Sha256Hex), CreateError> {
    let out = Counted::behind(KEY_PACKET, out);
    let mut sealer = openpgp::seal_with(out, key).map_err(CreateError::Seal)?;
    while let Some(piece) = source.blocking_next().map_err(CreateError::Stream)? {
        sealer.write_all(&piece).map_err(CreateError::Stream)?;
        source.give_back(piece);
    }
    let (out, size, sha256) = sealer.finish().map_err(CreateError::Seal)?.into_parts();
    out.finish().map_err(CreateError::Stream)?;
    Ok((size, sha256))
}

/// The most bytes that an archive has when it is sealed.
pub(in crate::backup) fn sealed_size(archive: u64) -> u64 {
    archive + archive / SEAL_SHARE + SEAL_ENDS
}

/// Ends the inventory and its message.
pub(super) async fn finish(
    inventory: InventoryWriter<SealedPipe>,
    closing: Closing,
) -> Result<(), CreateError> {
    let ending = spawn_blocking(move || {
        let sealer = inventory.finish(&closing).map_err(CreateError::Stream)?;
        let (out, ..) = sealer.finish().map_err(CreateError::Seal)?.into_parts();
        out.finish().map_err(CreateError::Stream)
    });
    joined(ending).await
}

/// Uploads what comes out of a pipe, and completes the upload only at the pipe's good end.
async fn send(
    bucket: &Bucket,
    key: &str,
    (plan, class): (PartPlan, Option<&str>),
    mut pieces: PipeReader,
) -> Result<(), CreateError> {
    let failed = |source| CreateError::Upload {
        key: key.to_owned(),
        source,
    };
    let in_flight = bucket.in_flight();
    let mut upload = Upload::begin_in_class(bucket, key, plan, in_flight, class)
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
    upload.complete().await.map_err(failed)?;
    Ok(())
}

async fn joined<T>(handle: JoinHandle<Result<T, CreateError>>) -> Result<T, CreateError> {
    handle.await.unwrap_or(Err(CreateError::Panicked))
}

/// The error of the stage that failed first; the others only broke off with it.
fn cause<const N: usize>(errors: [Option<CreateError>; N]) -> CreateError {
    let mut errors: Vec<CreateError> = errors.into_iter().flatten().collect();
    let first = errors.iter().position(|error| !is_echo(error)).unwrap_or(0);
    errors.swap_remove(first)
}
