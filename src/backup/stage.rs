//! Brings a backup into a private directory beside the live data, and proves it whole.
//!
//! ```text
//! bucket ==> open (thread) ==> names, digests (thread) ==> tar -x (Pebble), into staging/<volume>
//!                                                   all volumes whole: joined in staging/data
//! ```
//!
//! Plaintext is not to be trusted before its message has ended well, and by then `tar` has unpacked it. That is why it
//! goes to staging, and why [`Staged`], which the swap asks for, can be made nowhere but here.
//!
//! A run that was cut off is continued by the next one of the same backup: volumes that were whole are compared with the
//! sealed inventory, file by file, and not fetched again.

mod admission;
mod ledger;
mod recheck;
mod tree;
mod volume;

use std::io::{self, Read as _};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::catalogue::INVENTORY;
use super::format::{Inventory, MemberDigest, Members, Tally, Volume};
use super::pipe::{Counter, PipeReader, PipeWriter, broken, is_echo, pipe};
use super::preflight::Sealed;
use super::{Catalogue, Manifest, Monitor, Phase, Place, RestoreError, Scope};
use crate::archive::{Member, Sha256Hex};
use crate::openpgp::{self, Authenticated, OpenError, Passphrase};
use crate::pebble;
use ledger::Ledger;
pub(super) use ledger::{BACKUP, is_marker, marker_of};
use recheck::Recheck;
use tree::Census;
pub(super) use volume::{Reading, Unpacking, Whole, open};

/// Reports of the recheck that may wait to be told: a number each.
const REPORTS: usize = 16;

/// Proof that everything in the staging directory is authentic and complete.
///
/// Holds the tokens of the messages that were opened for it: the inventory, and every volume that this run has
/// unpacked. What an earlier run had unpacked was compared with the inventory. Only [`stage`] makes it.
pub(super) struct Staged {
    scope: Scope,
    _messages: Vec<Authenticated>,
}

impl Staged {
    /// The parts of a data directory that are staged.
    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }
}

/// What a restore takes of a backup.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The parts of the data directory that are swapped.
    pub(super) scope: Scope,
    /// The parts that are staged: what a fix-up looks up may be among them, and is not swapped.
    pub(super) staged: Scope,
    /// The volumes that hold them.
    pub(super) volumes: Vec<Volume>,
    /// What all members of these volumes come to.
    pub(super) members: Members,
    /// How much of that is staged.
    pub(super) taken: Tally,
    /// How many members are swapped.
    pub(super) swapped: u64,
}

impl Wanted {
    /// All of a backup.
    pub(super) fn all(inventory: &Inventory) -> Self {
        Self {
            scope: inventory.places.clone(),
            staged: inventory.places.clone(),
            volumes: inventory.volumes.clone(),
            members: inventory.members.clone(),
            taken: Tally {
                members: inventory.members.count,
                content: inventory.members.content,
            },
            swapped: inventory.members.count,
        }
    }
}

/// An inventory that was read to the authenticated end of its message.
pub(super) struct Opened<S> {
    pub(super) inventory: Inventory,
    pub(super) message: Authenticated,
    /// Which of the passphrases has opened it.
    pub(super) passphrase: usize,
    /// What was made of the members.
    pub(super) state: S,
}

/// Opens the sealed inventory of a backup, and shows each member to `each` on the way.
///
/// What that has made of them counts only now.
pub(super) async fn visit<S: Send + 'static>(
    catalogue: &Catalogue,
    passphrases: &[Arc<Passphrase>],
    manifest: &Manifest,
    mut state: S,
    each: impl Fn(&mut S, &Member) + Send + 'static,
) -> Result<Opened<S>, RestoreError> {
    let (out, sealed) = pipe();
    let passphrases = passphrases.to_vec();
    let place = manifest.id.clone();
    let reading = spawn_blocking(move || {
        let (mut opened, passphrase) = unlock(sealed, &passphrases)?;
        let source = io::BufReader::new(&mut opened);
        let read = Inventory::read(source, &place, |member| each(&mut state, member));
        // What the message says counts only after its end was checked: a forged one is told as forged.
        let message = opened.authenticate().map_err(RestoreError::Open)?;
        Ok(Opened {
            inventory: read?,
            message,
            passphrase,
            state,
        })
    });
    let key = Catalogue::key(&manifest.id, INVENTORY);
    let (downloaded, opened) = tokio::join!(download(catalogue, (&key, 0), out), joined(reading));
    match (downloaded, opened) {
        (Ok(_), Ok(opened)) => Ok(opened),
        (downloaded, opened) => Err(cause([downloaded.err(), opened.err()]).of(&key)),
    }
}

