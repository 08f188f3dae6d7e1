//! From the backup relation to a catalogue, and what the unit's status says about it.

use std::sync::Arc;

use super::bucket_relation::{self, BackupRelation};
use super::failure::{self, Failure, Kind};
use super::{Charm, transfer};
use crate::backup::Catalogue;
use crate::s3::{Bucket, Params, Proxy, Renew};

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
pub(super) async fn catalogue(
    charm: &Charm,
    relation: &BackupRelation,
) -> Result<Catalogue, Failure> {
    let params = params(charm, relation)?;
    for secret in params.secrets() {
        charm.log.conceal(secret);
    }
    let proxy = proxy(charm)?;
    let options = charm.options().await;
    let options = options.map_err(|error| failure::sort(&error))?;
    let limits = transfer::limits(charm.application(), options)?;
    let open = || Bucket::open(params, &proxy, limits).renewing(renewal(charm));
    // One for the whole wake-up: what it has learnt of the store is known to all.
    Ok(Catalogue::new(charm.bucket.get_or_init(open).clone()))
}

/// What the relation names, or why it names nothing.
pub(super) fn params<'a>(
    charm: &Charm,
    relation: &'a BackupRelation,
) -> Result<&'a Params, Failure> {
    let application = charm.application();
    Ok(match relation {
        BackupRelation::Absent => {
            let hint = format!("run juju integrate {application}:backup s3-integrator");
            return Err(Failure::new(
                Kind::Operator,
                "no-backup-relation",
                "there is no backup relation",
                hint,
            ));
        }
        BackupRelation::Silent => {
            let cause = "the S3 integrator has not given its credentials yet";
            let hint = "configure it, and run its action sync-s3-credentials or, from track 2 on, give it a secret";
            return Err(Failure::new(
                Kind::Waiting,
                "s3-credentials-awaited",
                cause,
                hint,
            ));
        }
        BackupRelation::Partial { cause, hint } => {
            return Err(Failure::new(
                Kind::Waiting,
                "s3-credentials-awaited",
                cause,
                hint,
            ));
        }
        BackupRelation::Invalid(problems) => return Err(failure::parameters(problems)),
        BackupRelation::Ready(params) => params.as_ref(),
    })
}

/// Reads the keys anew when they are refused half-way: remote bags stay as they were for a run, secrets do not.
fn renewal(charm: &Charm) -> Arc<Renew> {
    let (tools, log) = (charm.tools.clone(), charm.log.clone());
    Arc::new(move || {
        let (tools, log) = (tools.clone(), log.clone());
        Box::pin(async move {
            let keys = bucket_relation::newest_keys(&tools).await?;
            for secret in keys.secrets() {
                log.conceal(secret);
            }
            Some(keys)
        })
    })
}

/// What an operator should know of the store though it hindered nothing.
pub(super) fn notices(charm: &Charm) -> Vec<String> {
    charm.bucket.get().map(Bucket::notices).unwrap_or_default()
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
