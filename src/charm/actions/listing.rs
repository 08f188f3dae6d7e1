//! `list-backups` and `delete-backup`.

use jiff::Timestamp;
use serde::Serialize;

use super::force;
use super::standing::{moment, proven, state};
use super::{Parameters, Results, leading, led};
use crate::backup::{BackupId, Catalogue, Claim, Listed};
use crate::charm::bucket_relation::BackupRelation;
use crate::charm::failure::{self, Failure, Kind};
use crate::charm::lease::owning;
use crate::charm::{Charm, bucket_relation, now, owner, store, sweep};

/// One result is one argument of a hook tool, which Linux bounds at 128 KiB.
pub(super) const RESULT_LIMIT: usize = 120 * 1024;

/// The word for the newest backup that was finished.
const LATEST: &str = "latest";
/// The most characters that are shown of a state.
const STATE: usize = 160;
/// The width that the column of the states has at most.
const WIDE: usize = "finished with warnings".len();

/// A line of the listing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    backup_id: String,
    /// When the backup was finished; of one that is not, when something was last heard of it.
    last_modified: String,
    size: u64,
    state: String,
    /// When it was proven, and how; or when it was found broken.
    #[serde(skip_serializing_if = "String::is_empty")]
    last_proven: String,
    /// Whether it is not to be deleted.
    #[serde(skip_serializing_if = "is_false")]
    protected: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

pub(super) async fn list(charm: &Charm) -> Result<Results, Failure> {
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
    let rows: Vec<Row> = listed
        .iter()
        .map(|backup| row(backup, model, now))
        .collect();
    let mut results = results(&rows)?;
    let me = owner::look(charm).await?;
    if let Some(owner) = owner::other(&catalogue, &me).await {
        results.insert("owner".to_owned(), owner.to_string());
    }
    Ok(results)
}

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

/// The catalogue, once the store has answered: what follows waits longer for each of its calls.
pub(super) async fn reach(
    charm: &Charm,
    relation: &BackupRelation,
    lead: &'static str,
) -> Result<Catalogue, Failure> {
    let catalogue = store::catalogue(charm, relation).await;
    let catalogue = catalogue.map_err(|failure| failure.led_by(lead))?;
    let probed = store::probe(charm, &catalogue).await;
    probed.map_err(|failure| failure.led_by(lead))?;
    Ok(catalogue)
}

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

fn row(listed: &Listed, model: &str, now: Timestamp) -> Row {
    // What somebody wrote into the bucket may be long; show-backup tells all of it.
    let state = state(&listed.standing, model, now);
    Row {
        backup_id: listed.id.to_string(),
        last_modified: listed.last.map(moment).unwrap_or_default(),
        size: listed.size,
        state: state.chars().take(STATE).collect(),
        last_proven: listed.proven.map(proven).unwrap_or_default(),
        protected: listed.protected,
    }
}

/// The listing as a table for people, as a map for `juju run --format`, and as JSON for programs.
///
/// All three hold the same backups: the newest that fit into what Juju can carry.
fn results(rows: &[Row]) -> Result<Results, Failure> {
    let mut shown = rows;
    let (table, json) = loop {
        let table = table(shown);
        let json = serde_json::to_string(shown).map_err(led("Error listing backups."))?;
        if table.len().max(json.len()) <= RESULT_LIMIT {
            break (table, json);
        }
        // Oldest first: what does not fit is dropped from the beginning, a tenth at a time.
        shown = &shown[shown.len().div_ceil(10)..];
    };
    let mut results = Results::from([
        ("formatted".to_owned(), table),
        ("backups-json".to_owned(), json),
        ("count".to_owned(), rows.len().to_string()),
    ]);
    if shown.len() < rows.len() {
        let note = format!(
            "the newest {} of {} backups are shown",
            shown.len(),
            rows.len()
        );
        results.insert("note".to_owned(), note);
    }
    for row in shown {
        let key = |field: &str| format!("backups.{}.{field}", row.backup_id);
        results.insert(key("last-modified"), row.last_modified.clone());
        results.insert(key("size"), row.size.to_string());
        results.insert(key("state"), row.state.clone());
        if !row.last_proven.is_empty() {
            results.insert(key("last-proven"), row.last_proven.clone());
        }
        if row.protected {
            results.insert(key("protected"), "true".to_owned());
        }
    }
    Ok(results)
}

