//! One run of the bench, from the first table to the last.

use std::fs::{self, File};

use anyhow::{Context, Result};

use super::bed::{Bed, Timed};
use super::peer::{Peer, Piped};
use super::report::{Table, aside, mebi, middle_and_most, rate, say, seconds};
use super::{machine, media, messages};
use crate::parts::{self, Pebble};

const MIB: u64 = 1 << 20;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// Bytes of media to save and bring back, from small to large.
    pub media: Vec<u64>,
    /// Bytes of the large OpenPGP message.
    pub message: u64,
    /// How often the hook with nothing to do runs.
    pub hooks: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            media: vec![256 * MIB, 1024 * MIB],
            message: 1_200_000_000,
            hooks: 30,
        }
    }
}

/// Measures and prints.
pub fn run(sizes: &Sizes) -> Result<()> {
    println!("{}.", machine::facts());
    println!("Load {} at the beginning.", machine::load());
    println!(
        "The workload runs {}. {}. {}.",
        Pebble::find()?,
        machine::version("gpg"),
        machine::version("tar")
    );
    archive()?;
    aside("deploying");
    let bed = Bed::deploy()?;
    hooks(&bed, sizes.hooks)?;
    bed.connect()?;
    backups(&bed, &sizes.media)?;
    aside("one large OpenPGP message");
    large_message(&bed, sizes.message)?;
    bed.finish()?;
    say(&format!("Load {} at the end.", machine::load()));
    Ok(())
}

fn archive() -> Result<()> {
    let path = parts::charm_archive()?;
    let mut archive = zip::ZipArchive::new(File::open(&path)?)?;
    let program = archive
        .by_name("dispatch")
        .context("no dispatch in the archive")?
        .size();
    let table = Table::begin("Sizes", &["what", "MB"]);
    table.row(&["dispatch", &format!("{:.1}", program as f64 / 1e6)]);
    table.row(&[
        "synapse.charm",
        &format!("{:.1}", fs::metadata(&path)?.len() as f64 / 1e6),
    ]);
    Ok(())
}

fn hooks(bed: &Bed, count: usize) -> Result<()> {
    aside("a hook with nothing to do");
    bed.hook("update-status")?;
    let runs = (0..count)
        .map(|_| bed.hook("update-status"))
        .collect::<Result<Vec<Timed>>>()?;
    let called = runs
        .last()
        .map(|run| run.called.clone())
        .unwrap_or_default();
    let (middle, most) = middle_and_most(runs.iter().map(|run| run.dispatch.wall * 1e3).collect());
    let peak = runs
        .iter()
        .map(|run| run.dispatch.peak)
        .max()
        .unwrap_or_default();
    // What the tools cost without the charm: the same shell, with many calls and with none.
    let empty = bed.shell("for call in $(echo 1); do true; done")?;
    let many = bed.shell(&format!(
        "for call in {}; do is-leader > /dev/null; done",
        "x ".repeat(100)
    ))?;
    let tool = (many.dispatch.wall - empty.dispatch.wall) / 100.0 * 1e3;
    let tools = tool * called.len() as f64;

    let heading =
        format!("A hook with nothing to do: update-status, settled, no relation, {count} runs");
    let table = Table::begin(&heading, &["what", "value"]);
    table.row(&[
        "wall of dispatch, median (goal 15 ms)",
        &format!("{middle:.1} ms"),
    ]);
    table.row(&["the same, 95th percentile", &format!("{most:.1} ms")]);
    table.row(&[
        "hook tools called",
        &format!("{}: {}", called.len(), called.join(", ")),
    ]);
    table.row(&["one such call from a shell", &format!("{tool:.1} ms")]);
    table.row(&[
        "so, of the median: hook tools, one after another",
        &format!("{tools:.1} ms"),
    ]);
    table.row(&["and all the rest", &format!("{:.1} ms", middle - tools)]);
    table.row(&["peak memory of dispatch", &format!("{} MiB", mebi(peak))]);
    Ok(())
}

