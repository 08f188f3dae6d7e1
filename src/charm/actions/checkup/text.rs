//! The findings as a table for people, and as JSON for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::{Results, led};
use super::LEAD;
use super::remedies::Provider;
use crate::charm::failure::Failure;
use crate::s3::{Check, Verdict};

/// The width that the column of findings is broken at.
const WIDE: usize = 96;

/// One item, as programs read it.
#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    verdict: &'static str,
    what: &'a str,
    fix: Vec<String>,
}

pub(super) fn results(checks: &[Check], provider: &Provider) -> Result<Results, Failure> {
    let rows: Vec<Row<'_>> = checks
        .iter()
        .map(|check| Row {
            name: check.name,
            verdict: check.verdict.word(),
            what: &check.what,
            fix: check
                .remedies
                .iter()
                .map(|remedy| provider.command(remedy))
                .collect(),
        })
        .collect();
    let json = serde_json::to_string(&rows).map_err(led(LEAD))?;
    let mut results = Results::from([
        ("result".to_owned(), result(checks)),
        ("formatted".to_owned(), table(&rows)),
        ("checks-json".to_owned(), json),
    ]);
    for (key, verdict) in [
        ("passed", Verdict::Pass),
        ("warned", Verdict::Warn),
        ("failed", Verdict::Fail),
        ("not-checked", Verdict::Skipped),
    ] {
        results.insert(key.to_owned(), named(checks, verdict).len().to_string());
    }
    let verdicts: BTreeMap<String, String> = checks
        .iter()
        .map(|check| {
            (
                format!("checks.{}", check.name),
                check.verdict.word().to_owned(),
            )
        })
        .collect();
    results.extend(verdicts);
    Ok(results)
}

/// One line for all of it.
fn result(checks: &[Check]) -> String {
    let failed = named(checks, Verdict::Fail);
    match failed.len() {
        0 => "correct".to_owned(),
        1 => format!("1 of {} checks fails: {}", checks.len(), failed.join(", ")),
        some => format!(
            "{some} of {} checks fail: {}",
            checks.len(),
            failed.join(", ")
        ),
    }
}

fn named(checks: &[Check], verdict: Verdict) -> Vec<&'static str> {
    let found = checks.iter().filter(|check| check.verdict == verdict);
    found.map(|check| check.name).collect()
}

/// A line for each item, and under it what mends it.
fn table(rows: &[Row<'_>]) -> String {
    let name = rows.iter().map(|row| row.name.len()).max();
    let name = name.unwrap_or_default().max("check".len());
    let verdict = "not checked".len();
    let head = format!("{:<name$} | {:<verdict$} | finding", "check", "answer");
    let mut lines = vec![
        head.clone(),
        "-".repeat(head.len().max(name + verdict + WIDE / 2)),
    ];
    for row in rows {
        let mut first = (row.name, row.verdict);
        for line in broken(row.what, WIDE) {
            lines.push(format!(
                "{:<name$} | {:<verdict$} | {line}",
                first.0, first.1
            ));
            first = ("", "");
        }
        for fix in &row.fix {
            // A command stays on one line, to be copied.
            lines.push(format!("{:<name$} | {:<verdict$} | -> {fix}", "", ""));
        }
    }
    lines.join("\n")
}

/// A text in lines of a width, broken between words; a longer word stays whole.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let full = lines.last().is_some_and(|line| {
            !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width
        });
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<'a>(name: &'a str, verdict: Verdict, what: &'a str, fix: &[&str]) -> Row<'a> {
        Row {
            name,
            verdict: verdict.word(),
            what,
            fix: fix.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    #[test]
    fn table_is_what_an_operator_reads() {
        let rows = [
            row("dns", Verdict::Pass, "s3.example.com is 192.0.2.7", &[]),
            row(
                "region",
                Verdict::Warn,
                "us-east-1 is not the bucket's, which is eu-west-1; backups correct it by themselves, at the cost of a request",
                &["juju config s3-integrator region=eu-west-1"],
            ),
            row(
                "latency",
                Verdict::Skipped,
                "the bucket does not exist",
                &[],
            ),
        ];
        insta::assert_snapshot!(table(&rows), @r"
        check   | answer      | finding
        ------------------------------------------------------------------
        dns     | pass        | s3.example.com is 192.0.2.7
        region  | warn        | us-east-1 is not the bucket's, which is eu-west-1; backups correct it by themselves, at the cost
                |             | of a request
                |             | -> juju config s3-integrator region=eu-west-1
        latency | not checked | the bucket does not exist
        ");
    }
}
