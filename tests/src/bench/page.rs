//! The page: what was measured as tables and charts, with all that one has to know to believe it.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::chart::{Line, draw};
use super::goals::{self, Verdict};
use super::measured::{Rounds, What};
use super::outcome::Outcome;
use super::report::{mebi, say, seconds};
use super::settings::Settings;
use crate::parts;

/// What stands first on the page.
const HEAD: &str = include_str!("page.md");

/// The order of the rows in the table of all runs.
const ORDER: [What; 13] = [
    What::Create,
    What::PeerCreate,
    What::PlainCreate,
    What::ResticCreate,
    What::Tar,
    What::TarNull,
    What::Verify,
    What::GpgDecrypt,
    What::Restore,
    What::LegacyRestore,
    What::PeerRestore,
    What::PlainRestore,
    What::ResticRestore,
];

/// Writes page, charts and raw output where they belong, and prints the tables.
///
/// Only a whole run at full size writes into the documents; all others write below `target`.
pub(super) fn write(outcome: &Outcome, settings: &Settings) -> Result<()> {
    let whole = !settings.is_quick() && settings.is_whole();
    let place: PathBuf = match whole {
        true => parts::workspace().join("docs/reference"),
        false => parts::workspace().join("target/bench"),
    };
    fs::create_dir_all(&place)?;
    let page = page(outcome);
    fs::write(place.join("performance.md"), &page)?;
    fs::write(
        place.join("performance.raw.json"),
        serde_json::to_vec_pretty(outcome)?,
    )?;
    for (name, chart) in charts(outcome) {
        fs::write(place.join(name), chart)?;
    }
    let (_, tables) = page.split_once("\n## ").context("a page without a table")?;
    say(&format!("## {tables}"));
    let shown = place.strip_prefix(parts::workspace()).unwrap_or(&place);
    say(&format!(
        "Page, charts and raw output are in {}.",
        shown.display()
    ));
    ensure!(
        !outcome.measured.is_empty() || !settings.is_whole(),
        "nothing was measured"
    );
    Ok(())
}

fn page(outcome: &Outcome) -> String {
    let mut page = HEAD.to_owned();
    let [before, after] = &outcome.load;
    let facts = [
        format!("- **When**: {}, charm `{}`", outcome.date, outcome.dispatch),
        format!(
            "- **Machine**: {}; load {before} at the beginning, {after} at the end",
            outcome.machine
        ),
        format!("- **Versions**: {}", outcome.versions.join("; ")),
    ];
    add(&mut page, &facts.join("\n"));
    for note in &outcome.notes {
        add(&mut page, &format!("- **Note**: {note}"));
    }
    add(&mut page, "\n## The goals\n");
    add(&mut page, &goals(outcome));
    add(&mut page, "\n## All runs\n");
    add(&mut page, &runs(outcome));
    add(&mut page, "\n## Over the size\n");
    for (name, _) in charts(outcome) {
        add(&mut page, &format!("![{name}]({name})\n"));
    }
    add(&mut page, "## Phases of the last round\n");
    add(&mut page, &phases(outcome));
    page
}

fn goals(outcome: &Outcome) -> String {
    let mut table =
        "| what | goal | stretch | measured | |\n| --- | --- | --- | --- | --- |\n".to_owned();
    let rows = goals::rows(outcome);
    let met = rows
        .iter()
        .filter(|row| matches!(row.verdict, Verdict::Met | Verdict::Stretched));
    let met = met.count();
    for row in &rows {
        let told = row.verdict.told();
        add(
            &mut table,
            &format!(
                "| {} | {} | {} | {} | {told} |",
                row.what, row.goal, row.stretch, row.measured
            ),
        );
    }
    format!("{met} of {} are met.\n\n{table}", rows.len())
}

fn runs(outcome: &Outcome) -> String {
    let mut table = "\
| data set | server | what | rounds | wall s, median (least, most) | MB/s | CPU s without the server | CPU s of each | peak RSS of each, MiB | peak PSS of all, MiB | on the wire, MB | down s |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"
    .to_owned();
    let mut places: Vec<(&str, &str)> = Vec::new();
    for one in &outcome.measured {
        if !places.contains(&(&one.set, &one.store)) {
            places.push((&one.set, &one.store));
        }
    }
    for (set, store) in places {
        for what in ORDER {
            if let Some(rounds) = outcome.rounds(set, store, what) {
                add(&mut table, &run(set, store, what, &rounds));
            }
        }
    }
    table
}

