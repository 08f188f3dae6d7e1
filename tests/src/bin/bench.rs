//! `bench`: measures and prints. `bench --small` shows in a few minutes that it works; its numbers mean nothing.
//!
//! `bench --proofs` measures what backups and their proofs take and nothing else: `--proofs small` with little of both.
//! `bench --restores` measures the downtime and the memory of restores and nothing else. `BENCH_SIZES="10M 1G"` names the
//! sizes of their media, so that a smaller machine can leave out the largest.

use std::process::ExitCode;

use harness::bench::{Sizes, run, run_proofs, run_restores, stand_between};

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
    let small = Sizes {
        media: vec![8 << 20, 32 << 20],
        database: 20_000_000,
        message: 32_000_000,
        hooks: 30,
        restores: vec![2 << 20, 32 << 20],
        rounds: 1,
    };
    match words[..] {
        [] => run(&Sizes::default())?,
        ["--small"] => run(&small)?,
        ["--restores"] => run_restores(&Sizes::default())?,
        ["--proofs"] => run_proofs(&Sizes::default())?,
        ["--proofs", "small"] => run_proofs(&small)?,
        _ => anyhow::bail!("usage: bench [--small | --restores | --proofs [small]]"),
    }
    Ok(ExitCode::SUCCESS)
}
