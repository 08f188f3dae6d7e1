//! Reads a backup back, and changes nothing: neither in the bucket nor on the data volume.

use super::RestoreError;
use super::format::MemberDigest;
use super::preflight::Sealed;
use super::stage::{Reading, Whole, agree};
use super::{Catalogue, Level, Monitor, Phase, Place};
use crate::openpgp::Passphrase;
use std::sync::Arc;

/// Verifies a backup whose inventory was opened; gives everything that is wrong with it.
pub async fn verify(
    catalogue: &Catalogue,
    passphrases: &[Arc<Passphrase>],
    sealed: &Sealed,
    level: Level,
    place: &Place,
    monitor: &Monitor,
) -> Vec<RestoreError> {
    let mut findings = sealed.missing(catalogue).await;
    match level {
        Level::Quick => return findings,
        Level::Full | Level::Rehearse => monitor.enter(Phase::Verifying, sealed.content()),
    }
    let reading = Reading {
        catalogue,
        passphrases,
        place,
        monitor,
        heritage: None,
    };
    let mut digest = MemberDigest::default();
    let mut whole = findings.is_empty();
    for volume in sealed.volumes() {
        // What is missing, or has another size, is told already.
        let told = |finding: &RestoreError| finding.is_about(volume);
        if findings.iter().any(told) {
            continue;
        }
        let discard = async |archive| reading.discard(archive).await;
        let parts = (sealed.places(), sealed.places());
        match reading.read(parts, volume, digest, discard).await {
            Ok(Whole { digest: next, .. }) => digest = next,
            // Without its members the digest over all of them says nothing; the other volumes are read all the same.
            Err(error) => {
                findings.push(error);
                whole = false;
                digest = MemberDigest::default();
            }
        }
    }
    if whole {
        findings.extend(agree(&sealed.wanted.members, digest.finish()).err());
    }
    findings
}
