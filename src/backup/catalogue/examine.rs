//! One backup looked at closely: all that the bucket tells about it without the passphrase.

use jiff::Timestamp;

use super::listing::Judged;
use super::sight::Sights;
use super::{BackupId, Catalogue, CatalogueError, FailedRun, Listed, Manifest};
use crate::backup::Proof;

/// All that the bucket tells about a backup without the passphrase.
#[derive(Debug)]
pub struct Examined {
    /// What a listing tells.
    pub listed: Listed,
    /// Its manifest, where there is one that can be read.
    pub manifest: Option<Manifest>,
    /// Why there is none, where its run could still say so.
    pub failure: Option<FailedRun>,
    /// The newest verification of each level.
    pub proofs: Vec<Proof>,
    /// Objects in its folder.
    pub objects: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Whether the log of its run lies beside it.
    pub log: bool,
}

impl Judged {
    /// Whether some of its volumes lie in the folders of other backups.
    fn names_others(&self) -> bool {
        let Some(Ok(manifest)) = &self.reading.manifest else {
            return false;
        };
        let own = Catalogue::key(&self.listed.id, "");
        let mut volumes = manifest.volumes.iter();
        volumes.any(|volume| !volume.key.starts_with(&own))
    }
}

impl Catalogue {
    /// Looks at one backup closely, whatever became of it.
    pub async fn examine(&self, id: &BackupId, now: Timestamp) -> Result<Examined, CatalogueError> {
        let sight = self.sight(id).await?;
        let at_work = self.who(now).await;
        let absent = || CatalogueError::Absent(id.clone());
        let alone = Sights::default();
        let judged = self.judged(id, &sight, &alone, at_work.as_ref()).await?;
        let mut judged = judged.ok_or_else(absent)?;
        if judged.names_others() {
            let all = self.sights().await?;
            let again = self.judged(id, &sight, &all, at_work.as_ref()).await?;
            judged = again.ok_or_else(absent)?;
        }
        Ok(Examined {
            manifest: judged.reading.manifest.and_then(Result::ok),
            failure: judged.reading.failure,
            proofs: judged.proofs,
            objects: judged.sight.objects,
            bytes: judged.sight.size + judged.sight.flat.map_or(0, |(size, _)| size),
            log: judged.sight.log,
            listed: judged.listed,
        })
    }
}
