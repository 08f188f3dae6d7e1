//! Where backups lie in the bucket, how each stands, and how one is removed.
//!
//! ```text
//! <backup-id>/volume-0001.tar.gpg    and so on
//! <backup-id>/inventory.json.gpg
//! <backup-id>/run.log                what the run logged
//! <backup-id>/manifest.json          its presence is the commit
//! <backup-id>/failed.json            instead of it: why there is none
//! <backup-id>/proof.json             what verifications found out
//! <backup-id>/protected.json         it is not to be deleted, and who said so
//! <backup-id>                        an object of that very name: a backup of the Python charm
//! lease.json                         who works on the backups right now
//! store.json                         what was learnt of the store
//! uploads/<random>.json              an upload under way, for stores that cannot list them
//! ```
//!
//! Keys are relative to the path that the S3 integrator names; the bucket adds it. Whatever else lies there belongs to
//! somebody else: it is neither listed nor touched, and that goes for a folder in a backup's folder, too.

mod examine;
mod failed;
mod listing;
mod protection;
mod sight;
mod standing;

use tracing::warn;

use super::format::MANIFEST_LIMIT;
use super::{BackupId, FormatError, Manifest};
use crate::archive::Sha256Hex;
use crate::s3::{Bucket, Memory, S3Error};

pub use examine::Examined;
pub use failed::FailedRun;
pub use listing::Listed;
pub use protection::Protection;
#[cfg(any(test, fuzzing))]
pub(in crate::backup) use sight::is_ours;
pub(super) use sight::{Part, parse, volume_number};
pub use standing::Standing;
pub(super) use standing::printable;

/// Name of the commit marker below a backup's prefix.
pub(super) const MANIFEST: &str = "manifest.json";
/// Name of the sealed inventory.
pub(super) const INVENTORY: &str = "inventory.json.gpg";
/// Name of what verifications found out.
pub(super) const PROOF: &str = "proof.json";
/// Name of what says that a backup is not to be deleted.
pub(super) const PROTECTED: &str = "protected.json";
/// Name of what a failed run has to say.
pub(super) const FAILED: &str = "failed.json";
/// Name of what a run logged.
pub(super) const RUN_LOG: &str = "run.log";
/// A backup has a handful of objects; more than this are not ours.
const OBJECTS: usize = 100_000;

/// Name of the volume of this number, which counts from 1.
pub(super) fn volume_name(number: usize) -> String {
    format!("volume-{number:04}.tar.gpg")
}

/// The backups of one bucket and path.
#[derive(Clone)]
pub struct Catalogue {
    bucket: Bucket,
}

/// What a deletion removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// Objects that are gone.
    pub objects: usize,
    /// Whether it was a backup; false when only the rest of an unfinished one was there.
    pub committed: bool,
}

/// Why the catalogue could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The store failed.
    #[error("failed to {action}")]
    Store {
        /// What was tried.
        action: &'static str,
        /// What the store said.
        #[source]
        source: S3Error,
    },
    /// The store kept an object that it was asked to delete.
    #[error("the store keeps {key}: {code}")]
    Undeleted {
        /// The object.
        key: String,
        /// The store's error code.
        code: String,
    },
    /// There is no committed backup of that name.
    #[error("backup-id {0} does not exist")]
    Absent(BackupId),
    /// The manifest is not what it should be.
    #[error("failed to read the manifest of {id}")]
    Manifest {
        /// Whose manifest.
        id: BackupId,
        /// What is wrong with it.
        #[source]
        source: FormatError,
    },
    /// Somebody protects the backup.
    #[error("{id} is protected {protection}")]
    Protected {
        /// The backup.
        id: BackupId,
        /// Who does, and why.
        protection: Protection,
    },
    /// What was proven of the backup cannot be put down.
    #[error("failed to note what was proven of {id}")]
    Proof {
        /// The backup.
        id: BackupId,
        /// What is wrong.
        #[source]
        source: FormatError,
    },
}

pub(super) fn store(action: &'static str) -> impl Fn(S3Error) -> CatalogueError {
    move |source| CatalogueError::Store { action, source }
}

impl Catalogue {
    /// The catalogue of the backups in `bucket`.
    pub fn new(bucket: Bucket) -> Self {
        Self { bucket }
    }

    /// The bucket that the backups lie in.
    pub(super) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// What a run may take of the memory.
    pub fn memory(&self) -> Memory {
        self.bucket.memory()
    }

    /// The key of one object of a backup.
    pub(super) fn key(id: &BackupId, name: &str) -> String {
        format!("{id}/{name}")
    }

    /// Asks whether the bucket is there and may be used.
    pub async fn probe(&self) -> Result<(), CatalogueError> {
        self.bucket.head().await.map_err(store("reach the bucket"))
    }

