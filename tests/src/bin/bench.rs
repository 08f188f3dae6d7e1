//! `bench`: measures and prints. `bench --small` shows in a minute that it works; its numbers mean nothing.

use std::process::ExitCode;

use harness::bench::{Sizes, run, stand_between};

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
    let sizes = match words {
        [] => Sizes::default(),
        [word] if word == "--small" => Sizes {
            media: vec![8 << 20, 32 << 20],
            message: 32_000_000,
            hooks: 30,
        },
        _ => anyhow::bail!("usage: bench [--small]"),
    };
    run(&sizes)?;
    Ok(ExitCode::SUCCESS)
}
