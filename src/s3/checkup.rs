//! A store looked at item by item: what works, what does not, and what would mend it.
//!
//! ```text
//! way      proxy -> dns -> tcp -> tls
//! door     answer -> clock -> credentials -> region -> bucket -> style
//! rights   put, get, list, delete, multipart, abort, list-uploads
//! dialect  list-version, conditional-put, checksums, part-limit
//! settings object-lock, versioning, lifecycle, storage-class
//! pace     latency, upload-rate, download-rate
//! traces   left-behind
//! ```
//!
//! The action `check-backup-storage` calls it. Its requests are its own, not those of [`Bucket`](super::Bucket), which
//! mends on the quiet what is to be told here; only the rates are measured with what a backup uses. All that it writes
//! lies below `check-<random>/` and is removed at the end; what a killed one left is swept by the next. It always comes to
//! an end: the questions have a minute together, the transfers their own, and what was not asked is told as such.

mod answer;
mod bench;
mod certificate;
mod check;
mod dialect;
mod door;
mod handshake;
mod lifecycle;
mod pace;
mod part_limit;
mod rights;
mod settings;
mod sums;
mod traces;
mod tunnel;
mod way;

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::limits::Limits;
use super::params::Params;
use super::proxy::Proxy;
use bench::Bench;
pub use check::{Check, ITEMS, Remedy, Verdict};
use check::{Report, Stop};
use way::Way;

/// What the questions may take together.
const QUESTIONS: Duration = Duration::from_secs(60);
/// What the removal of the traces may take.
const TIDYING: Duration = Duration::from_secs(20);

/// A look at one store, not yet begun.
#[derive(Debug)]
pub struct Checkup {
    /// The store, the bucket and the keys.
    pub params: Params,
    /// The proxies that stand between.
    pub proxy: Proxy,
    /// What the rates are measured with.
    pub limits: Limits,
    /// How many bytes are sent and fetched to measure the rates; without any they are not.
    pub transfer: Option<u64>,
    /// A number that nobody has had before, for the name of the folder.
    pub random: u64,
    /// The clock.
    pub now: fn() -> Timestamp,
}

impl Checkup {
    /// Asks everything, tells each finding as it comes, and gives all of them in the order of [`ITEMS`].
    ///
    /// `told` should have room for all items: what it does not take is not told, but still given at the end. Dropping
    /// this may leave traces, which the next look sweeps.
    pub async fn run(self, told: mpsc::Sender<Check>) -> Vec<Check> {
        let mut report = Report::new(told);
        let mut bench = Bench::new(&self);
        let deadline = Instant::now() + QUESTIONS;
        let asked = timeout_at(deadline, questions(&self, &mut bench, &mut report)).await;
        let stop = match asked {
            Ok(Ok(())) => None,
            Ok(Err(stop)) => Some(stop),
            Err(_) => Some(Stop::new("the minute that the questions may take was over")),
        };
        match &stop {
            None => pace::rates(&self, &mut bench, &mut report).await,
            Some(stop) => report.skip_all_but(&stop.0, &["left-behind"]),
        }
        let tidied = timeout_at(
            Instant::now() + TIDYING,
            traces::tidy(&mut bench, &mut report),
        );
        if tidied.await.is_err() {
            traces::untidied(&bench, &mut report);
        }
        report.end()
    }
}

async fn questions(checkup: &Checkup, bench: &mut Bench, report: &mut Report) -> Result<(), Stop> {
    let target = bench.target().await.map_err(|error| {
        report.fail("dns", error.to_string(), vec![Remedy::of(&error)]);
        Stop::new("no request can be built from the relation's data")
    })?;
    Way::new(checkup, &target).go(bench, report).await?;
    door::open(checkup, bench, report).await?;
    traces::sweep(bench).await;
    rights::ask(bench, report).await;
    dialect::ask(bench, report).await;
    settings::ask(checkup, bench, report).await;
    pace::latency(bench, report).await;
    Ok(())
}
