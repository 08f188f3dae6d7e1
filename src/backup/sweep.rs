//! What runs that were killed have left in the bucket, and how it is removed.
//!
//! ```text
//! open uploads, as the store lists them    \
//! notes of own uploads (uploads/*.json)     > older than two leases, of nobody who is at work ---> aborted, deleted
//! objects of backups without a manifest    /
//! ```
//!
//! Nothing is touched but keys of our own shape below the relation's path. What is older than two leases was left by
//! somebody who is gone: whoever works renews a lease more often, and only the holder of one may sweep. A run that lost
//! its lease and goes on all the same finds its volumes gone before it commits, and fails. What a failed run has to say
//! stays, and so does a volume that another backup's manifest refers to.

mod leftovers;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use tracing::{debug, info, warn};

use super::catalogue::{MANIFEST, parse, store};
use super::{BackupId, Catalogue, CatalogueError};
use crate::s3::{NotedUpload, OpenUpload};
use leftovers::{Folder, Terms, earlier, own};

/// What every key of a backup begins with.
const PREFIX: &str = "backup-";
/// Written by whoever sweeps a moment ago: its time is the store's own.
const LEASE: &str = "lease.json";
/// Two leases.
const AGE: SignedDuration = SignedDuration::from_mins(4);
/// When a note of an upload that is none of a backup's is given up.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// The most objects that one sweep looks at closely.
const MOST: usize = 100_000;
/// Manifests that are read at once.
const READERS: usize = 16;

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Uploads that were open.
    pub uploads: usize,
    /// Objects of backups that were never finished.
    pub objects: usize,
    /// Bytes of these.
    pub bytes: u64,
}

impl Swept {
    /// Whether there was nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Catalogue {
    /// Removes what killed runs have left; to be called by the holder of the lease.
    ///
    /// A store that cannot list uploads is asked by the notes of them. What the store keeps is tried again the next time.
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, CatalogueError> {
        let at_work = match self.at_work(now).await {
            Ok(at_work) => at_work,
            Err(error) => {
                debug!(%error, "nobody tells who is at work: nothing is swept");
                return Ok(Swept::default());
            }
        };
        let lease = self.bucket().stat(LEASE).await;
        let lease = lease.map_err(store("sweep the bucket"))?;
        let written = lease.and_then(|lease| lease.modified);
        let terms = Terms {
            before: earlier(written.unwrap_or(now), AGE),
            live: at_work.and_then(|work| work.backup),
        };
        let mut swept = Swept::default();
        self.sweep_uploads(&terms, &mut swept).await;
        self.sweep_notes(&terms, &mut swept).await?;
        self.sweep_objects(&terms, &mut swept).await?;
        if !swept.is_empty() {
            let Swept {
                uploads,
                objects,
                bytes,
            } = swept;
            info!(uploads, objects, bytes, "swept what killed runs had left");
        }
        Ok(swept)
    }

    /// Aborts open uploads, where the store can list them.
    async fn sweep_uploads(&self, terms: &Terms, swept: &mut Swept) {
        let uploads = match self.bucket().open_uploads().await {
            Ok(uploads) => uploads,
            Err(error) => {
                debug!(%error, "the store does not list uploads");
                return;
            }
        };
        for upload in uploads.iter().filter(|upload| terms.may_abort(upload)) {
            swept.uploads += usize::from(self.abort(upload).await);
        }
    }

    /// Aborts the uploads of which only a note tells, and takes the notes away.
    async fn sweep_notes(&self, terms: &Terms, swept: &mut Swept) -> Result<(), CatalogueError> {
        let noted = self.bucket().noted_uploads().await;
        let noted = noted.map_err(store("read the notes of uploads"))?;
        let mut over = Vec::new();
        for NotedUpload { note, upload } in noted {
            let old = upload
                .initiated
                .is_some_and(|noted| noted < earlier(terms.before, DAY));
            let stray = own(&upload.key).is_none() && old;
            if (stray || terms.may_abort(&upload)) && self.is_open(&upload, swept).await {
                over.push(note);
            }
        }
        if !over.is_empty() {
            let deletion = self.bucket().delete(&over).await;
            let deletion = deletion.map_err(store("delete the notes of uploads"))?;
            if let Some(kept) = deletion.failed.first() {
                warn!(key = kept.key, code = kept.code, "the store keeps a note");
            }
        }
        Ok(())
    }

