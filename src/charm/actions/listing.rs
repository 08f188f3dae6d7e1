//! `list-backups`.

mod choice;
mod table;

use self::choice::Choice;
use self::table::{Row, results, row};
use super::{Parameters, Results, led, reach};
use crate::charm::failure::Failure;
use crate::charm::{Charm, bucket_relation, now, owner};

pub(super) async fn list(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    let choice = Choice::read(parameters)?;
    let relation = bucket_relation::backup_relation(charm)
        .await
        .map_err(led("Error listing backups."))?;
    let wrong = "Wrong S3 configuration on list backups action. Check S3 integration.";
    let catalogue = reach(charm, &relation, wrong).await?;
    let now = now();
    let listed = catalogue
        .list(now)
        .await
        .map_err(led("Error listing backups."))?;
    let model = &charm.context.model_uuid;
    let all = listed.len();
    let listed = choice.of(listed);
    let rows: Vec<Row> = listed
        .iter()
        .map(|backup| row(backup, model, now))
        .collect();
    let mut results = results(&rows, choice.form, choice.newest_first)?;
    if rows.len() < all {
        results.insert("of".to_owned(), all.to_string());
    }
    let me = owner::look(charm).await?;
    if let Some(owner) = owner::other(&catalogue, &me).await {
        results.insert("owner".to_owned(), owner.to_string());
    }
    Ok(results)
}
