//! Sealing and opening on one core, beside what must be done at least: a program of its own, built as the charm is.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use super::measured::median;
use crate::parts;

/// Where `make hot` leaves it.
const PROGRAM: &str = "target/x86_64-unknown-linux-musl/release/hot";

/// Megabytes (10^6) a second of one core's time.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Kernels {
    /// SHA-1 of 16 KiB and then AES-256 in CFB mode of the same, and so on.
    pub(super) both: f64,
    /// SHA-1 alone.
    pub(super) sha1: f64,
    /// Our sealing.
    pub(super) seal: f64,
    /// Our opening.
    pub(super) open: f64,
}

impl Kernels {
    /// Measures, each so often, one after the other.
    pub(super) fn measure(rounds: usize) -> Result<Self> {
        let mut rates: [Vec<f64>; 4] = Default::default();
        for _ in 0..rounds {
            for (rates, what) in rates.iter_mut().zip(["both", "sha1", "seal", "open"]) {
                rates.push(rate(what)?);
            }
        }
        let [both, sha1, seal, open] = rates.map(median);
        Ok(Self {
            both,
            sha1,
            seal,
            open,
        })
    }
}

fn rate(what: &str) -> Result<f64> {
    let output = Command::new(program()?).args([what, "seconds"]).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "hot {what} failed: {errors}");
    let told: Value = serde_json::from_slice(&output.stdout).context("hot told no JSON")?;
    let number = |key: &str| {
        told[key]
            .as_f64()
            .with_context(|| format!("hot told no {key}"))
    };
    Ok(number("bytes")? / 1e6 / number("cpu-seconds")?)
}

fn program() -> Result<PathBuf> {
    let program = parts::workspace().join(PROGRAM);
    ensure!(program.is_file(), "{PROGRAM} is missing: run `make hot`");
    Ok(program)
}