/// A message whose head was read before the rest.
type Headed = io::Chain<io::Cursor<Vec<u8>>, PipeReader>;

/// Opens a message with the first passphrase among these that fits; tells which that is.
///
/// The head of the message is enough to know. When none fits, the message is told to be of a wrong passphrase, and when
/// there is something else about its head, that is told.
pub(super) fn unlock(
    mut source: PipeReader,
    passphrases: &[Arc<Passphrase>],
) -> Result<(openpgp::Untrusted<Headed>, usize), RestoreError> {
    let mut head = Vec::new();
    let read = source.by_ref().take(openpgp::HEAD).read_to_end(&mut head);
    read.map_err(|error| RestoreError::Open(OpenError::Read(Arc::new(error))))?;
    let mut fitting = 0;
    // The key of a single one is derived only once: opening tells whether it fits.
    if passphrases.len() > 1 {
        for (at, passphrase) in passphrases.iter().enumerate() {
            if openpgp::unlocks(&head, passphrase).map_err(RestoreError::Open)? {
                fitting = at;
                break;
            }
        }
    }
    let Some(passphrase) = passphrases.get(fitting) else {
        return Err(RestoreError::Open(OpenError::WrongPassphrase));
    };
    let whole = io::Cursor::new(head).chain(source);
    let opened = openpgp::open(whole, passphrase).map_err(RestoreError::Open)?;
    Ok((opened, fitting))
}

/// What is staged already takes so many bytes and inodes of the data volume, be it of this backup or of another one.
///
/// [`stage`] uses them again or frees them, so whoever asks for room may count them as free.
pub(super) fn staged_room(place: &Place) -> io::Result<(u64, u64)> {
    let census = Census::of(&place.staging())?;
    let inodes = census.files + census.directories + census.others;
    Ok((census.bytes, inodes))
}

/// Brings a backup into the staging directory at `place`, which is all this function's own.
///
/// On an error, volumes that are whole stay for the next run; without one, nothing stays.
pub(super) async fn stage(
    client: &pebble::Client,
    (catalogue, passphrases): (&Catalogue, &[Arc<Passphrase>]),
    sealed: Sealed,
    place: &Place,
    monitor: &Monitor,
) -> Result<Staged, RestoreError> {
    let Sealed {
        manifest,
        inventory,
        message,
        wanted,
        heritage,
        ..
    } = sealed;
    let ledger = Ledger::new(place, &inventory, &wanted);
    let reading = Reading {
        catalogue,
        passphrases,
        place,
        monitor,
        heritage,
    };
    let unpacking = Unpacking { client, reading };
    let backup = (&manifest, &inventory, &wanted);
    let staged = all(&unpacking, backup, &ledger, vec![message]).await;
    if staged.is_err() {
        let kept = on_disk(&ledger, Ledger::keep_whole).await;
        if let Err(error) = kept {
            tracing::warn!(%error, "what was staged stays on the data volume");
        }
    }
    staged
}

async fn all(
    unpacking: &Unpacking<'_>,
    (manifest, inventory, wanted): (&Manifest, &Inventory, &Wanted),
    ledger: &Ledger,
    mut messages: Vec<Authenticated>,
) -> Result<Staged, RestoreError> {
    // A part is fetched anew: what of its volumes was not wanted is not there to be looked at again.
    let again = match wanted.scope == inventory.places {
        true => recheck(unpacking, manifest, ledger).await?,
        false => None,
    };
    let mut digest = MemberDigest::default();
    let mut whole = 0;
    match again {
        Some(again) => {
            digest = again.digest;
            whole = again.volumes;
            messages.push(again.message);
        }
        None => on_disk(ledger, Ledger::begin).await?,
    }
    let rest = &wanted.volumes[whole..];
    let content = rest.iter().map(|volume| volume.content).sum();
    unpacking.reading.monitor.enter(Phase::Staging, content);
    for volume in rest {
        let into = ledger.prepare(volume)?;
        let parts = (&inventory.places, &wanted.staged);
        let unpacked = unpacking.unpack(parts, volume, digest, &into).await?;
        let Whole { message, files, .. } = unpacked;
        let noted = volume.clone();
        on_disk(ledger, move |ledger| ledger.finish(&noted, files)).await?;
        digest = unpacked.digest;
        messages.push(message);
    }
    let joined = match agree(&wanted.members, digest.finish()) {
        Ok(()) => on_disk(ledger, Ledger::join).await,
        other => other,
    };
    if let Err(error) = joined {
        // Each volume is what the inventory names, and together they are not: no next run could do better.
        on_disk(ledger, Ledger::clear).await?;
        return Err(error);
    }
    Ok(Staged {
        scope: wanted.scope.clone(),
        _messages: messages,
    })
}

