//! `docs/reference/stores.md`: what each store showed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use harness::parts;
use harness::s3::Product;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Question;
use super::scene::Shown;

/// What one run against one store showed, as it is kept until all have been asked.
#[derive(Serialize, Deserialize)]
struct Run {
    version: String,
    shown: BTreeMap<String, Shown>,
}

/// Keeps what a store showed.
pub(super) fn keep(product: Product, tls: bool, shown: &[(&str, Shown)]) {
    let run = Run {
        version: product.version().unwrap(),
        shown: shown
            .iter()
            .map(|(name, shown)| ((*name).to_owned(), shown.clone()))
            .collect(),
    };
    fs::create_dir_all(directory()).unwrap();
    let text = serde_json::to_vec_pretty(&run).unwrap();
    fs::write(kept(product, tls), text).unwrap();
}

/// Writes the document; all stores must have been asked in both ways.
pub(super) fn write(questions: &[Question]) {
    let mut runs = Vec::new();
    for product in Product::ALL {
        let read = |tls| -> Run {
            let text = fs::read(kept(product, tls)).unwrap_or_else(|error| {
                panic!(
                    "{} was not asked ({error}): run `make contract`",
                    product.name()
                )
            });
            serde_json::from_slice(&text).unwrap()
        };
        runs.push((product, read(false), read(true)));
    }
    let day = Timestamp::now().strftime("%Y-%m-%d");
    let versions = runs
        .iter()
        .map(|(product, run, _)| format!("{} {}", product.name(), run.version));
    let versions: Vec<String> = versions.collect();
    let mut text = format!("{HEAD}\nAsked on {day}: {}.\n\n", versions.join(", "));
    text += &row(
        "",
        Product::ALL.iter().map(|product| product.name().to_owned()),
        "If not, the charm",
    );
    text += &row("---", Product::ALL.iter().map(|_| "---".to_owned()), "---");
    for question in questions {
        let cells = runs.iter().map(|(_, plain, tls)| {
            let [plain, tls] = [plain, tls].map(|run| run.shown[question.name].as_str());
            cell(plain, tls)
        });
        text += &row(&sentence(question.name), cells, question.remedy);
    }
    fs::write(document(), text).unwrap();
}

/// Holds the committed document against the questions and the stores.
pub(super) fn check(questions: &[Question]) {
    let text = fs::read_to_string(document()).unwrap();
    let mut rows = text.lines().filter(|line| line.starts_with('|'));
    let columns: Vec<&str> = rows.next().unwrap().split(" | ").collect();
    for product in Product::ALL {
        let named = columns.contains(&product.name());
        assert!(
            named,
            "no column for {}: run `make contract`",
            product.name()
        );
    }
    let rows: Vec<&str> = rows.skip(1).collect();
    assert_eq!(rows.len(), questions.len(), "run `make contract`");
    for (row, question) in rows.iter().zip(questions) {
        let cells: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
        let name = sentence(question.name);
        assert_eq!(cells[0], name, "run `make contract`");
        assert_eq!(cells.len(), columns.len(), "{name}: run `make contract`");
        assert_eq!(cells.last(), Some(&question.remedy), "run `make contract`");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
    }
}

const HEAD: &str = "# Stores

What real S3 stores showed when they were asked the questions of `tests/it/s3/contract.rs`, each with and without TLS. This page is
written by `make contract`; do not edit it. `yes` is what AWS documents. Whatever else stands here is no failure: the charm
does without, as the last column says. Questions where it cannot (it `stops`) are answered with `yes` by all of them, or `make contract`
fails.
";

fn directory() -> PathBuf {
    parts::workspace().join("target/contract")
}

fn kept(product: Product, tls: bool) -> PathBuf {
    let ending = if tls { "-tls" } else { "" };
    directory().join(format!("{product:?}{ending}.json"))
}

fn document() -> PathBuf {
    parts::workspace().join("docs/reference/stores.md")
}

/// A question's name as people write.
fn sentence(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn cell(plain: &str, tls: &str) -> String {
    let text = match plain == tls {
        true => plain.to_owned(),
        false => format!("{plain}; over TLS {tls}"),
    };
    text.replace('|', "\\|")
}

fn row(first: &str, cells: impl Iterator<Item = String>, last: &str) -> String {
    let cells: Vec<String> = cells.collect();
    format!("| {first} | {} | {last} |\n", cells.join(" | "))
}
