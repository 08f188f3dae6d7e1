//! Whether the newest backup can still be opened: one listing, one question, and 4 KiB of one object.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tracing::debug;

use super::catalogue::{INVENTORY, MANIFEST};
use super::{BackupId, Catalogue, CatalogueError};
use crate::openpgp::{self, Passphrase};
use crate::s3::S3Error;

/// The newest backup, and who opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// Its name.
    pub id: BackupId,
    /// Which of the passphrases opens it, counted from nought.
    pub opened_by: Option<usize>,
}

/// Finds the newest finished backup and tries passphrases on the head of its inventory, in their order.
///
/// `None` when there is no backup, or when its head is damaged, which is for a verification to tell. A backup of the Python
/// charm counts, too: it is one object, named as the backup.
pub async fn newest(
    catalogue: &Catalogue,
    passphrases: &[Arc<Passphrase>],
) -> Result<Option<Newest>, CatalogueError> {
    let store = |source| CatalogueError::Store {
        action: "look at the newest backup",
        source,
    };
    let Some((id, key)) = find(catalogue).await.map_err(store)? else {
        return Ok(None);
    };
    let head = match catalogue.bucket().start(&key, openpgp::HEAD).await {
        Ok(start) => start.bytes,
        Err(S3Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(store(error)),
    };
    let passphrases = passphrases.to_vec();
    // Each of them takes some tenths of a second.
    let tried = spawn_blocking(move || {
        for (at, passphrase) in passphrases.iter().enumerate() {
            if openpgp::unlocks(&head, passphrase)? {
                return Ok(Some(at));
            }
        }
        Ok::<_, openpgp::OpenError>(None)
    });
    match tried.await {
        Ok(Ok(opened_by)) => Ok(Some(Newest { id, opened_by })),
        Ok(Err(error)) => {
            debug!(backup = %id, %error, "the newest backup has no head to try a passphrase on");
            Ok(None)
        }
        // It was given up with the whole run.
        Err(_) => Ok(None),
    }
}

/// The newest finished backup, and the object whose head tells who opens it.
async fn find(catalogue: &Catalogue) -> Result<Option<(BackupId, String)>, S3Error> {
    for (id, folder) in named(catalogue).await?.into_iter().rev() {
        if !folder {
            let key = id.to_string();
            return Ok(Some((id, key)));
        }
        // What was never finished is no backup.
        let manifest = Catalogue::key(&id, MANIFEST);
        if catalogue.bucket().stat(&manifest).await?.is_some() {
            let key = Catalogue::key(&id, INVENTORY);
            return Ok(Some((id, key)));
        }
    }
    Ok(None)
}

impl Catalogue {
    /// The newest finished backup that has a manifest.
    pub(super) async fn newest_manifest(&self) -> Result<Option<BackupId>, CatalogueError> {
        let newest = async {
            for (id, folder) in named(self).await?.into_iter().rev() {
                let manifest = Self::key(&id, MANIFEST);
                if folder && self.bucket().stat(&manifest).await?.is_some() {
                    return Ok(Some(id));
                }
            }
            Ok(None)
        };
        newest.await.map_err(|source| CatalogueError::Store {
            action: "look at the newest backup",
            source,
        })
    }
}

/// The most backups that are looked at, the newest ones, as in a listing.
const MOST: usize = 10_000;

/// All names of backups in the bucket, oldest first; whether it is a folder, or one object as the Python charm made it.
pub(super) async fn named(catalogue: &Catalogue) -> Result<Vec<(BackupId, bool)>, S3Error> {
    let mut listing = catalogue.bucket().list_level("");
    let mut found = Vec::new();
    while let Some(page) = listing.page().await? {
        let named = |text: &str, folder| Some((BackupId::parse(text).ok()?, folder));
        found.extend(page.folders.iter().filter_map(|name| named(name, true)));
        let objects = page.objects.iter().map(|object| object.key.as_str());
        found.extend(objects.filter_map(|key| named(key, false)));
        if found.len() > 2 * MOST {
            newest_of(&mut found);
        }
    }
    newest_of(&mut found);
    Ok(found)
}

fn newest_of(found: &mut Vec<(BackupId, bool)>) {
    found.sort();
    let older = found.len().saturating_sub(MOST);
    if older > 0 {
        debug!(older, "only the newest backups are looked at");
    }
    found.drain(..older);
}