fn backups(bed: &Bed, sizes: &[u64]) -> Result<()> {
    let columns = [
        "what",
        "wall s",
        "MB/s",
        "CPU s, user and system",
        "CPU s in all, without the server",
        "peak memory, MiB",
        "of the wall",
    ];
    let table = Table::begin(
        "Media that cannot be compressed, in files of 256 KiB to 4 MiB, to and from versitygw over HTTP",
        &columns,
    );
    let (mut made, mut files) = (0, 0);
    for size in sizes {
        aside(&format!("{} MiB of media", size / MIB));
        media::fill(&bed.data(), &mut made, &mut files, *size)?;
        let what = |what: &str| format!("{what}, {} MiB in {files} files", size / MIB);
        let made = bed.action("create-backup", &[])?;
        ours(&table, &what("create-backup"), *size, &made);
        let id = made
            .results
            .get("backup-id")
            .and_then(|id| id.as_str())
            .context("no backup-id")?;
        let restored = bed.action("restore-backup", &[("backup-id", id)])?;
        ours(&table, &what("restore-backup"), *size, &restored);
    }
    let peer = match Peer::find(bed.world(), bed.server())? {
        Ok(peer) => peer,
        Err(missing) => {
            say(&missing);
            return Ok(());
        }
    };
    let version = machine::version("aws");
    let ways: [(&str, &[&str]); 2] = [("gpg's defaults", &[]), ("gpg -z 0", &["-z", "0"])];
    for (way, options) in ways {
        aside(&format!("the peer with {way}"));
        let saved = peer.with_server(|| peer.save(&bed.data(), made, options))?;
        theirs(
            &table,
            &format!("`tar \\| gpg \\| aws s3 cp`, {way}, {} MiB", made / MIB),
            made,
            &saved,
        );
        let back = peer.with_server(|| peer.bring_back(&bed.world().path("brought-back")))?;
        theirs(
            &table,
            &format!(
                "`aws s3 cp \\| gpg -d \\| tar -x`, {way}, {} MiB",
                made / MIB
            ),
            made,
            &back,
        );
    }
    say(&format!(
        "The peer's uploads went with {version}, as configured by default."
    ));
    Ok(())
}

fn ours(table: &Table, what: &str, size: u64, run: &Timed) {
    let dispatch = run.dispatch.cpu;
    table.row(&[
        what,
        &seconds(run.dispatch.wall),
        &rate(size, run.dispatch.wall),
        &format!(
            "dispatch {:.1}, its hook tools {:.1}, Pebble {:.1}, tar {:.1}; server {:.1}",
            dispatch.own, dispatch.children, run.pebble, run.tar, run.server
        ),
        &seconds(dispatch.own + dispatch.children + run.pebble + run.tar),
        &format!("dispatch {}", mebi(run.dispatch.peak)),
        &run.phases
            .iter()
            .map(|(phase, length)| format!("{phase} {length:.1}"))
            .collect::<Vec<_>>()
            .join(", "),
    ]);
}

fn theirs(table: &Table, what: &str, size: u64, run: &Piped) {
    let all = |reading: super::process::Reading| reading.cpu.own + reading.cpu.children;
    table.row(&[
        what,
        &seconds(run.wall),
        &rate(size, run.wall),
        &format!(
            "gpg {:.1}, aws {:.1}, tar {:.1}; server {:.1}",
            all(run.gpg),
            all(run.aws),
            all(run.tar),
            run.server
        ),
        &seconds(all(run.gpg) + all(run.aws) + all(run.tar)),
        &format!(
            "aws {}, gpg {}, tar {}",
            mebi(run.aws.peak),
            mebi(run.gpg.peak),
            mebi(run.tar.peak)
        ),
        "",
    ]);
}

fn large_message(bed: &Bed, size: u64) -> Result<()> {
    if parts::on_path("gpg").is_none() {
        say("The large message was not measured: gpg is missing.");
        return Ok(());
    }
    let heading = format!(
        "One OpenPGP message of {:.1} GB, each end compared with its beginning",
        size as f64 / 1e9
    );
    let table = Table::begin(&heading, &["what", "wall s", "MB/s", "CPU s"]);
    for passage in messages::round_trips(&bed.world().path("messages"), size)? {
        table.row(&[
            passage.what,
            &seconds(passage.wall),
            &rate(size, passage.wall),
            &seconds(passage.cpu),
        ]);
    }
    say(
        "Our side of these messages is a debug build of the room with its ciphers and digests optimised; it hashes what it opens besides, to compare it.",
    );
    Ok(())
}
