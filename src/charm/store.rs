//! From the backup relation to a catalogue, and what the unit's status says about it.

use super::Charm;
use super::failure::{self, Failure, Kind};
use super::observe::BackupRelation;
use crate::backup::Catalogue;
use crate::s3::{Bucket, Limits, Proxy};

/// Asks the store whether the bucket may be used; one that has refused in this wake-up is not asked again.
pub(super) async fn probe(charm: &Charm, catalogue: &Catalogue) -> Result<(), Failure> {
    if let Some(refused) = charm.refused.get() {
        return Err(refused.clone());
    }
    let Err(error) = catalogue.probe().await else {
        return Ok(());
    };
    let refused = failure::sort(&error);
    Err(charm.refused.get_or_init(|| refused).clone())
}

/// The catalogue in the bucket that the relation names; nothing is asked of the store yet.
pub(super) fn catalogue(charm: &Charm, relation: &BackupRelation) -> Result<Catalogue, Failure> {
    let application = charm.application();
    let params = match relation {
        BackupRelation::Absent => {
            let hint = format!("run juju integrate {application}:backup s3-integrator");
            return Err(Failure::new(
                Kind::Operator,
                "no-backup-relation",
                "there is no backup relation",
                hint,
            ));
        }
        BackupRelation::Silent { .. } => {
            let cause = "the S3 integrator has not given its credentials yet";
            let hint = "configure it, and run its action sync-s3-credentials";
            return Err(Failure::new(
                Kind::Waiting,
                "s3-credentials-awaited",
                cause,
                hint,
            ));
        }
        BackupRelation::Invalid(problems) => return Err(failure::parameters(problems)),
        BackupRelation::Ready(params) => params,
    };
    for secret in params.secrets() {
        charm.log.conceal(secret);
    }
    let proxy = proxy(charm)?;
    Ok(Catalogue::new(Bucket::open(
        params,
        &proxy,
        Limits::default(),
    )))
}

/// The model's proxies.
pub(super) fn proxy(charm: &Charm) -> Result<Proxy, Failure> {
    let proxies = &charm.context.proxies;
    let proxy = Proxy::new(
        proxies.http.as_deref(),
        proxies.https.as_deref(),
        proxies.no_proxy.as_deref(),
    );
    proxy.map_err(|error| {
        let hint = "correct it: juju model-config juju-http-proxy=... juju-https-proxy=...";
        Failure::new(Kind::Operator, "proxy-invalid", error.to_string(), hint)
    })
}
