//! One listing of the bucket, and what it tells of every backup.
//!
//! ```text
//! one listing, by pages ---> a few bytes for each backup
//!                              '---> manifest, proof, failure: only where the listing shows one, 64 at once ---> standing
//! ```
//!
//! Nothing that is read is kept but what a row of a table needs, so that a listing takes as much memory as it has rows. What
//! is read at once is bounded in number and in bytes: a store that is far away is asked for many, large ones wait.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::sight::{Sight, Sights};
use super::standing::{Reading, told};
use super::{BackupId, Catalogue, CatalogueError, Manifest, Standing};
use crate::archive::Sha256Hex;
use crate::backup::{AtWork, Candidate, Label, Proof, Proven};

/// Backups of which documents are read at once. On a way of 60 ms twelve hundred take 1.2 s.
const READERS: usize = 64;
/// Bytes of documents that are read at once, unless a single one is larger; each takes several times its size.
const READING: u32 = 2 << 20;

/// A backup in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub id: BackupId,
    /// How it stands.
    pub standing: Standing,
    /// When it was finished; of one that is not, when something was last heard of it.
    pub last: Option<Timestamp>,
    /// Bytes of its volumes; of one that is not whole, of what there is.
    pub size: u64,
    /// What verifications have found out.
    pub proven: Option<Proven>,
    /// Whether it is not to be deleted.
    pub protected: bool,
    /// What an operator said of it.
    pub said: Label,
}

/// A backup, and all that was read to judge it.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) listed: Listed,
    pub(super) sight: Sight,
    pub(super) reading: Reading,
    pub(super) proofs: Vec<Proof>,
}

impl Catalogue {
    /// Lists all backups, oldest first: finished ones, those in progress, and what is left of the others.
    pub async fn list(&self, now: Timestamp) -> Result<Vec<Listed>, CatalogueError> {
        self.each(now, |judged| judged.listed).await
    }

    /// All backups as retention sees them, oldest first.
    pub async fn candidates(&self, now: Timestamp) -> Result<Vec<Candidate>, CatalogueError> {
        let candidate = |judged: Judged| {
            let manifest = judged.reading.manifest.and_then(Result::ok);
            let Listed {
                id,
                standing,
                size,
                proven,
                protected,
                said,
                ..
            } = judged.listed;
            Candidate {
                id,
                standing,
                server_name: manifest.map(|manifest| manifest.server_name),
                size,
                proven,
                protected,
                expires: said.expires,
            }
        };
        self.each(now, candidate).await
    }

    /// Judges all backups, oldest first, and keeps of each what `kept` takes.
    async fn each<T>(
        &self,
        now: Timestamp,
        kept: impl Fn(Judged) -> T,
    ) -> Result<Vec<T>, CatalogueError> {
        let mut sights = self.sights().await?;
        if sights.cut {
            warn!(backups = sights.backups.len(), "only the newest are listed");
        }
        let at_work = self.who(now).await;
        // What is being made right now may have no object yet.
        if let Some(id) = at_work.as_ref().and_then(|work| work.backup.clone()) {
            sights.backups.entry(id).or_default();
        }
        let (sights, at_work, kept) = (&sights, at_work.as_ref(), &kept);
        let room = &Semaphore::new(READING as usize);
        stream::iter(&sights.backups)
            .map(async |(id, sight)| {
                let takes = u32::try_from(sight.documents).unwrap_or(READING);
                // Nobody closes it.
                let _room = room.acquire_many(takes.min(READING)).await;
                let judged = self.judged(id, sight, sights, at_work).await?;
                Ok(judged.map(kept))
            })
            .buffered(READERS)
            .try_filter_map(async |listed| Ok(listed))
            .try_collect()
            .await
    }

    /// The manifest of the newest backup that was finished; nothing where that is one of the Python charm's.
    ///
    /// Only the newest are read: one, unless it was not finished.
    pub async fn last_finished(&self, now: Timestamp) -> Result<Option<Manifest>, CatalogueError> {
        let newest = self.newest_finished(now).await?;
        Ok(newest.and_then(|judged| judged.reading.manifest.and_then(Result::ok)))
    }

    /// The newest backup that was finished, by whichever charm.
    pub async fn latest(&self, now: Timestamp) -> Result<Option<BackupId>, CatalogueError> {
        let newest = self.newest_finished(now).await?;
        Ok(newest.map(|judged| judged.listed.id))
    }

    async fn newest_finished(&self, now: Timestamp) -> Result<Option<Judged>, CatalogueError> {
        let sights = self.sights().await?;
        let at_work = self.who(now).await;
        for (id, sight) in sights.backups.iter().rev() {
            let judged = self.judged(id, sight, &sights, at_work.as_ref()).await?;
            if let Some(judged) = judged.filter(|judged| judged.listed.standing.is_finished()) {
                return Ok(Some(judged));
            }
        }
        Ok(None)
    }

