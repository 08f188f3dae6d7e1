//! Restores of several sizes: how long nobody could use the server, and the memory of the charm's process.
//!
//! ```text
//! create-backup > a few times: (restart, watched > restore-backup, watched > confirm-restore) > delete-backup
//! ```

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::fs::statvfs;
use synapse_operator::s3::Limits;

use super::bed::{Bed, Timed};
use super::media::Filling;
use super::report::{Table, aside, mebi, say, seconds};
use super::watch::{Seen, Watch};

const MIB: u64 = 1 << 20;

/// What names the sizes that are wanted, as in `10M 1G`.
const CHOICE: &str = "BENCH_SIZES";

/// The memory that a restore may take beside what is read ahead, in MiB.
const GOAL: u64 = 32;

/// The copies on the disk at most: the live media, their backup, and what is unpacked of it or kept for an undo.
const COPIES: u64 = 3;

/// What else is on the disk: database, containers, the store's own.
const SPARE: u64 = 1024 * MIB;

/// One restore, from inside and from outside.
struct Round {
    /// The restart before, by Pebble alone: what no restore can be faster than, on this machine and at this load.
    restart: Seen,
    restore: Seen,
    run: Timed,
}

/// Measures the downtime and the memory of restores, and nothing else.
pub fn run_restores() -> Result<()> {
    measure(&[10 * MIB, 1024 * MIB, 5 * 1024 * MIB], 3)
}

/// Restores each size of media that is wanted and fits, so many times.
fn measure(sizes: &[u64], rounds: usize) -> Result<()> {
    let wanted = match std::env::var(CHOICE) {
        Ok(choice) => parse(&choice).with_context(|| format!("failed to read {CHOICE}"))?,
        Err(_) => sizes.to_vec(),
    };
    let mut remarks = sizes
        .iter()
        .filter(|size| !wanted.contains(size))
        .map(|size| {
            format!(
                "{} was left out, as {CHOICE} does not name it.",
                name(*size)
            )
        })
        .collect::<Vec<_>>();

    aside("deploying once more");
    let bed = Bed::deploy()?;
    bed.connect()?;
    let heading = format!(
        "Downtime and memory of a restore: pictures of 256 KiB to 1 MiB, each with five thumbnails; {rounds} rounds"
    );
    let ahead = Limits::default().memory.ahead() / MIB;
    let columns = [
        "media",
        "down, s, as the action tells",
        "without an answer on `/health`, s, from outside",
        "the same at a mere `pebble restart` just before, s",
        "slowest answer otherwise, ms",
        &format!("peak memory of dispatch, MiB (goal {GOAL} + {ahead} read ahead)"),
        "wall s",
        "of the last one's wall",
    ];
    let table = Table::begin(&heading, &columns);
    let mut filling = Filling::of_pictures();
    for size in wanted {
        let needed = (size * COPIES + SPARE).saturating_sub(filling.bytes);
        let free = room(&bed.data())?;
        if free < needed {
            remarks.push(format!(
                "{} was left out: it takes up to {} on the disk, and {} are free.",
                name(size),
                name(needed),
                name(free)
            ));
            continue;
        }
        aside(&format!("restores of {}", name(size)));
        filling.reach(&bed.data(), size)?;
        let created = bed.action("create-backup", &[])?;
        let id = created.text("backup-id")?;
        let made = (0..rounds)
            .map(|_| round(&bed, id))
            .collect::<Result<Vec<Round>>>()?;
        tell(&table, size, filling.files, &made)?;
        bed.action("delete-backup", &[("backup-id", id)])?;
    }
    bed.finish()?;
    for remark in remarks {
        say(&remark);
    }
    Ok(())
}

fn round(bed: &Bed, id: &str) -> Result<Round> {
    let (restart, ()) = watched(bed, || bed.restart())?;
    let (restore, run) = watched(bed, || bed.action("restore-backup", &[("backup-id", id)]))?;
    // What is kept for an undo would fill the disk.
    bed.action("confirm-restore", &[])?;
    Ok(Round {
        restart,
        restore,
        run,
    })
}

fn watched<T>(bed: &Bed, work: impl FnOnce() -> Result<T>) -> Result<(Seen, T)> {
    let watch = Watch::begin(bed.address())?;
    let done = work()?;
    Ok((watch.end()?, done))
}

fn tell(table: &Table, size: u64, files: u64, rounds: &[Round]) -> Result<()> {
    let down = rounds
        .iter()
        .map(|round| round.run.text("seconds-down"))
        .collect::<Result<Vec<&str>>>()?;
    table.row(&[
        &format!("{} in {files} files", name(size)),
        &down.join(", "),
        &all(rounds, |round| silence(&round.restore)),
        &all(rounds, |round| silence(&round.restart)),
        &all(rounds, |round| slowest(&round.restore)),
        &all(rounds, |round| mebi(round.run.dispatch.peak)),
        &all(rounds, |round| seconds(round.run.dispatch.wall)),
        &rounds
            .last()
            .map(|round| round.run.lengths())
            .unwrap_or_default(),
    ]);
    Ok(())
}

fn all(rounds: &[Round], told: impl Fn(&Round) -> String) -> String {
    rounds.iter().map(told).collect::<Vec<_>>().join(", ")
}

/// There should be one; several are told as a sum.
fn silence(seen: &Seen) -> String {
    let silences = seen.silences.iter();
    let told: Vec<String> = silences
        .map(|silence| format!("{:.2}", silence.as_secs_f64()))
        .collect();
    match told.is_empty() {
        true => "none".to_owned(),
        false => told.join(" + "),
    }
}

fn slowest(seen: &Seen) -> String {
    seen.slowest.as_millis().to_string()
}

/// Bytes that are free where a directory lies.
fn room(directory: &Path) -> Result<u64> {
    let facts = statvfs(directory).context("failed to ask for free space")?;
    Ok(facts.f_bavail * facts.f_frsize)
}

/// Reads sizes such as `10M 1G`, smallest first.
fn parse(text: &str) -> Result<Vec<u64>> {
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    let sizes = words.map(|word| {
        let (number, unit) = match (word.strip_suffix('M'), word.strip_suffix('G')) {
            (Some(number), _) => (number, MIB),
            (None, Some(number)) => (number, 1024 * MIB),
            (None, None) => (word, 0),
        };
        let size = number.parse().unwrap_or(0).min(u64::from(u32::MAX)) * unit;
        ensure!(size > 0, "{word:?} is no size such as 10M or 1G");
        Ok(size)
    });
    let mut sizes = sizes.collect::<Result<Vec<u64>>>()?;
    sizes.sort_unstable();
    sizes.dedup();
    Ok(sizes)
}

/// A size as one says it.
fn name(size: u64) -> String {
    match size >= 1024 * MIB {
        true => {
            format!("{:.3}", size as f64 / (1024 * MIB) as f64)
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned()
                + " GiB"
        }
        false => format!("{} MiB", size / MIB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_typed_and_told_as_they_are_said() -> Result<()> {
        let sizes = parse("5G, 10M 1G,10M")?;
        assert_eq!(sizes, [10 * MIB, 1024 * MIB, 5 * 1024 * MIB]);
        let named: Vec<String> = sizes.into_iter().map(name).collect();
        assert_eq!(named, ["10 MiB", "1 GiB", "5 GiB"]);
        assert!(parse("")?.is_empty());
        for wrong in ["10", "M", "0G", "-1M", "1.5G", "ten"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        Ok(())
    }
}
