//! What a listing answers: a table for people, values for programs.

use jiff::Timestamp;
use serde::Serialize;

use super::choice::Form;
use crate::backup::{Label, Listed};
use crate::charm::actions::standing::{moment, proven, said, state};
use crate::charm::actions::{RESULT_LIMIT, Results, led};
use crate::charm::failure::Failure;

/// The most characters that are shown of a state.
const STATE: usize = 160;
/// The width that the column of the states has at most.
const WIDE: usize = "finished with warnings".len();

/// A line of the listing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Row {
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
    #[serde(flatten)]
    said: Label,
}

impl Row {
    fn tags(&self) -> String {
        let tags: Vec<&str> = self.said.tags.iter().map(String::as_str).collect();
        tags.join(" ")
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

pub(super) fn row(listed: &Listed, model: &str, now: Timestamp) -> Row {
    // What somebody wrote into the bucket may be long; show-backup tells all of it.
    let state = state(&listed.standing, model, now);
    Row {
        backup_id: listed.id.to_string(),
        last_modified: listed.last.map(moment).unwrap_or_default(),
        size: listed.size,
        state: state.chars().take(STATE).collect(),
        last_proven: listed.proven.map(proven).unwrap_or_default(),
        protected: listed.protected,
        said: listed.said.clone(),
    }
}

/// The listing as a table for people, as a map for `juju run --format`, and as JSON for programs.
///
/// The rows come oldest first. All three hold the same backups: the newest that fit into what Juju can carry.
pub(super) fn results(rows: &[Row], form: Form, newest_first: bool) -> Result<Results, Failure> {
    let mut shown = rows;
    let (table, json, ordered) = loop {
        let ordered: Vec<&Row> = match newest_first {
            true => shown.iter().rev().collect(),
            false => shown.iter().collect(),
        };
        let table = table(ordered.iter().copied());
        let json = serde_json::to_string(&ordered).map_err(led("Error listing backups."))?;
        if table.len().max(json.len()) <= RESULT_LIMIT {
            break (table, json, ordered);
        }
        // Oldest first: what does not fit is dropped from the beginning, a tenth at a time.
        shown = &shown[shown.len().div_ceil(10)..];
    };
    let mut results = Results::from([("count".to_owned(), rows.len().to_string())]);
    if shown.len() < rows.len() {
        let note = format!(
            "the newest {} of {} backups are shown",
            shown.len(),
            rows.len()
        );
        results.insert("note".to_owned(), note);
    }
    if form != Form::Json {
        results.insert("formatted".to_owned(), table);
    }
    if form != Form::Table {
        results.insert("backups-json".to_owned(), json);
    }
    if form == Form::All {
        results.extend(ordered.into_iter().flat_map(values));
    }
    Ok(results)
}

/// What is told of one backup, under keys of its own.
fn values(row: &Row) -> Vec<(String, String)> {
    let key = |field: &str| format!("backups.{}.{field}", row.backup_id);
    let protected = if row.protected { "true" } else { "" };
    let always = [
        ("last-modified", row.last_modified.clone()),
        ("size", row.size.to_string()),
        ("state", row.state.clone()),
    ];
    let perhaps = [
        ("last-proven", row.last_proven.clone()),
        ("protected", protected.to_owned()),
    ];
    let perhaps = perhaps.into_iter().filter(|(_, text)| !text.is_empty());
    let told = always.into_iter().chain(perhaps).chain(said(&row.said));
    told.map(|(field, text)| (key(field), text)).collect()
}

fn table<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> String {
    // One long state does not push the last column away from all rows.
    let widths = rows.clone().map(|row| row.state.chars().count().min(WIDE));
    let wide = widths.max().unwrap_or_default().max("state".len());
    // What is said of no backup needs no column.
    let (mut protected, mut labels, mut tags) = (false, false, false);
    for row in rows.clone() {
        protected |= row.protected;
        labels |= !row.said.label.is_empty();
        tags |= !row.said.tags.is_empty();
    }
    let line = |cells: [&str; 8]| {
        let [id, last, size, state, proven, is_protected, label, words] = cells;
        let mut line = format!("{id:<27} | {last:<25} | {size:>15} | {state:<wide$} | ");
        line += &match protected || labels || tags {
            true => format!("{proven:<36}"),
            false => proven.to_owned(),
        };
        for (shown, cell, width) in [
            (protected, is_protected, 9),
            (labels, label, 20),
            (tags, words, 0),
        ] {
            if shown {
                line += &format!(" | {cell:<width$}");
            }
        }
        line.trim_end_matches([' ', '|']).to_owned()
    };
    let head = line([
        "backup-id",
        "last-modified",
        "size",
        "state",
        "last proven",
        "protected",
        "label",
        "tags",
    ]);
    let rule = "-".repeat(head.len());
    let rows = rows.map(|row| {
        let (size, tags) = (row.size.to_string(), row.tags());
        let protected = if row.protected { "yes" } else { "" };
        line([
            &row.backup_id,
            &row.last_modified,
            &size,
            &row.state,
            &row.last_proven,
            protected,
            &row.said.label,
            &tags,
        ])
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
            said: Label::default(),
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
        insta::assert_snapshot!(table(rows.iter()), @r"
        backup-id                   | last-modified             |            size | state                  | last proven
        ----------------------------------------------------------------------------------------------------------------
        backup-20261121120405000000 | 2026-11-21 12:04:09+00:00 |         1234567 | finished
        backup-20261121120405000001 | 2026-11-21 12:04:09+00:00 |         1234568 | finished               | 2026-11-22 03:00:00+00:00 (full)
        backup-20261121120405000002 | 2026-11-21 12:04:09+00:00 |         1234569 | finished with warnings | broken 2026-11-22 03:00:00+00:00
        backup-20261121120405000003 | 2026-11-21 12:04:09+00:00 |         1234570 | failed: the copy of the database needs 17 bytes on the data volume
        backup-20261121120405000004 | 2026-11-21 12:04:09+00:00 |         1234571 | in progress (synapse/0 since 12:04:05 UTC, 43 %)
        ");
        rows[1].protected = true;
        rows[0].said.label = "before the move".to_owned();
        rows[0].said.tags = ["weekly", "prod"].map(str::to_owned).into();
        rows.truncate(2);
        insta::assert_snapshot!(table(rows.iter()), @r"
        backup-id                   | last-modified             |            size | state    | last proven                          | protected | label                | tags
        ---------------------------------------------------------------------------------------------------------------------------------------------------------------------
        backup-20261121120405000000 | 2026-11-21 12:04:09+00:00 |         1234567 | finished |                                      |           | before the move      | prod weekly
        backup-20261121120405000001 | 2026-11-21 12:04:09+00:00 |         1234568 | finished | 2026-11-22 03:00:00+00:00 (full)     | yes
        ");
    }

    #[test]
    fn empty_listing_still_has_a_table_and_json() {
        let results = results(&rows(0), Form::All, false).unwrap();
        assert_eq!(
            (results["backups-json"].as_str(), results["count"].as_str()),
            ("[]", "0")
        );
        assert!(results["formatted"].starts_with("backup-id"));
    }

    #[test]
    fn listing_that_juju_cannot_carry_shows_the_newest_and_says_so() {
        let results = results(&rows(5000), Form::All, true).unwrap();
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
