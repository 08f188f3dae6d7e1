//! `delete-backup`.

use super::backup_id::{absent, chosen};
use super::force;
use super::{Parameters, Results, leading, led, reach};
use crate::backup::Claim;
use crate::charm::failure::{self, Failure};
use crate::charm::lease::owning;
use crate::charm::{Charm, bucket_relation, sweep};

pub(super) async fn delete(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    const LEAD: &str = "Error deleting backup.";
    const WRONG: &str = "Wrong S3 configuration on delete backup action. Check S3 integration.";
    leading(charm, charm.leader(LEAD).await?, "delete-backup")?;
    let id = chosen(charm, parameters, (LEAD, WRONG)).await?;
    let claim = force::claim(parameters.text("force"), Claim::Check, LEAD)?;
    let relation = bucket_relation::backup_relation(charm)
        .await
        .map_err(led(LEAD))?;
    let catalogue = reach(charm, &relation, WRONG).await?;
    let work = async {
        let deleted = catalogue.delete(&id).await;
        let deleted =
            deleted.map_err(|error| absent(&error).unwrap_or_else(|| led(LEAD)(error)))?;
        // What was asked for is done.
        if let Err(error) = catalogue.disown_if_empty().await {
            let error = failure::chain(&error);
            tracing::warn!(error, "the word of the owner stays in the bucket");
        }
        Ok((deleted, sweep::sweep(&catalogue).await))
    };
    let task = ("delete-backup", LEAD);
    let (deleted, swept) = owning(charm, &catalogue, task, claim, work).await?;
    let mut results = Results::from([
        ("result".to_owned(), "correct".to_owned()),
        ("backup-id".to_owned(), id.to_string()),
        ("objects".to_owned(), deleted.objects.to_string()),
    ]);
    if let Some(swept) = swept {
        results.insert("swept".to_owned(), swept);
    }
    if !deleted.committed {
        let note = "there was no finished backup, only the rest of one; it is gone";
        results.insert("note".to_owned(), note.to_owned());
    }
    Ok(results)
}