/// What an earlier run has staged, and is as the inventory says.
struct Again {
    volumes: usize,
    digest: MemberDigest,
    message: Authenticated,
}

/// Compares what an earlier run has staged with the sealed inventory; `None` when nothing of it can be used.
async fn recheck(
    unpacking: &Unpacking<'_>,
    manifest: &Manifest,
    ledger: &Ledger,
) -> Result<Option<Again>, RestoreError> {
    let whole = ledger.whole();
    // What the Python charm made has no inventory to compare with.
    if whole.is_empty() || unpacking.reading.heritage.is_some() {
        return Ok(None);
    }
    let volumes = whole.len();
    let content = whole.iter().map(|volume| volume.content).sum();
    let monitor = unpacking.reading.monitor;
    monitor.enter(Phase::Rechecking, content);
    on_disk(ledger, Ledger::keep_whole).await?;

    let (progress, mut reports) = mpsc::channel(REPORTS);
    let telling = async {
        while let Some(bytes) = reports.recv().await {
            monitor.add(bytes);
        }
    };
    let comparing = async {
        let Reading {
            catalogue,
            passphrases,
            ..
        } = unpacking.reading;
        let recheck = Recheck::new(ledger.clone(), progress);
        let opened = visit(catalogue, passphrases, manifest, recheck, Recheck::member).await?;
        // It ends the reports too.
        let compared = spawn_blocking(move || Ok(opened.state.finish()));
        Ok::<_, RestoreError>((opened.message, joined(compared).await?))
    };
    let (compared, ()) = tokio::join!(comparing, telling);
    match compared? {
        (message, Ok(digest)) => Ok(Some(Again {
            volumes,
            digest,
            message,
        })),
        (_, Err(difference)) => {
            tracing::warn!(%difference, "what was staged before is not used");
            Ok(None)
        }
    }
}

/// Does something to the staging directory that may take a while.
async fn on_disk(
    ledger: &Ledger,
    work: impl FnOnce(&Ledger) -> Result<(), RestoreError> + Send + 'static,
) -> Result<(), RestoreError> {
    let ledger = ledger.clone();
    joined(spawn_blocking(move || work(&ledger))).await
}

/// Downloads one object into a pipe; gives its size, and the digest of what is behind its key packet.
async fn download(
    catalogue: &Catalogue,
    (key, key_packet): (&str, u64),
    mut out: PipeWriter,
) -> Result<(u64, Sha256Hex), RestoreError> {
    let failed = |source| RestoreError::Download {
        key: key.to_owned(),
        source,
    };
    let mut counter = Counter::behind(key_packet);
    let mut body = catalogue.bucket().fetch(key).await.map_err(failed)?;
    while let Some(piece) = body.chunk().await.map_err(failed)? {
        counter.count(&piece);
        if !out.send(piece).await {
            return Err(RestoreError::Stream(broken()));
        }
    }
    out.end().await;
    Ok(counter.finish())
}

/// What was unpacked must be what the inventory lists, member for member.
pub(super) fn agree(listed: &Members, unpacked: Members) -> Result<(), RestoreError> {
    if *listed == unpacked {
        return Ok(());
    }
    Err(RestoreError::OtherMembers {
        expected: listed.count,
        unpacked: unpacked.count,
    })
}

pub(super) async fn joined<T>(
    handle: JoinHandle<Result<T, RestoreError>>,
) -> Result<T, RestoreError> {
    handle.await.unwrap_or(Err(RestoreError::Panicked))
}

/// The error of the stage that failed first; the others only broke off with it.
pub(super) fn cause<const N: usize>(errors: [Option<RestoreError>; N]) -> RestoreError {
    let mut errors: Vec<RestoreError> = errors.into_iter().flatten().collect();
    let first = errors.iter().position(|error| !is_echo(error)).unwrap_or(0);
    errors.swap_remove(first)
}

#[cfg(test)]
mod tests;