    /// Reads the manifest of a committed backup.
    pub async fn manifest(&self, id: &BackupId) -> Result<Manifest, CatalogueError> {
        let read = self.manifest_and_digest(id).await;
        read.map(|(manifest, _)| manifest)
    }

    /// Reads the manifest of a committed backup, and digests its very bytes.
    pub async fn manifest_and_digest(
        &self,
        id: &BackupId,
    ) -> Result<(Manifest, Sha256Hex), CatalogueError> {
        let failed = |error| match error {
            S3Error::NotFound { .. } => CatalogueError::Absent(id.clone()),
            error => store("read the manifest")(error),
        };
        let object = self
            .bucket
            .get(&Self::key(id, MANIFEST))
            .await
            .map_err(failed)?;
        let faulty = |source| CatalogueError::Manifest {
            id: id.clone(),
            source,
        };
        let bytes = match object.collect(MANIFEST_LIMIT).await {
            Err(S3Error::TooLarge { .. }) => {
                return Err(faulty(FormatError::TooLarge {
                    document: "manifest",
                    limit: MANIFEST_LIMIT,
                }));
            }
            bytes => bytes.map_err(failed)?,
        };
        let manifest = Manifest::read(&bytes, id).map_err(faulty)?;
        Ok((manifest, Sha256Hex::of(&bytes)))
    }

    /// Deletes a backup: its manifest first, so that it stops being one before anything of it is gone.
    ///
    /// One that is protected is not deleted.
    pub async fn delete(&self, id: &BackupId) -> Result<Deleted, CatalogueError> {
        let mut keys = self.keys(id).await?;
        // A listing may be older than the mark.
        if let Some(protection) = self.protection(id).await? {
            let id = id.clone();
            return Err(CatalogueError::Protected { id, protection });
        }
        // A listing may be older than the backup, whose manifest names what belongs to it.
        if !keys.contains(&Self::key(id, MANIFEST))
            && let Ok(manifest) = self.manifest(id).await
        {
            let folder = Self::key(id, "");
            let volumes = manifest.volumes.into_iter().map(|volume| volume.key);
            let others = [MANIFEST, INVENTORY, RUN_LOG].map(|name| Self::key(id, name));
            let named = volumes.chain(others);
            keys.extend(named.filter(|key| key.starts_with(&folder)));
            keys.sort();
            keys.dedup();
        }
        let flat = self.bucket.stat(id.as_str()).await;
        let flat = flat.map_err(store("list the backup"))?.is_some();
        if flat {
            keys.push(id.to_string());
        }
        self.delete_keys(id, keys, flat).await
    }

    /// Removes what a failed backup left, as far as the store lets us: without a manifest it is no backup anyway.
    pub(super) async fn discard(&self, id: &BackupId) {
        let discarded = match self.keys(id).await {
            Ok(keys) => self.delete_keys(id, keys, false).await,
            Err(error) => Err(error),
        };
        match discarded {
            Ok(_) | Err(CatalogueError::Absent(_)) => (),
            Err(error) => {
                warn!(backup = %id, %error, "objects of the failed backup stay in the bucket")
            }
        }
    }

    /// The keys of all objects in a backup's folder.
    async fn keys(&self, id: &BackupId) -> Result<Vec<String>, CatalogueError> {
        let listing = self.bucket.list_level(&format!("{id}/"));
        let page = listing
            .all(OBJECTS)
            .await
            .map_err(store("list the backup"))?;
        Ok(page.objects.into_iter().map(|object| object.key).collect())
    }

    async fn delete_keys(
        &self,
        id: &BackupId,
        keys: Vec<String>,
        flat: bool,
    ) -> Result<Deleted, CatalogueError> {
        if keys.is_empty() {
            return Err(CatalogueError::Absent(id.clone()));
        }
        let manifest = Self::key(id, MANIFEST);
        let (first, rest): (Vec<String>, Vec<String>) =
            keys.into_iter().partition(|key| *key == manifest);
        let deleted = Deleted {
            objects: first.len() + rest.len(),
            committed: flat || !first.is_empty(),
        };
        for keys in [first, rest] {
            if keys.is_empty() {
                continue;
            }
            let deletion = self
                .bucket
                .delete(&keys)
                .await
                .map_err(store("delete the backup"))?;
            if let Some(kept) = deletion.failed.first() {
                let key = kept.key.clone();
                let code = match self.bucket.locked_until(&key).await {
                    Some(until) => {
                        let until = until.strftime("%Y-%m-%d %H:%M:%S UTC");
                        format!("{}, locked until {until}", kept.code)
                    }
                    None => kept.code.clone(),
                };
                return Err(CatalogueError::Undeleted { key, code });
            }
        }
        Ok(deleted)
    }
}