    /// Who works on the backups; a lease that cannot be read tells nobody.
    pub(super) async fn who(&self, now: Timestamp) -> Option<AtWork> {
        let asked = self.at_work(now).await;
        let logged =
            asked.inspect_err(|error| debug!(error = told(error), "nobody tells who is at work"));
        logged.ok().flatten()
    }

    /// Judges a backup; nothing when it is gone. What looks bad is looked at again: it may have changed since the listing.
    pub(super) async fn judged(
        &self,
        id: &BackupId,
        sight: &Sight,
        sights: &Sights,
        at_work: Option<&AtWork>,
    ) -> Result<Option<Judged>, CatalogueError> {
        match self.judge(id, sight.clone(), sights, at_work).await? {
            Some(judged) if !judged.listed.standing.is_doubtful() => Ok(Some(judged)),
            Some(_) | None => {
                let again = self.sight(id).await?;
                let shown = again.manifest;
                let judged = self.judge(id, again.clone(), sights, at_work).await?;
                if judged.is_some() || !shown {
                    return Ok(judged);
                }
                // It was listed twice and could not be read in between: nobody has deleted it.
                let unread = Reading {
                    manifest: Some(Err("its manifest is listed and cannot be read".to_owned())),
                    failure: None,
                };
                let size_of = |key: &str| sights.size_of((id, &again), key);
                let standing = Standing::of(id, &again, &unread, at_work, size_of);
                Ok(standing.map(|standing| Judged {
                    listed: Listed {
                        id: id.clone(),
                        standing,
                        last: again.last,
                        size: again.size,
                        proven: None,
                        protected: again.protected,
                        said: Label::default(),
                    },
                    sight: again.clone(),
                    reading: unread,
                    proofs: Vec::new(),
                }))
            }
        }
    }

    async fn judge(
        &self,
        id: &BackupId,
        sight: Sight,
        sights: &Sights,
        at_work: Option<&AtWork>,
    ) -> Result<Option<Judged>, CatalogueError> {
        let (mut reading, mut digest) = (Reading::default(), None);
        if sight.manifest {
            match self.manifest_or_fault(id).await? {
                Some(Ok((manifest, sha256))) => {
                    reading.manifest = Some(Ok(manifest));
                    digest = Some(sha256);
                }
                Some(Err(fault)) => reading.manifest = Some(Err(fault)),
                // It was deleted in the meantime.
                None => return Ok(None),
            }
        } else if sight.failed {
            reading.failure = self.failure(id).await?;
        }
        let size_of = |key: &str| sights.size_of((id, &sight), key);
        let Some(standing) = Standing::of(id, &sight, &reading, at_work, size_of) else {
            return Ok(None);
        };
        let proofs = match &digest {
            Some(digest) if sight.proof => self.proofs(id, digest).await?,
            Some(_) | None => Vec::new(),
        };
        let manifest = reading
            .manifest
            .as_ref()
            .and_then(|read| read.as_ref().ok());
        let (last, size) = last_and_size(&standing, &sight, manifest);
        let listed = Listed {
            id: id.clone(),
            standing,
            last,
            size,
            proven: Proven::of(&proofs),
            protected: sight.protected,
            said: manifest.map(|read| read.said.plain()).unwrap_or_default(),
        };
        Ok(Some(Judged {
            listed,
            sight,
            reading,
            proofs,
        }))
    }

    /// The manifest and its digest, or what is wrong with it; nothing when it is gone.
    async fn manifest_or_fault(&self, id: &BackupId) -> Result<Option<Read>, CatalogueError> {
        match self.manifest_and_digest(id).await {
            Ok(read) => Ok(Some(Ok(read))),
            Err(CatalogueError::Absent(_)) => Ok(None),
            Err(CatalogueError::Manifest { source, .. }) => Ok(Some(Err(told(&source)))),
            Err(error) => Err(error),
        }
    }
}

/// A manifest and the digest of its bytes, or what is wrong with it.
type Read = Result<(Manifest, Sha256Hex), String>;

fn last_and_size(
    standing: &Standing,
    sight: &Sight,
    manifest: Option<&Manifest>,
) -> (Option<Timestamp>, u64) {
    match (standing, manifest) {
        (Standing::Legacy, _) => sight.flat.map_or((None, 0), |(size, at)| (at, size)),
        (Standing::InProgress(work), _) => (Some(work.since), sight.size),
        (Standing::Failed { at, .. }, _) => (at.or(sight.last), sight.size),
        (Standing::Finished | Standing::FinishedWithWarnings, Some(manifest)) => {
            (Some(manifest.finished), manifest.size)
        }
        (Standing::Damaged { .. }, Some(manifest)) => (Some(manifest.finished), sight.size),
        (
            Standing::Finished
            | Standing::FinishedWithWarnings
            | Standing::Damaged { .. }
            | Standing::Interrupted,
            _,
        ) => (sight.last, sight.size),
    }
}
