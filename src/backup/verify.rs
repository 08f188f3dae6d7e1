//! Reads a backup back, and changes nothing: neither in the bucket nor in the live data.
//!
//! The database is unpacked into a directory of its own beside the live data, where the caller looks into it, and removed.

use std::path::Path;
use std::sync::Arc;

use super::RestoreError;
use super::format::{MemberDigest, Volume};
use super::place::remove_tree;
use super::preflight::Sealed;
use super::stage::{Reading, Unpacking, Whole, agree, stage};
use super::{Catalogue, Monitor, Phase, Place, Scope, part};
use crate::openpgp::Passphrase;
use crate::pebble;

/// What a verification works with.
pub struct Verification<'a> {
    /// The workload's Pebble.
    pub client: &'a pebble::Client,
    /// Where the backup lies.
    pub catalogue: &'a Catalogue,
    /// What it may be sealed with.
    pub passphrases: &'a [Arc<Passphrase>],
    /// Where something may be unpacked for a look, in a staging directory that nobody else uses.
    pub place: &'a Place,
    /// The part of a backup that is looked into as a whole; nothing when the backup has it not.
    pub looked_into: Option<&'a Scope>,
    /// Where it tells how far it has come.
    pub monitor: &'a Monitor,
}

impl Verification<'_> {
    /// Sees whether manifest, inventory and every object are there, and nothing more.
    pub async fn quick(&self, sealed: &Sealed) -> Vec<RestoreError> {
        sealed.missing(self.catalogue).await
    }

    /// Reads every byte; gives everything that is wrong.
    ///
    /// `look` is given the directory in which the part that is looked into lies unpacked, as the workload sees it.
    pub async fn full(
        &self,
        sealed: &Sealed,
        look: impl AsyncFnOnce(&str) -> Result<(), RestoreError>,
    ) -> Vec<RestoreError> {
        let mut findings = self.quick(sealed).await;
        self.monitor.enter(Phase::Verifying, sealed.content());
        if let Err(error) = self.read_all(sealed, &mut findings, look).await {
            findings.push(error);
        }
        self.clear(&mut findings);
        findings
    }

    /// Unpacks everything as a restore does, and lets the caller start the service on it, where nobody sees it.
    pub async fn rehearse(
        &self,
        sealed: Sealed,
        start: impl AsyncFnOnce(&str) -> Result<(), RestoreError>,
    ) -> Vec<RestoreError> {
        let mut findings = self.quick(&sealed).await;
        if findings.is_empty() {
            let keys = (self.catalogue, self.passphrases);
            match stage(self.client, keys, sealed, self.place, self.monitor).await {
                Ok(_) => {
                    self.monitor.enter(Phase::Rehearsing, 0);
                    let started = start(&self.place.staged_in_workload()).await;
                    findings.extend(started.err());
                }
                Err(error) => findings.push(error),
            }
        }
        self.clear(&mut findings);
        findings
    }

    async fn read_all(
        &self,
        sealed: &Sealed,
        findings: &mut Vec<RestoreError>,
        look: impl AsyncFnOnce(&str) -> Result<(), RestoreError>,
    ) -> Result<(), RestoreError> {
        let unpacking = Unpacking {
            client: self.client,
            reading: Reading {
                catalogue: self.catalogue,
                passphrases: self.passphrases,
                place: self.place,
                monitor: self.monitor,
                heritage: sealed.heritage,
            },
        };
        let taken = self.taken(sealed).await?;
        let mut digest = MemberDigest::default();
        let mut whole = findings.is_empty();
        let mut unpacked = taken.is_some();
        for volume in sealed.volumes() {
            let wanted = taken
                .as_ref()
                .filter(|(_, volumes)| volumes.contains(volume));
            // What is missing, or has another size, is told already.
            let told = |finding: &RestoreError| finding.is_about(volume);
            if findings.iter().any(told) {
                unpacked &= wanted.is_none();
                continue;
            }
            let read = match wanted {
                Some((scope, _)) => {
                    let into = self.place.staging_in_workload();
                    let parts = (sealed.places(), *scope);
                    unpacking.unpack(parts, volume, digest, &into).await
                }
                None => {
                    let reading = &unpacking.reading;
                    reading.check(sealed.places(), volume, digest).await
                }
            };
            match read {
                Ok(Whole { digest: next, .. }) => digest = next,
                // Without its members the digest over all of them says nothing; the other volumes are read all the same.
                Err(error) => {
                    findings.push(error);
                    whole = false;
                    unpacked &= wanted.is_none();
                    digest = MemberDigest::default();
                }
            }
        }
        if whole {
            agree(&sealed.wanted.members, digest.finish())?;
        }
        if unpacked {
            self.monitor.enter(Phase::LookingIn, 0);
            look(&self.place.staged_in_workload()).await?;
        }
        Ok(())
    }

    /// The part that is looked into and the volumes that hold it; its directory is made.
    async fn taken<'a>(
        &'a self,
        sealed: &Sealed,
    ) -> Result<Option<(&'a Scope, Vec<Volume>)>, RestoreError> {
        let Some(scope) = self.looked_into else {
            return Ok(None);
        };
        self.place.clear_staging()?;
        self.place.prepare_staging()?;
        let volumes = match sealed.heritage {
            Some(_) => sealed.volumes().to_vec(),
            None => {
                let keys = (self.catalogue, self.passphrases);
                part::volumes(keys, sealed, self.place, scope).await?
            }
        };
        Ok(Some((scope, volumes)))
    }

    fn clear(&self, findings: &mut Vec<RestoreError>) {
        let path = self.place.staging();
        if let Err(source) = remove_tree(Path::new(&path)) {
            findings.push(RestoreError::Staging { path, source });
        }
    }
}
