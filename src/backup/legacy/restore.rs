//! A backup whose content has to be looked at before it may be used: unpacked, looked at, and then swapped in or removed.

use std::error::Error;

use jiff::Timestamp;

use crate::backup::preflight::Sealed;
use crate::backup::restore::swap_in;
use crate::backup::stage::stage;
use crate::backup::swap::{Made, Service, Swapped};
use crate::backup::{Restoration, RestoreError};

/// Restores a backup, if `check` finds nothing wrong with what was unpacked of it.
///
/// `check` is given the staged data directory as the workload sees it, and may change what is in it. Nothing was
/// stopped or touched when it says no, and nothing of the backup stays.
pub async fn restore_checked<F, B, E>(
    restoration: &Restoration<'_>,
    sealed: Sealed,
    check: impl AsyncFnOnce(&str) -> Result<(), E>,
    service: &Service<F, B>,
    now: fn() -> Timestamp,
) -> Result<Made, RestoreError>
where
    F: AsyncFn(&Swapped) -> Result<Vec<String>, String>,
    B: AsyncFn() -> Result<(), String>,
    E: Error + Send + Sync + 'static,
{
    let Restoration {
        client,
        catalogue,
        passphrases,
        place,
        monitor,
    } = *restoration;
    let id = sealed.id().clone();
    let staged = stage(client, (catalogue, passphrases), sealed, place, monitor).await?;
    if let Err(error) = check(&place.staged_in_workload()).await {
        place.clear_staging()?;
        return Err(RestoreError::Unusable(Box::new(error)));
    }
    place.sync_staging()?;
    swap_in(restoration, (&id, &staged), service, now).await
}