fn run(set: &str, store: &str, what: What, rounds: &Rounds<'_>) -> String {
    let (least, most) = rounds.spread();
    let first = rounds.first();
    let set = format!(
        "{set}, {:.2} GB, {} files",
        first.bytes as f64 / 1e9,
        first.files
    );
    let rate = first.bytes as f64 / 1e6 / rounds.wall();
    let cpu = rounds
        .cpu_of_each()
        .into_iter()
        .filter(|(_, spent)| *spent >= 0.05);
    let cpu = cpu.map(|(name, spent)| format!("{name} {}", seconds(spent)));
    let rss = rounds.rss_of_each().into_iter();
    let rss = rss.map(|(name, peak)| format!("{name} {}", mebi(peak)));
    let down = rounds
        .down()
        .map(|down| format!("{down:.2}"))
        .unwrap_or_default();
    format!(
        "| {set} | {store} | {} | {} | {:.1} ({least:.1}, {most:.1}) | {rate:.0} | {} | {} | {} | {} | {:.0} | {down} |",
        what.told(),
        rounds.len(),
        rounds.wall(),
        seconds(rounds.cpu()),
        cpu.collect::<Vec<_>>().join(", "),
        rss.collect::<Vec<_>>().join(", "),
        mebi(rounds.pss()),
        rounds.wire() / 1e6,
    )
}

fn phases(outcome: &Outcome) -> String {
    let mut table =
        "| data set | server | what | seconds |\n| --- | --- | --- | --- |\n".to_owned();
    for what in [
        What::Create,
        What::Verify,
        What::Restore,
        What::LegacyRestore,
    ] {
        for rounds in outcome.by_size(what) {
            let first = rounds.first();
            add(
                &mut table,
                &format!(
                    "| {} | {} | {} | {} |",
                    first.set,
                    first.store,
                    what.told(),
                    rounds.remark()
                ),
            );
        }
    }
    table
}

/// The charts, by the names of their files.
fn charts(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let curves = [
        ("create-backup", What::Create),
        ("peer, create", What::PeerCreate),
        ("peer with -z 0, create", What::PlainCreate),
        ("restore-backup", What::Restore),
        ("peer, restore", What::PeerRestore),
        ("peer with -z 0, restore", What::PlainRestore),
    ];
    let lines = |value: fn(&Rounds<'_>) -> f64| -> Vec<Line> {
        let line = |(name, what): (&str, What)| {
            let sizes = outcome.by_size(what).into_iter();
            // The curve is of one kind of data and one server.
            let sizes = sizes.filter(|rounds| {
                let first = rounds.first();
                first.store == goals::STORE && !["small", "text"].contains(&first.set.as_str())
            });
            let points = sizes.map(|rounds| (rounds.first().bytes as f64, value(&rounds)));
            let points: Vec<(f64, f64)> = points.collect();
            (!points.is_empty()).then(|| Line {
                name: name.to_owned(),
                points,
            })
        };
        curves.into_iter().filter_map(line).collect()
    };
    let rates = lines(|rounds| rounds.first().bytes as f64 / 1e6 / rounds.wall());
    let peaks = lines(|rounds| rounds.pss() as f64 / 1024.0);
    let drawn = |name, title, unit, lines: Vec<Line>| {
        (!lines.is_empty()).then(|| (name, draw(title, unit, &lines)))
    };
    [
        drawn(
            "performance-throughput.svg",
            "Throughput over size: incompressible media, versitygw, plain HTTP",
            "MB/s",
            rates,
        ),
        drawn(
            "performance-memory.svg",
            "Peak memory of all processes together (PSS) over size",
            "MiB",
            peaks,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Adds a line; writing to a text cannot fail.
fn add(text: &mut String, line: &str) {
    let _ = writeln!(text, "{line}");
}
