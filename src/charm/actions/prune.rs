//! `prune-backups`.

use serde::Serialize;

use super::standing::proven;
use super::{Parameters, RESULT_LIMIT, Results, leading, led, reach, seconds};
use crate::backup::{
    BackupId, Bound, Candidate, Catalogue, CatalogueError, Claim, Fate, Halt, Interval, Plan,
    Planned, Policy, Rules,
};
use crate::charm::failure::{self, Failure, Kind};
use crate::charm::lease::owning;
use crate::charm::{Charm, bucket_relation, now, owner, report, retention, selection, sweep};

const LEAD: &str = "Error pruning backups.";
const STORE_LEAD: &str = "Wrong S3 configuration on prune backups action. Check S3 integration.";
/// Who says the age that the parameter names.
const PARAMETER: &str = "older-than";

/// A line of the plan.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    backup_id: String,
    size: u64,
    /// `keep` or `delete`.
    fate: &'static str,
    why: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    last_proven: String,
}

pub(super) async fn prune(charm: &Charm, parameters: &Parameters) -> Result<Results, Failure> {
    let started = now();
    let dry_run = parameters.flag("dry-run");
    if !dry_run {
        leading(charm, charm.leader(LEAD).await?, "prune-backups")?;
    }
    let older_than = older_than(parameters.text(PARAMETER))?;
    let options = charm.options().await.map_err(led(LEAD))?;
    let limit = selection::shrink_warning(options);
    let limit = limit.map_err(|problem| invalid(charm, ("backup_shrink_warning", problem)))?;
    let policy = retention::policy(options).map_err(|wrong| invalid(charm, wrong))?;
    let relation = bucket_relation::backup_relation(charm)
        .await
        .map_err(led(LEAD))?;
    let catalogue = reach(charm, &relation, STORE_LEAD).await?;
    let me = owner::look(charm).await?;
    let mut rules = Rules {
        // An age that is asked for now is all that is meant.
        policy: older_than.map_or(policy, |_| Policy::default()),
        bounds: older_than
            .into_iter()
            .chain(retention::bound(&relation))
            .collect(),
        server_name: me.server_name,
        shrank: None,
    };

    let plan = async {
        let candidates = catalogue.candidates(now()).await.map_err(led(LEAD))?;
        rules.shrank = shrank(&catalogue, (&candidates, &rules.server_name), limit).await?;
        Ok::<_, Failure>(Plan::of(&rules, candidates, now()))
    };
    if dry_run {
        let mut results = told(&plan.await?, &rules)?;
        results.insert("result".to_owned(), "ready".to_owned());
        return Ok(results);
    }
    let work = async {
        let plan = plan.await?;
        let ended = delete(&catalogue, &plan).await;
        Ok((plan, ended, sweep::sweep(&catalogue).await))
    };
    let task = ("prune-backups", LEAD);
    let (plan, ended, swept) = owning(charm, &catalogue, task, Claim::Check, work).await?;
    let mut results = told(&plan, &rules)?;
    results.insert("deleted".to_owned(), ended.gone.to_string());
    results.insert("bytes-freed".to_owned(), ended.bytes.to_string());
    results.insert("seconds".to_owned(), seconds(started, now()));
    if let Some(swept) = swept {
        results.insert("swept".to_owned(), swept);
    }
    let Some((id, error)) = ended.failed.first() else {
        results.insert("result".to_owned(), "correct".to_owned());
        return Ok(results);
    };
    // What is gone is gone, and worth telling though the action fails.
    charm.tools.action_set(&results).await.map_err(led(LEAD))?;
    let first = failure::sort(error);
    let cause = format!(
        "{} of {} backups could not be deleted; the first is {id}: {}",
        ended.failed.len(),
        plan.going().count(),
        first.cause()
    );
    let hint = "run prune-backups again: it goes on where it was";
    Err(Failure::new(first.kind, first.code, cause, hint).led_by(LEAD))
}

/// What came of the deletions.
#[derive(Debug, Default)]
struct Deletions {
    gone: usize,
    bytes: u64,
    failed: Vec<(BackupId, CatalogueError)>,
}

