//! One unit at a time works on the backups of a bucket and path.

use tracing::warn;

use super::failure::{self, Failure, Kind};
use super::{Charm, now, owner};
use crate::backup::{Catalogue, Claim, Holder, Lease, LeaseError, Task, Terms};

/// What an action does when the store lets nobody write a lease.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Without {
    /// It goes on: it only reads.
    GoOn,
    /// It cannot do its work there either.
    Fail,
}

/// Does the work of `task` while the lease is held.
pub(super) async fn holding<T>(
    charm: &Charm,
    catalogue: &Catalogue,
    (task, lead): (impl Into<Task>, &'static str),
    without: Without,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let holder = Holder {
        unit: charm.context.unit.to_string(),
        model: charm.context.model_uuid.clone(),
        model_name: charm.context.model_name.clone(),
    };
    let random = |bytes: &mut [u8]| getrandom::fill(bytes);
    let known = catalogue.recall(now()).await;
    let taken = Lease::take(catalogue, holder, task, Terms::default(), random, now).await;
    let mut lease = match taken {
        Ok(lease) => lease,
        Err(LeaseError::ReadOnly(error)) if without == Without::GoOn => {
            warn!(%error, "the store lets us read only: nobody is told that we are at work");
            return work.await;
        }
        Err(error) => return Err(refused(&error).led_by(lead)),
    };
    let outcome = lease.while_held(work).await;
    catalogue.remember(&known, now()).await;
    if let Some(lost) = lease.lost() {
        warn!("{}", failure::chain(lost));
    }
    lease.release().await;
    outcome
}

/// Does the work while the lease is held and the backups are this server's own, as they have to be for whatever adds to
/// them or takes away.
pub(super) async fn owning<T>(
    charm: &Charm,
    catalogue: &Catalogue,
    (task, lead): (impl Into<Task>, &'static str),
    claim: Claim,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let work = async {
        let claimed = owner::claim(charm, catalogue, claim).await;
        claimed.map_err(|failure| failure.led_by(lead))?;
        work.await
    };
    holding(charm, catalogue, (task, lead), Without::Fail, work).await
}

fn refused(error: &LeaseError) -> Failure {
    let busy =
        |cause: String, hint: String| Failure::new(Kind::Waiting, "backup-busy", cause, hint);
    match error {
        LeaseError::Busy {
            holder,
            task,
            since,
            expires,
        } => {
            let time = |at: &jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
            busy(
                format!(
                    "{holder} is at work on these backups ({task}, since {})",
                    time(since)
                ),
                format!(
                    "wait until it has finished; should it be gone, its lease ends by itself at {}",
                    time(expires)
                ),
            )
        }
        LeaseError::Contended => busy(failure::chain(error), "try again".to_owned()),
        LeaseError::Lost { .. }
        | LeaseError::ReadOnly(_)
        | LeaseError::Store { .. }
        | LeaseError::Random(_)
        | LeaseError::Format(_) => failure::sort(error),
    }
}
