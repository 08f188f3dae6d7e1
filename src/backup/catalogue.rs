//! Where backups lie in the bucket, which of them are committed, and how one is removed.
//!
//! ```text
//! <backup-id>/volume-0001.tar.gpg
//! <backup-id>/inventory.json.gpg
//! <backup-id>/manifest.json          its presence is the commit
//! lease.json                         who works on the backups right now
//! ```
//!
//! Keys are relative to the path that the S3 integrator names; the bucket adds it.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tracing::warn;

use super::format::MANIFEST_LIMIT;
use super::{BackupId, FormatError, Manifest};
use crate::archive::Sha256Hex;
use crate::s3::{Bucket, S3Error};

/// Name of the commit marker below a backup's prefix.
pub(super) const MANIFEST: &str = "manifest.json";
/// Name of the sealed inventory.
pub(super) const INVENTORY: &str = "inventory.json.gpg";
/// Name of the volume of this number, which counts from 1.
pub(super) fn volume_name(number: usize) -> String {
    format!("volume-{number:04}.tar.gpg")
}

/// Manifests read at once.
const READERS: usize = 16;
/// A backup has a handful of objects; more than this are not ours.
const OBJECTS: usize = 100_000;

/// The backups of one bucket and path.
#[derive(Clone)]
pub struct Catalogue {
    bucket: Bucket,
}

/// A committed backup in a listing.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub id: BackupId,
    /// Its manifest, or why it cannot be read.
    pub manifest: Result<Manifest, FormatError>,
}

/// What a deletion removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// Objects that are gone.
    pub objects: usize,
    /// Whether it was a committed backup; false when only the rest of an unfinished one was there.
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
}

fn store(action: &'static str) -> impl Fn(S3Error) -> CatalogueError {
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

    /// The key of one object of a backup.
    pub(super) fn key(id: &BackupId, name: &str) -> String {
        format!("{id}/{name}")
    }

    /// Asks whether the bucket is there and may be used.
    pub async fn probe(&self) -> Result<(), CatalogueError> {
        self.bucket.head().await.map_err(store("reach the bucket"))
    }

    /// Lists the committed backups, oldest first.
    ///
    /// Only the presence of a manifest counts: what was never committed does not appear.
    pub async fn list(&self) -> Result<Vec<Listed>, CatalogueError> {
        let mut ids = Vec::new();
        let mut listing = self.bucket.list("");
        while let Some(page) = listing.page().await.map_err(store("list the bucket"))? {
            ids.extend(
                page.objects
                    .iter()
                    .filter_map(|object| committed_id(&object.key)),
            );
        }
        ids.sort();
        stream::iter(ids)
            .map(|id| self.listed(id))
            .buffered(READERS)
            .try_filter_map(async |listed| Ok(listed))
            .try_collect()
            .await
    }

    /// One line of a listing; `None` when the backup was deleted meanwhile.
    async fn listed(&self, id: BackupId) -> Result<Option<Listed>, CatalogueError> {
        match self.manifest(&id).await {
            Ok(manifest) => Ok(Some(Listed {
                id,
                manifest: Ok(manifest),
            })),
            Err(CatalogueError::Absent(_)) => Ok(None),
            Err(CatalogueError::Manifest { id, source }) => Ok(Some(Listed {
                id,
                manifest: Err(source),
            })),
            Err(error @ (CatalogueError::Store { .. } | CatalogueError::Undeleted { .. })) => {
                Err(error)
            }
        }
    }

    /// Reads the manifest of a committed backup.
    pub async fn manifest(&self, id: &BackupId) -> Result<Manifest, CatalogueError> {
        let read = self.manifest_and_digest(id).await;
        read.map(|(manifest, _)| manifest)
    }

    /// Reads the manifest of a committed backup, and digests its bytes.
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
        let bytes = object.collect(MANIFEST_LIMIT).await.map_err(failed)?;
        let manifest = Manifest::read(&bytes, id).map_err(|source| CatalogueError::Manifest {
            id: id.clone(),
            source,
        })?;
        Ok((manifest, Sha256Hex::of(&bytes)))
    }

    /// Deletes a backup: its manifest first, so that it stops being one before anything of it is gone.
    pub async fn delete(&self, id: &BackupId) -> Result<Deleted, CatalogueError> {
        let listing = self.bucket.list(&format!("{id}/"));
        let page = listing
            .all(OBJECTS)
            .await
            .map_err(store("list the backup"))?;
        if page.objects.is_empty() {
            return Err(CatalogueError::Absent(id.clone()));
        }
        let manifest = Self::key(id, MANIFEST);
        let (first, rest): (Vec<String>, Vec<String>) = page
            .objects
            .into_iter()
            .map(|object| object.key)
            .partition(|key| *key == manifest);
        let deleted = Deleted {
            objects: first.len() + rest.len(),
            committed: !first.is_empty(),
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
                return Err(CatalogueError::Undeleted {
                    key: kept.key.clone(),
                    code: kept.code.clone(),
                });
            }
        }
        Ok(deleted)
    }

    /// Removes what a failed backup left, as far as the store lets us: without a manifest it is no backup anyway.
    pub(super) async fn discard(&self, id: &BackupId) {
        match self.delete(id).await {
            Ok(_) | Err(CatalogueError::Absent(_)) => (),
            Err(error) => {
                warn!(backup = %id, %error, "objects of the failed backup stay in the bucket")
            }
        }
    }
}

/// The backup whose manifest has this key, relative to the prefix of all backups.
fn committed_id(key: &str) -> Option<BackupId> {
    let (id, name) = key.split_once('/')?;
    (name == MANIFEST).then(|| BackupId::parse(id).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_manifest_in_the_place_of_a_backup_commits_it() {
        let id = "backup-20261121120405000678";
        assert!(committed_id(&format!("{id}/manifest.json")).is_some());
        for key in [
            format!("{id}/volume-0001.tar.gpg"),
            format!("{id}/x/manifest.json"),
            format!("x/{id}/manifest.json"),
            format!("{id}-staging/manifest.json"),
            "manifest.json".to_owned(),
            "lease.json".to_owned(),
            id.to_owned(),
        ] {
            assert_eq!(committed_id(&key), None, "{key}");
        }
    }
}
