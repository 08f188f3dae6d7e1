//! `bench`: measures, proves and writes the page. What it measures is set in the environment: see `Settings`.
//!
//! `bench --proofs` measures the copy of a large database and its proof and nothing else. `bench --restores` measures the
//! downtime and the memory of restores and nothing else; `BENCH_SIZES="10M 1G"` names the sizes of their media.

use std::process::ExitCode;

use harness::bench::{Settings, run, run_proofs, run_restores, stand_between};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match stand_between(&words) {
        Some(outcome) => outcome,
        None => measure(&words),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("bench: {error:#}");
        ExitCode::FAILURE
    })
}

fn measure(words: &[String]) -> anyhow::Result<ExitCode> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => run(&Settings::read()?)?,
        ["--restores"] => run_restores()?,
        ["--proofs"] => run_proofs()?,
        _ => anyhow::bail!("usage: bench [--restores | --proofs]"),
    }
    Ok(ExitCode::SUCCESS)
}
