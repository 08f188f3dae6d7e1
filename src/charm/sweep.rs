//! When what killed runs have left in the bucket is swept, and what is told of it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::failure::{self, Failure};
use super::lease::owning;
use super::{Charm, PRIVATE, bucket_relation, now, observe, report, store, volume};
use crate::backup::{Catalogue, Claim, Swept};
use crate::juju::Event;

/// File on the data volume that says when the last daily sweep was.
const NAME: &str = "swept";
/// How often a wake-up without any work sweeps.
const EVERY: SignedDuration = SignedDuration::from_hours(24);
/// How long that may take: the hook that does it holds others up.
const PATIENCE: Duration = Duration::from_secs(120);
/// A moment is short; a larger file is none.
const LIMIT: u64 = 64;

/// Sweeps under a lease that is held; what cannot be swept hinders nothing. Tells what was, for a result.
pub(super) async fn sweep(catalogue: &Catalogue) -> Option<String> {
    match catalogue.sweep(now()).await {
        Ok(swept) if swept.is_empty() => None,
        Ok(swept) => Some(told(swept)),
        Err(error) => {
            warn!(
                error = failure::chain(&error),
                "what killed runs have left stays in the bucket"
            );
            None
        }
    }
}

/// Sweeps at a wake-up that has nothing else to do, once a day, on the leader.
pub(super) async fn daily(charm: &Charm) {
    if !matches!(charm.context.event, Event::UpdateStatus) {
        return;
    }
    match timeout(PATIENCE, sweep_if_due(charm)).await {
        Ok(Ok(())) => (),
        Ok(Err(failure)) => debug!("nothing was swept: {}", failure.cause()),
        Err(_) => warn!("the store is too slow to be swept"),
    }
}

async fn sweep_if_due(charm: &Charm) -> Result<(), Failure> {
    let sorted = |error: &(dyn std::error::Error + 'static)| failure::sort(error);
    let seen = observe::volume(charm)
        .await
        .map_err(|error| sorted(&error))?;
    let Some(seen) = seen else { return Ok(()) };
    let last = last(&seen.here);
    if last.is_none() {
        // The first day has nothing that the first backup would not sweep.
        note(&seen.here, now()).map_err(|error| sorted(&error))?;
    }
    if last.is_none_or(|last| !is_due(last, now())) {
        return Ok(());
    }
    if !charm
        .tools
        .is_leader()
        .await
        .map_err(|error| sorted(&error))?
    {
        return Ok(());
    }
    let relation = bucket_relation::backup_relation(charm).await;
    let relation = relation.map_err(|error| sorted(&error))?;
    let catalogue = store::catalogue(charm, &relation).await?;
    store::probe(charm, &catalogue).await?;
    // Noted first: what fails today is tried tomorrow, and no hook is held up twice.
    if let Err(error) = note(&seen.here, now()) {
        warn!(%error, "the time of the sweep is not kept");
    }
    let work = async {
        sweep(&catalogue).await;
        Ok(())
    };
    owning(charm, &catalogue, ("sweep", ""), Claim::Check, work).await
}

fn told(swept: Swept) -> String {
    let many = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    let mut parts = Vec::new();
    if swept.uploads > 0 {
        parts.push(many(swept.uploads, "open upload"));
    }
    if swept.objects > 0 {
        let size = report::size(swept.bytes);
        parts.push(format!("{} ({size})", many(swept.objects, "object")));
    }
    parts.join(", ")
}

/// Whether a day has passed; a clock that was set back is no reason to wait longer.
fn is_due(last: Timestamp, now: Timestamp) -> bool {
    now < last || now.duration_since(last) >= EVERY
}

fn last(here: &Path) -> Option<Timestamp> {
    let path = here.join(PRIVATE).join(NAME);
    let small = fs::metadata(&path).is_ok_and(|found| found.len() <= LIMIT);
    let text = small.then(|| fs::read_to_string(&path).ok())??;
    text.trim().parse().ok()
}

fn note(here: &Path, now: Timestamp) -> std::io::Result<()> {
    let private = here.join(PRIVATE);
    volume::own_directories(here, &private)?;
    // Half a moment is none, and then the next wake-up sweeps again.
    fs::write(private.join(NAME), format!("{now}\n"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_was_swept_is_told_in_a_few_words() {
        let swept = Swept {
            uploads: 1,
            objects: 2,
            bytes: 5 << 20,
        };
        assert_eq!(told(swept), "1 open upload, 2 objects (5.0 MiB)");
        assert_eq!(
            told(Swept {
                uploads: 0,
                ..swept
            }),
            "2 objects (5.0 MiB)"
        );
    }

    #[test]
    fn a_sweep_is_due_once_a_day() {
        let volume = tempfile::tempdir().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(last(volume.path()), None);
        note(volume.path(), at("2026-11-21T12:00:00Z")).unwrap();
        let last = last(volume.path()).unwrap();
        for (now, due) in [
            ("2026-11-21T12:00:01Z", false),
            ("2026-11-22T11:59:59Z", false),
            ("2026-11-22T12:00:00Z", true),
            ("2026-11-21T11:00:00Z", true),
        ] {
            assert_eq!(is_due(last, at(now)), due, "{now}");
        }
    }
}