fn table(rows: &[Row]) -> String {
    // One long state does not push the last column away from all rows.
    let widths = rows.iter().map(|row| row.state.chars().count().min(WIDE));
    let wide = widths.max().unwrap_or_default().max("state".len());
    // Most buckets have none that is protected, and need no column for it.
    let some = rows.iter().any(|row| row.protected);
    let line = |[id, last, size, state, proven, protected]: [&str; 6]| {
        let mut line = format!("{id:<27} | {last:<25} | {size:>15} | {state:<wide$} | ");
        line += &match some {
            true => format!("{proven:<36} | {protected}"),
            false => proven.to_owned(),
        };
        line.trim_end_matches([' ', '|']).to_owned()
    };
    let head = line([
        "backup-id",
        "last-modified",
        "size",
        "state",
        "last proven",
        "protected",
    ]);
    let rule = "-".repeat(head.len());
    let rows = rows.iter().map(|row| {
        let (id, last, size) = (&row.backup_id, &row.last_modified, row.size.to_string());
        let protected = if row.protected { "yes" } else { "" };
        line([id, last, &size, &row.state, &row.last_proven, protected])
    });
    let lines: Vec<String> = [head.clone(), rule].into_iter().chain(rows).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn rows(count: usize) -> Vec<Row> {
        let row = |number: usize| Row {
            backup_id: format!("backup-20261121120405{number:06}"),
            last_modified: "2026-11-21 12:04:09+00:00".to_owned(),
            size: 1_234_567 + number as u64,
            state: "finished".to_owned(),
            last_proven: String::new(),
            protected: false,
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn table_is_what_an_operator_reads() {
        let mut rows = rows(5);
        rows[1].last_proven = "2026-11-22 03:00:00+00:00 (full)".to_owned();
        rows[2].state = "finished with warnings".to_owned();
        rows[2].last_proven = "broken 2026-11-22 03:00:00+00:00".to_owned();
        rows[3].state =
            "failed: the copy of the database needs 17 bytes on the data volume".to_owned();
        rows[4].state = "in progress (synapse/0 since 12:04:05 UTC, 43 %)".to_owned();
        insta::assert_snapshot!(table(&rows), @r"
        backup-id                   | last-modified             |            size | state                  | last proven
        ----------------------------------------------------------------------------------------------------------------
        backup-20261121120405000000 | 2026-11-21 12:04:09+00:00 |         1234567 | finished
        backup-20261121120405000001 | 2026-11-21 12:04:09+00:00 |         1234568 | finished               | 2026-11-22 03:00:00+00:00 (full)
        backup-20261121120405000002 | 2026-11-21 12:04:09+00:00 |         1234569 | finished with warnings | broken 2026-11-22 03:00:00+00:00
        backup-20261121120405000003 | 2026-11-21 12:04:09+00:00 |         1234570 | failed: the copy of the database needs 17 bytes on the data volume
        backup-20261121120405000004 | 2026-11-21 12:04:09+00:00 |         1234571 | in progress (synapse/0 since 12:04:05 UTC, 43 %)
        ");
        rows[1].protected = true;
        rows.truncate(2);
        insta::assert_snapshot!(table(&rows), @r"
        backup-id                   | last-modified             |            size | state    | last proven                          | protected
        ---------------------------------------------------------------------------------------------------------------------------------------
        backup-20261121120405000000 | 2026-11-21 12:04:09+00:00 |         1234567 | finished
        backup-20261121120405000001 | 2026-11-21 12:04:09+00:00 |         1234568 | finished | 2026-11-22 03:00:00+00:00 (full)     | yes
        ");
    }

    #[test]
    fn empty_listing_still_has_a_table_and_json() {
        let results = results(&rows(0)).unwrap();
        assert_eq!(
            (results["backups-json"].as_str(), results["count"].as_str()),
            ("[]", "0")
        );
        assert!(results["formatted"].starts_with("backup-id"));
    }

    #[test]
    fn listing_that_juju_cannot_carry_shows_the_newest_and_says_so() {
        let results = results(&rows(5000)).unwrap();
        assert!(results.values().all(|value| value.len() <= RESULT_LIMIT));
        assert_eq!(results["count"], "5000");
        assert!(
            results["note"].contains("of 5000 backups are shown"),
            "{}",
            results["note"]
        );
        assert!(results["formatted"].ends_with("finished"));
        assert!(results["formatted"].contains("backup-20261121120405004999"));
    }
}