/// Deletes what the plan lets go, oldest first; one that cannot be deleted does not keep the others.
async fn delete(catalogue: &Catalogue, plan: &Plan) -> Deletions {
    let mut ended = Deletions::default();
    for backup in plan.going() {
        match catalogue.delete(&backup.id).await {
            Ok(_) => {
                tracing::info!(backup = %backup.id, bytes = backup.size, "backup pruned");
                ended.gone += 1;
                ended.bytes += backup.size;
            }
            // Somebody else has deleted it.
            Err(CatalogueError::Absent(_)) => (),
            Err(error) => {
                let told = failure::chain(&error);
                tracing::warn!(backup = %backup.id, error = told, "backup not pruned");
                ended.failed.push((backup.id.clone(), error));
            }
        }
    }
    ended
}

/// By how many percent the newest backup holds less than the one before, where that is suspicious.
async fn shrank(
    catalogue: &Catalogue,
    (candidates, server_name): (&[Candidate], &str),
    limit: u64,
) -> Result<Option<u64>, Failure> {
    let ours = |backup: &&Candidate| {
        use crate::backup::Standing::{Finished, FinishedWithWarnings};
        matches!(backup.standing, Finished | FinishedWithWarnings)
            && backup.server_name.as_deref() == Some(server_name)
    };
    let mut ids = candidates
        .iter()
        .rev()
        .filter(ours)
        .map(|backup| &backup.id);
    let (Some(newest), Some(before)) = (ids.next(), ids.next()) else {
        return Ok(None);
    };
    let newest = catalogue.manifest(newest).await.map_err(led(LEAD))?;
    let before = catalogue.manifest(before).await.map_err(led(LEAD))?;
    Ok(before.shrank(&newest.places, newest.content, limit))
}

fn older_than(text: &str) -> Result<Option<Bound>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let bound = |older_than| {
        Some(Bound {
            older_than,
            said_by: PARAMETER,
        })
    };
    Interval::parse(text).map(bound).map_err(|error| {
        let hint = "write one such as 3M2D8h20m5s: numbers above 0 with units s m h D W M Y";
        Failure::new(Kind::Operator, "interval-invalid", error.to_string(), hint).led_by(LEAD)
    })
}

fn invalid(charm: &Charm, (option, problem): (&str, String)) -> Failure {
    let cause = format!("{option}: {problem}");
    let hint = format!(
        "correct it: juju config {} {option}=...",
        charm.application()
    );
    Failure::new(Kind::Operator, "option-invalid", cause, hint).led_by(LEAD)
}

/// The plan as a table for people and as JSON for programs; of more than Juju can carry, the newest.
fn told(plan: &Plan, rules: &Rules) -> Result<Results, Failure> {
    let rows: Vec<Row> = plan.backups.iter().map(row).collect();
    let mut shown = &rows[..];
    let (table, json) = loop {
        let table = table(shown);
        let json = serde_json::to_string(shown).map_err(led(LEAD))?;
        if table.len().max(json.len()) <= RESULT_LIMIT {
            break (table, json);
        }
        shown = &shown[shown.len().div_ceil(10)..];
    };
    let going: u64 = plan.going().map(|backup| backup.size).sum();
    let count = plan.going().count();
    let mut results = Results::from([
        ("formatted".to_owned(), table),
        ("plan-json".to_owned(), json),
        ("to-keep".to_owned(), (rows.len() - count).to_string()),
        ("to-delete".to_owned(), count.to_string()),
        ("bytes-to-free".to_owned(), going.to_string()),
        ("policy".to_owned(), policy(rules)),
    ]);
    let mut notes = Vec::new();
    if let Some(halt) = &plan.halted {
        let hint = match halt {
            Halt::NoPolicy => "; set backup_retention, or give older-than",
            Halt::NoBackup => "",
            Halt::Foreign { .. } => "; give this application a path of its own",
            Halt::Shrank { .. } => {
                "; look at it with show-backup, and delete it or make another one"
            }
            Halt::Broken { .. } => "; make another one, and verify it",
            Halt::Clock { .. } => "; set the clock, or delete what has a wrong time",
        };
        notes.push(format!("nothing is pruned: {halt}{hint}"));
    }
    if shown.len() < rows.len() {
        let (shown, all) = (shown.len(), rows.len());
        notes.push(format!("the newest {shown} of {all} backups are shown"));
    }
    if !notes.is_empty() {
        results.insert("note".to_owned(), notes.join("\n"));
    }
    Ok(results)
}

/// All that decides, in a line.
fn policy(rules: &Rules) -> String {
    let bounds = rules.bounds.iter().map(|bound| {
        let Bound {
            older_than,
            said_by,
        } = bound;
        format!("nothing older than {older_than} ({said_by})")
    });
    let words = Some(rules.policy.to_string()).filter(|words| !words.is_empty());
    let all: Vec<String> = words.into_iter().chain(bounds).collect();
    match all.is_empty() {
        true => "none".to_owned(),
        false => all.join(", "),
    }
}

