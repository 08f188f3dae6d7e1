//! `hot LOOP BYTES` runs one hot loop over so many bytes, for whoever counts instructions from outside.
//! `hot LOOP seconds` runs it for a second or two, and prints bytes and CPU seconds as JSON.

use std::fs;
use std::io;

use anyhow::{Context, Result, bail};
use synapse_operator_micro::loops;

/// Bytes of one turn when seconds are wanted.
const TURN: usize = 256 << 20;

/// CPU seconds after which the turns end.
const ENOUGH: f64 = 1.5;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, amount] = &words[..] else {
        bail!("usage: hot sha1|both|seal|open|archive|pipe BYTES|seconds")
    };
    match amount.as_str() {
        "seconds" => seconds(name),
        bytes => {
            let mut turn = prepare(name, bytes.parse().context("no number of bytes")?)?;
            turn().map(drop)
        }
    }
}

/// A loop with all that it needs, ready to run.
fn prepare(name: &str, bytes: usize) -> Result<Box<dyn FnMut() -> Result<u64>>> {
    let mut data = loops::noise(bytes);
    let length = bytes as u64;
    Ok(match name {
        "nothing" => Box::new(move || Ok(length)),
        "sha1" => Box::new(move || Ok(length + (loops::sha1(&data) as u64 >> 8))),
        "both" => Box::new(move || Ok(length + (loops::both(&mut data) as u64 >> 8))),
        "seal" => Box::new(move || loops::seal_into(io::sink(), &data).map(|_| length)),
        "open" => {
            let message: &'static [u8] = loops::sealed(&data)?.leak();
            Box::new(move || loops::open_all(message))
        }
        "archive" => {
            let stream = loops::archived(&data)?;
            Box::new(move || loops::archive(&stream))
        }
        "pipe" => Box::new(move || loops::pipe(&data)),
        _ => bail!("there is no loop {name:?}"),
    })
}

/// The key derivation at the beginning of each message is the same for all lengths, so it is taken off.
fn seconds(name: &str) -> Result<()> {
    let (mut short, mut long) = (prepare(name, 16)?, prepare(name, TURN)?);
    let (mut bytes, mut turns) = (0, 0);
    let began = cpu()?;
    while cpu()? - began < ENOUGH {
        bytes += long()?;
        turns += 1;
    }
    let between = cpu()?;
    for _ in 0..turns {
        short()?;
    }
    let spent = (between - began) - (cpu()? - between);
    println!(
        "{}",
        serde_json::json!({"loop": name, "bytes": bytes, "cpu-seconds": spent})
    );
    Ok(())
}

/// CPU seconds of this process so far, of all its threads, those that have ended included.
fn cpu() -> Result<f64> {
    let told = fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = told.rsplit_once(')').context("no name")?;
    let ticks = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<f64>);
    // Linux counts in hundredths here on every machine that matters to us.
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}
