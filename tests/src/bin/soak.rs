//! `soak`: a restore that something happens to, at every moment there is, and then at moments by chance.
//!
//! SOAK_MINUTES says how long the latter go on (10). SOAK_SEED repeats those of an earlier run, and nothing else.

use std::env;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use harness::demo::remarks;
use harness::ordeal::Soak;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nsoak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    println!("{text}");
}

fn run() -> Result<()> {
    remarks()?.iter().for_each(|remark| say(remark));
    let minutes = number("SOAK_MINUTES")?.unwrap_or(10);
    let given = number("SOAK_SEED")?;
    let seed = match given {
        Some(seed) => seed,
        None => SystemTime::UNIX_EPOCH.elapsed()?.as_secs(),
    };
    let time = Duration::from_secs(minutes * 60);
    say(&format!("SOAK_SEED={seed} SOAK_MINUTES={minutes}"));
    let named = given.is_none();
    Soak { seed, time, named }.run(say)?;
    say("\nAt every one of these moments the server was wholly the one or wholly the other.");
    Ok(())
}

/// A number from the environment.
fn number(name: &str) -> Result<Option<u64>> {
    match env::var(name) {
        Ok(text) => {
            let number = text
                .parse()
                .with_context(|| format!("{name} is no number"))?;
            Ok(Some(number))
        }
        Err(_) => Ok(None),
    }
}