    /// Ends a noted upload and counts it if it was open still; tells whether its note is of no more use.
    async fn is_open(&self, upload: &OpenUpload, swept: &mut Swept) -> bool {
        match self.bucket().end_upload(upload).await {
            Ok(was_open) => {
                swept.uploads += usize::from(was_open);
                true
            }
            Err(error) => {
                warn!(key = upload.key, %error, "an upload stays open");
                false
            }
        }
    }

    async fn abort(&self, upload: &OpenUpload) -> bool {
        let aborted = self.bucket().abort_upload(upload).await;
        let logged =
            aborted.inspect_err(|error| warn!(key = upload.key, %error, "an upload stays open"));
        logged.is_ok()
    }

    /// Deletes the objects of backups that were never finished.
    async fn sweep_objects(&self, terms: &Terms, swept: &mut Swept) -> Result<(), CatalogueError> {
        let (folders, committed) = self.folders().await?;
        let mut stale = Vec::new();
        for (id, folder) in folders {
            if terms.may_empty(&id, &folder) && !folder.leftovers().is_empty() {
                stale.push((id, folder));
            }
        }
        if stale.is_empty() {
            return Ok(());
        }
        let Some(referred) = self.referred(&committed).await? else {
            return Ok(());
        };
        for (id, folder) in stale {
            // Listings may come late; what is asked for by its name does not.
            let manifest = Self::key(&id, MANIFEST);
            let committed = self.bucket().stat(&manifest).await;
            if committed.map_err(store("sweep the bucket"))?.is_some() {
                continue;
            }
            let leftovers = folder.leftovers();
            let gone: Vec<&(String, u64)> = leftovers
                .into_iter()
                .filter(|(key, _)| !referred.contains(key))
                .collect();
            let keys: Vec<&str> = gone.iter().map(|(key, _)| key.as_str()).collect();
            if keys.is_empty() {
                continue;
            }
            let deletion = self.bucket().delete(&keys).await;
            let deletion = deletion.map_err(store("sweep the bucket"))?;
            let kept: BTreeSet<&str> = deletion.failed.iter().map(|kept| &*kept.key).collect();
            for (key, size) in gone {
                if !kept.contains(&**key) {
                    swept.objects += 1;
                    swept.bytes += size;
                }
            }
        }
        Ok(())
    }

    /// The folders of backups without a manifest, as far as a listing shows, and the names of the others.
    async fn folders(&self) -> Result<(BTreeMap<BackupId, Folder>, Vec<BackupId>), CatalogueError> {
        let failed = store("list the bucket");
        let mut folders: BTreeMap<BackupId, Folder> = BTreeMap::new();
        let mut seen = 0;
        let mut listing = self.bucket().list(PREFIX);
        while let Some(page) = listing.page().await.map_err(&failed)? {
            for object in page.objects {
                let Some((id, part)) = parse(&object.key) else {
                    continue;
                };
                folders.entry(id).or_default().see(&part, &object);
                seen += 1;
            }
            if seen > MOST {
                debug!("there is too much to look at: the rest another time");
                break;
            }
        }
        let (whole, rest): (BTreeMap<_, _>, BTreeMap<_, _>) =
            folders.into_iter().partition(|(_, folder)| folder.manifest);
        Ok((rest, whole.into_keys().collect()))
    }

    /// The keys outside of its own folder that any manifest refers to; nothing when one of them cannot be read and may refer to anything.
    async fn referred(
        &self,
        committed: &[BackupId],
    ) -> Result<Option<BTreeSet<String>>, CatalogueError> {
        let read = stream::iter(committed)
            .map(async |id| match self.manifest(id).await {
                Ok(mut manifest) => {
                    let own = Self::key(id, "");
                    manifest
                        .volumes
                        .retain(|volume| !volume.key.starts_with(&own));
                    Ok(Some(manifest.volumes))
                }
                Err(CatalogueError::Absent(_)) => Ok(Some(Vec::new())),
                Err(CatalogueError::Manifest { .. }) => {
                    warn!(backup = %id, "its manifest cannot be read: no object is swept");
                    Ok(None)
                }
                Err(error) => Err(error),
            })
            .buffered(READERS);
        let all: Vec<Option<_>> = read.try_collect().await?;
        let all: Option<Vec<_>> = all.into_iter().collect();
        Ok(all.map(|all| all.into_iter().flatten().map(|volume| volume.key).collect()))
    }
}
