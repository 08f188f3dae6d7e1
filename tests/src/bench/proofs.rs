//! What it costs to prove a backup, and what the copy of a large database costs while the server goes on.
//!
//! ```text
//! ballast into the live database > create-backup of the database alone, watched > verify-backup of that
//! ```

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::bed::{Bed, Timed};
use super::report::{Table, aside, mebi, rate, say, seconds};
use super::watch::{Seen, Watch};

/// Makes a database as large as it is told to: pages that nobody reads, in a table of their own.
const BALLAST: &str = "\
import sqlite3, sys
wanted = int(sys.argv[1])
base = sqlite3.connect('/data/homeserver.db', timeout=60, isolation_level=None)
base.execute('CREATE TABLE IF NOT EXISTS ballast (number INTEGER PRIMARY KEY, content BLOB)')
size = lambda: base.execute('SELECT page_count * page_size FROM pragma_page_count, pragma_page_size').fetchone()[0]
while size() < wanted:
    base.execute('BEGIN IMMEDIATE')
    base.executemany('INSERT INTO ballast (content) VALUES (randomblob(3600))', [()] * 2000)
    base.execute('COMMIT')
base.execute('PRAGMA wal_checkpoint(PASSIVE)')
";

/// How often each is done.
const ROUNDS: usize = 3;

/// Bytes of the database.
const BYTES: u64 = 500_000_000;

/// Measures the copy of a large database and its proof, and nothing else.
pub fn run_proofs() -> Result<()> {
    aside("deploying");
    let bed = Bed::deploy()?;
    bed.connect()?;
    measure(&bed, BYTES)?;
    bed.finish()
}

/// One verification.
fn verified(bed: &Bed, id: &str, level: &str) -> Result<Timed> {
    bed.action("verify-backup", &[("backup-id", id), ("level", level)])
}

/// Copies a database of so many bytes while the server goes on, and verifies the backup of it.
fn measure(bed: &Bed, bytes: u64) -> Result<()> {
    let named = format!("{} MB", bytes / 1_000_000);
    aside(&format!("a database of {named}"));
    let mut python = bed.workload(&["python3", "-c", BALLAST, &bytes.to_string()]);
    let filled = python.output().context("failed to fill the database")?;
    ensure!(
        filled.status.success(),
        "the database could not be filled: {}",
        String::from_utf8_lossy(&filled.stderr)
    );

    let columns = [
        "copied and checked in, s",
        "extra disk, MB",
        "slowest of a client's requests meanwhile, ms",
        "slowest answer to `/health` from outside during all of the action, ms",
        "the same in a mere `list-backups`, ms",
        "wall of create-backup, s",
        "peak memory, MiB",
        "wall of verify-backup, s",
        "MB/s",
        "of its wall",
    ];
    let heading = format!(
        "The copy of a live SQLite database of {named}, and its verification; {ROUNDS} rounds"
    );
    let table = Table::begin(&heading, &columns);
    for _ in 0..ROUNDS {
        let (quiet, _) = watched(bed, || bed.action("list-backups", &[]))?;
        let create = || bed.action("create-backup", &[("components", "database")]);
        let (seen, created) = watched(bed, create)?;
        let id = created.text("backup-id")?;
        let snapshot = snapshot(&bed.backup(id))?;
        let verified = verified(bed, id, "full")?;
        table.row(&[
            &format!("{:.2}", snapshot.seconds),
            &format!("{:.0}", snapshot.size as f64 / 1e6),
            &snapshot.slowest,
            &seen.slowest.as_millis().to_string(),
            &quiet.slowest.as_millis().to_string(),
            &seconds(created.dispatch.wall),
            &mebi(created.dispatch.peak),
            &seconds(verified.dispatch.wall),
            &rate(snapshot.size, verified.dispatch.wall),
            &verified.lengths(),
        ]);
        ensure!(
            seen.silences.is_empty(),
            "Synapse did not answer for a while: {:?}",
            seen.silences
        );
        bed.action("delete-backup", &[("backup-id", id)])?;
    }
    say(
        "The check of the copy is SQLite's own, by the Python of the workload; the extra disk is free again when the action ends.",
    );
    Ok(())
}

/// What a manifest says of the copy.
struct Snapshot {
    seconds: f64,
    size: u64,
    slowest: String,
}

fn snapshot(backup: &Path) -> Result<Snapshot> {
    let manifest: Value = serde_json::from_slice(&fs::read(backup.join("manifest.json"))?)?;
    let told = &manifest["snapshot"];
    let number = |key: &str| told[key].as_u64().with_context(|| format!("no {key}"));
    Ok(Snapshot {
        seconds: number("milliseconds")? as f64 / 1e3,
        size: number("size")?,
        slowest: told["slowest-request"].to_string(),
    })
}

fn watched<T>(bed: &Bed, work: impl FnOnce() -> Result<T>) -> Result<(Seen, T)> {
    let watch = Watch::begin(bed.address())?;
    let done = work()?;
    Ok((watch.end()?, done))
}
