//! The parameter `backup-id`.

use super::{Parameters, led, reach};
use crate::backup::BackupId;
use crate::charm::failure::{self, Failure, Kind};
use crate::charm::{Charm, bucket_relation, now};

/// The word for the newest backup that was finished.
const LATEST: &str = "latest";

/// The backup that `backup-id` names: exactly, or as `latest`, the newest that was finished.
pub(super) async fn chosen(
    charm: &Charm,
    parameters: &Parameters,
    (lead, wrong): (&'static str, &'static str),
) -> Result<BackupId, Failure> {
    let text = parameters.text("backup-id");
    if text != LATEST {
        return parse_id(text);
    }
    let relation = bucket_relation::backup_relation(charm)
        .await
        .map_err(led(lead))?;
    let catalogue = reach(charm, &relation, wrong).await?;
    let latest = catalogue.latest(now()).await.map_err(led(lead))?;
    latest.ok_or_else(|| {
        let cause = "backup-id latest does not exist: there is no finished backup";
        let hint = "list-backups shows what there is";
        Failure::new(Kind::Operator, "backup-not-found", cause, hint)
    })
}

/// Reads the parameter `backup-id`; what cannot be the name of a backup does not exist, in the Python charm's words.
fn parse_id(text: &str) -> Result<BackupId, Failure> {
    if text.is_empty() {
        let hint = "list-backups shows which exist";
        return Err(Failure::new(
            Kind::Operator,
            "backup-not-found",
            "backup-id is empty",
            hint,
        ));
    }
    BackupId::parse(text).map_err(|error| {
        let shown: String = text.chars().take(80).collect();
        let cause = format!("backup-id {shown} does not exist: {error}");
        Failure::new(
            Kind::Operator,
            "backup-not-found",
            cause,
            "list-backups shows which exist",
        )
    })
}

/// A backup that is not there is told in the Python charm's words alone.
pub(super) fn absent(error: &(dyn std::error::Error + 'static)) -> Option<Failure> {
    let failure = failure::sort(error);
    (failure.code == "backup-not-found").then_some(failure)
}
