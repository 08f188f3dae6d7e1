//! Whether the backups in the bucket are this server's own.

use super::failure::{self, Failure, Kind};
use super::observe::{self, ObserveError};
use super::volume::Volume;
use super::{Charm, now};
use crate::backup::{Catalogue, Claim, Owner, OwnerError};
use crate::juju::Options;

/// This server, as the owner of its backups.
pub(super) fn me(charm: &Charm, volume: Option<&Volume>, options: &Options) -> Owner {
    let served = volume.and_then(|volume| volume.server_name.as_ref());
    let named = options.text("server_name").unwrap_or_default();
    Owner {
        server_name: served.map_or_else(|| named.to_owned(), ToString::to_string),
        model: charm.context.model_uuid.clone(),
        model_name: charm.context.model_name.clone(),
        application: charm.application().to_owned(),
    }
}

/// Sees to it that this server may change the backups as it wants; the lease is held.
pub(super) async fn claim(
    charm: &Charm,
    catalogue: &Catalogue,
    claim: Claim,
) -> Result<(), Failure> {
    let me = look(charm).await?;
    let claimed = catalogue.claim(&me, claim, now()).await;
    claimed.map_err(|error| refused(&error))
}

/// Tells whether this server may write beside the backups.
pub(super) async fn check(charm: &Charm, catalogue: &Catalogue) -> Result<(), Failure> {
    let me = look(charm).await?;
    let owned = catalogue.owned_by(&me).await;
    owned.map_err(|error| refused(&error))
}

/// This server, looked for.
pub(super) async fn look(charm: &Charm) -> Result<Owner, Failure> {
    let seen = async {
        let volume = observe::volume(charm).await?;
        Ok::<_, ObserveError>((volume, charm.options().await?))
    };
    let (volume, options) = seen.await.map_err(|error| failure::sort(&error))?;
    Ok(me(charm, volume.as_ref(), options))
}

/// What an operator is told who may not add to the backups, or delete of them.
pub(super) fn refused(error: &OwnerError) -> Failure {
    let hint = match error {
        OwnerError::Foreign(_) => {
            "give this application a path of its own at the S3 integrator; or, when that server is gone for good, \
             add force=owner once"
        }
        OwnerError::Unreadable => {
            "find out who else writes to the bucket; add force=owner once to make the backups this server's own"
        }
        OwnerError::Catalogue(_) => return failure::sort(error),
    };
    Failure::new(Kind::Operator, "not-owner", failure::chain(error), hint)
}

/// The server that the backups belong to, if that is another one than `me` as far as anybody has said.
pub(super) async fn other(catalogue: &Catalogue, me: &Owner) -> Option<Owner> {
    let stated = catalogue.stated_owner().await.unwrap_or_else(|error| {
        let error = failure::chain(&error);
        tracing::debug!(error, "nobody can say whose the backups are");
        None
    });
    stated.filter(|owner| !owner.is(me))
}
