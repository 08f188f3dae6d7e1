//! `protect-backup` and `unprotect-backup`.

use super::backup_id::{absent, chosen};
use super::{Parameters, Results, leading, led, reach};
use crate::backup::{BackupId, Catalogue, Claim, Protection};
use crate::charm::failure::{Failure, Kind};
use crate::charm::lease::owning;
use crate::charm::{Charm, bucket_relation, now};

const PROTECT: (&str, &str) = (
    "Error protecting the backup.",
    "Wrong S3 configuration on protect backup action. Check S3 integration.",
);
const UNPROTECT: (&str, &str) = (
    "Error unprotecting the backup.",
    "Wrong S3 configuration on unprotect backup action. Check S3 integration.",
);

pub(super) async fn protect(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    let (id, catalogue) = begin(charm, parameters, "protect-backup", PROTECT).await?;
    let lead = PROTECT.0;
    let failed = |error| absent(&error).unwrap_or_else(|| led(lead)(error));
    let work = async {
        let examined = catalogue.examine(&id, now()).await.map_err(failed)?;
        if !examined.listed.standing.is_finished() {
            let cause = format!("{id} is not a finished backup");
            let hint = "list-backups shows which are finished";
            let failure = Failure::new(Kind::Operator, "backup-unfinished", cause, hint);
            return Err(failure.led_by(lead));
        }
        let protection = Protection {
            since: Some(now()),
            unit: charm.context.unit.to_string(),
            reason: parameters.text("reason").to_owned(),
        };
        catalogue.protect(&id, protection).await.map_err(failed)
    };
    owning(
        charm,
        &catalogue,
        ("protect-backup", lead),
        Claim::Check,
        work,
    )
    .await?;
    Ok(results(&id))
}

pub(super) async fn unprotect(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    let (id, catalogue) = begin(charm, parameters, "unprotect-backup", UNPROTECT).await?;
    let lead = UNPROTECT.0;
    let failed = |error| absent(&error).unwrap_or_else(|| led(lead)(error));
    let work = async {
        let examined = catalogue.examine(&id, now()).await.map_err(failed)?;
        catalogue.unprotect(&id).await.map_err(failed)?;
        Ok(examined.listed.protected)
    };
    let task = ("unprotect-backup", lead);
    let was = owning(charm, &catalogue, task, Claim::Check, work).await?;
    let mut results = results(&id);
    if !was {
        results.insert("note".to_owned(), "it was not protected".to_owned());
    }
    Ok(results)
}

async fn begin(
    charm: &Charm,
    parameters: &Parameters,
    action: &'static str,
    (lead, wrong): (&'static str, &'static str),
) -> Result<(BackupId, Catalogue), Failure> {
    leading(charm, charm.leader(lead).await?, action)?;
    let id = chosen(charm, parameters, (lead, wrong)).await?;
    let relation = bucket_relation::backup_relation(charm)
        .await
        .map_err(led(lead))?;
    let catalogue = reach(charm, &relation, wrong).await?;
    Ok((id, catalogue))
}

fn results(id: &BackupId) -> Results {
    Results::from([
        ("result".to_owned(), "correct".to_owned()),
        ("backup-id".to_owned(), id.to_string()),
    ])
}
