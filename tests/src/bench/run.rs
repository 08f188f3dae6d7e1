//! One run of the bench, from the first table to the last.

use std::fs::{self, File};

use anyhow::{Context, Result};

use super::bed::{Bed, Timed};
use super::media::Filling;
use super::peer::{Peer, Piped};
use super::report::{Table, aside, mebi, middle_and_most, rate, say, seconds};
use super::{machine, messages, proofs, restores};
use crate::parts;
use crate::pebble::Daemon;

const MIB: u64 = 1 << 20;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// Bytes of media to save and bring back, from small to large.
    pub media: Vec<u64>,
    /// Bytes of the database that is copied while the server goes on.
    pub database: u64,
    /// Bytes of the large OpenPGP message.
    pub message: u64,
    /// How often the hook with nothing to do runs.
    pub hooks: usize,
    /// Bytes of media of the restores whose downtime and memory are told, from small to large.
    pub restores: Vec<u64>,
    /// How often each of them is made.
    pub rounds: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            media: vec![256 * MIB, 1024 * MIB],
            database: 500_000_000,
            message: 1_200_000_000,
            hooks: 30,
            restores: vec![10 * MIB, 1024 * MIB, 5 * 1024 * MIB],
            rounds: 3,
        }
    }
}

/// Measures and prints.
pub fn run(sizes: &Sizes) -> Result<()> {
    around(|| {
        archive()?;
        aside("deploying");
        let bed = Bed::deploy()?;
        hooks(&bed, sizes.hooks)?;
        bed.connect()?;
        let mut filling = Filling::default();
        let table = backups(&bed, &mut filling, &sizes.media)?;
        peer(&table, &bed, &filling)?;
        large_message(&bed, &mut filling, sizes.message)?;
        proofs::measure(&bed, sizes.database)?;
        // What fills the disk is gone before the largest restore needs it.
        bed.finish()?;
        restores::measure(&sizes.restores, sizes.rounds)
    })
}

/// Measures and prints what backups and their proofs take, and nothing else.
pub fn run_proofs(sizes: &Sizes) -> Result<()> {
    around(|| {
        aside("deploying");
        let bed = Bed::deploy()?;
        bed.connect()?;
        backups(&bed, &mut Filling::default(), &sizes.media)?;
        proofs::measure(&bed, sizes.database)?;
        bed.finish()
    })
}

/// Measures and prints the downtime and the memory of restores, and nothing else.
pub fn run_restores(sizes: &Sizes) -> Result<()> {
    around(|| restores::measure(&sizes.restores, sizes.rounds))
}

/// Does the work between what is told of the machine.
fn around(work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("{}.", machine::facts());
    println!("Load {} at the beginning.", machine::load());
    println!(
        "The workload runs {}. {}. {}.",
        Daemon::find()?,
        machine::version("gpg"),
        machine::version("tar")
    );
    work()?;
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
    let calls = (0..9)
        .map(|_| one_call(bed))
        .collect::<Result<Vec<f64>>>()?;
    let (tool, _) = middle_and_most(calls);
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

/// Milliseconds of one call of a hook tool.
fn one_call(bed: &Bed) -> Result<f64> {
    let empty = bed.shell("for call in 1; do true; done")?;
    let line = format!(
        "for call in {}; do is-leader > /dev/null; done",
        "x ".repeat(20)
    );
    let many = bed.shell(&line)?;
    Ok((many.dispatch.wall - empty.dispatch.wall) / 20.0 * 1e3)
}

fn backups(bed: &Bed, filling: &mut Filling, sizes: &[u64]) -> Result<Table> {
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
    for size in sizes {
        aside(&format!("{} MiB of media", size / MIB));
        filling.reach(&bed.data(), *size)?;
        let files = filling.files;
        let what = |what: &str| format!("{what}, {} MiB in {files} files", size / MIB);
        let created = bed.action("create-backup", &[])?;
        ours(&table, &what("create-backup"), *size, &created);
        let id = created.text("backup-id")?;
        let quick = proofs::verified(bed, id, "quick")?;
        ours(&table, &what("verify-backup level=quick"), *size, &quick);
        let full = proofs::verified(bed, id, "full")?;
        ours(&table, &what("verify-backup"), *size, &full);
        let restored = bed.restore(id)?;
        ours(&table, &what("restore-backup"), *size, &restored);
    }
    Ok(table)
}

/// The same by hand, of all media that there are now.
fn peer(table: &Table, bed: &Bed, filling: &Filling) -> Result<()> {
    let made = filling.bytes;
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
            table,
            &format!("`tar \\| gpg \\| aws s3 cp`, {way}, {} MiB", made / MIB),
            made,
            &saved,
        );
        let back = peer.with_server(|| peer.bring_back(&bed.world().path("brought-back")))?;
        theirs(
            table,
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
        &run.lengths(),
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

fn large_message(bed: &Bed, filling: &mut Filling, size: u64) -> Result<()> {
    if parts::on_path("gpg").is_none() {
        say("The large message was not measured: gpg is missing.");
        return Ok(());
    }
    aside("one large OpenPGP message");
    filling.reach(&bed.data(), size)?;
    let columns = ["what", "wall s", "MB/s", "CPU s"];
    let heading = format!(
        "One OpenPGP message of {:.1} GB, each way",
        size as f64 / 1e9
    );
    let table = Table::begin(&heading, &columns);
    let row = |what: &str, bytes: u64, wall: f64, cpu: f64| {
        table.row(&[what, &seconds(wall), &rate(bytes, wall), &seconds(cpu)]);
    };
    for (way, options) in [("gpg -z 0", &["-z", "0"][..]), ("gpg's defaults", &[])] {
        let created = bed.action("create-backup", &[])?;
        let id = created.text("backup-id")?;
        let scratch = bed.world().path("messages");
        let resealed = messages::reseal(&bed.backup(id), &scratch, Bed::PASSPHRASE, options)?;
        let (sealed, opened) = (&resealed.sealed, &resealed.opened);
        row(
            "sealed by dispatch, opened by `gpg -d`",
            resealed.bytes,
            opened.wall,
            opened.cpu.own,
        );
        row(
            &format!("sealed again by {way}"),
            resealed.bytes,
            sealed.wall,
            sealed.cpu.own,
        );
        let restored = bed.restore(id)?;
        let staging = restored
            .phases
            .iter()
            .find(|(phase, _)| phase.starts_with("downloading"));
        let staging = staging
            .map(|(_, length)| *length)
            .context("nothing was downloaded")?;
        row(
            &format!("sealed by {way}, opened, unpacked and verified by restore-backup"),
            resealed.bytes,
            staging,
            restored.dispatch.cpu.own,
        );
    }
    say(
        "Each member of these restores had the SHA-256 that dispatch itself had put into the inventory before.",
    );
    Ok(())
}