fn row(planned: &Planned) -> Row {
    let Planned { backup, fate } = planned;
    Row {
        backup_id: backup.id.to_string(),
        size: backup.size,
        fate: match fate {
            Fate::Kept(_) => "keep",
            Fate::Surplus | Fate::Old(_) | Fate::Expired(_) => "delete",
        },
        why: fate.to_string(),
        last_proven: backup.proven.map(proven).unwrap_or_default(),
    }
}

fn table(rows: &[Row]) -> String {
    let line =
        |[id, size, fate, why]: [&str; 4]| format!("{id:<27} | {size:>10} | {fate:<6} | {why}");
    let head = line(["backup-id", "size", "", "why"]);
    let rule = "-".repeat(head.len() + 20);
    let rows = rows.iter().map(|row| {
        let size = report::size(row.size);
        line([&row.backup_id, &size, row.fate, &row.why])
    });
    let lines: Vec<String> = [head.clone(), rule].into_iter().chain(rows).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use jiff::{Timestamp, ToSpan as _};

    use super::*;
    use crate::backup::{Standing, Weekday};

    fn rules(policy: &str) -> Rules {
        Rules {
            policy: Policy::parse(policy, Weekday::default()).unwrap(),
            bounds: Vec::new(),
            server_name: "example.org".to_owned(),
            shrank: None,
        }
    }

    fn candidates(count: i64) -> Vec<Candidate> {
        let newest: Timestamp = "2026-11-22T15:00:00Z".parse().unwrap();
        let backup = |day: i64| Candidate {
            id: BackupId::at(newest - (day * 24).hours()),
            standing: Standing::Finished,
            server_name: Some("example.org".to_owned()),
            size: 3 << 30,
            proven: None,
            protected: day == 2,
            expires: None,
        };
        (0..count).map(backup).collect()
    }

    fn plan(rules: &Rules, count: i64) -> Plan {
        Plan::of(
            rules,
            candidates(count),
            "2026-11-22T16:00:00Z".parse().unwrap(),
        )
    }

    #[test]
    fn plan_is_a_table_that_an_operator_can_check() {
        let rules = rules("last=2 weekly=1");
        let results = told(&plan(&rules, 5), &rules).unwrap();
        insta::assert_snapshot!(results["formatted"], @r"
        backup-id                   |       size |        | why
        ---------------------------------------------------------------------------
        backup-20261118150000000000 |    3.0 GiB | delete | no rule keeps it
        backup-20261119150000000000 |    3.0 GiB | delete | no rule keeps it
        backup-20261120150000000000 |    3.0 GiB | keep   | protected
        backup-20261121150000000000 |    3.0 GiB | keep   | last=2, weekly
        backup-20261122150000000000 |    3.0 GiB | keep   | the newest, last=2
        ");
        let keys = ["to-keep", "to-delete", "bytes-to-free", "policy"];
        assert_eq!(
            keys.map(|key| results[key].as_str()),
            ["3", "2", "6442450944", "last=2 weekly=1"]
        );
        assert!(!results.contains_key("note"));
    }

    #[test]
    fn why_nothing_goes_is_said_with_what_to_do() {
        let rules = rules("");
        let results = told(&plan(&rules, 2), &rules).unwrap();
        assert_eq!(
            (results["note"].as_str(), results["policy"].as_str()),
            (
                "nothing is pruned: no policy is set; set backup_retention, or give older-than",
                "none"
            )
        );
    }

    #[test]
    fn plan_that_juju_cannot_carry_shows_the_newest_and_counts_all() {
        let rules = rules("last=1");
        let results = told(&plan(&rules, 5000), &rules).unwrap();
        assert!(results.values().all(|value| value.len() <= RESULT_LIMIT));
        assert_eq!(
            (results["to-keep"].as_str(), results["to-delete"].as_str()),
            ("2", "4998")
        );
        assert!(results["note"].contains("of 5000 backups are shown"));
    }

    #[test]
    fn interval_that_is_none_is_refused_in_bakthats_words() {
        for text in ["0D", "3", "1d", "soon"] {
            let refused = older_than(text).unwrap_err();
            assert_eq!(refused.code, "interval-invalid");
            let told = refused.to_string();
            assert!(
                told.contains(&format!("Bad interval format for {text}")),
                "{told}"
            );
        }
        assert_eq!(older_than("").unwrap(), None);
    }
}
