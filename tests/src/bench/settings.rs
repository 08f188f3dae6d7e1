//! What one run of the bench measures: how much, how often, which sets, and until when.

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

const MIB: u64 = 1 << 20;

/// All that can be chosen with `BENCH_SETS`, in the order in which it is measured.
pub(super) const SETS: [&str; 9] = [
    "kernels", "hook", "list", "sizes", "latency", "media", "small", "text", "large",
];

/// How long a whole run may take before nothing more is begun.
const MINUTES: u64 = 45;

/// What one run measures.
#[derive(Debug, Clone)]
pub struct Settings {
    quick: bool,
    sets: Vec<String>,
    rounds: Option<usize>,
    until: Instant,
}

impl Settings {
    /// Reads `QUICK`, `BENCH_SETS`, `BENCH_ROUNDS` and `BENCH_MINUTES` from the environment.
    pub fn read() -> Result<Self> {
        let told = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
        let number = |name: &str| -> Result<Option<u64>> {
            let text = told(name);
            text.map(|text| text.parse().with_context(|| format!("{name} is no number")))
                .transpose()
        };
        let sets = match told("BENCH_SETS") {
            Some(text) => text.split([' ', ',']).map(str::to_owned).collect(),
            None => SETS.map(str::to_owned).to_vec(),
        };
        for set in &sets {
            ensure!(
                SETS.contains(&set.as_str()),
                "BENCH_SETS knows no {set:?}, but {}",
                SETS.join(" ")
            );
        }
        let rounds = number("BENCH_ROUNDS")?.map(|rounds| rounds.clamp(1, 99) as usize);
        let minutes = number("BENCH_MINUTES")?.unwrap_or(MINUTES);
        Ok(Self {
            quick: told("QUICK").is_some_and(|text| text != "0"),
            sets,
            rounds,
            until: Instant::now() + Duration::from_secs(60 * minutes),
        })
    }

    /// Small sizes and one round, by the same code: its numbers mean little, and the committed page stays as it is.
    pub(super) fn is_quick(&self) -> bool {
        self.quick
    }

    /// Whether all sets are measured.
    pub(super) fn is_whole(&self) -> bool {
        SETS.iter().all(|set| self.wants(set))
    }

    /// Whether a set is to be measured.
    pub(super) fn wants(&self, set: &str) -> bool {
        self.sets.iter().any(|wanted| wanted == set)
    }

    /// Whether there is time to begin something more.
    pub(super) fn has_time(&self) -> bool {
        Instant::now() < self.until
    }

    /// How often each is done, where a whole run does it so often.
    pub(super) fn rounds(&self, whole: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { whole })
    }

    /// One of two, the second in a quick run.
    pub(super) fn choose<T>(&self, whole: T, quick: T) -> T {
        if self.quick { quick } else { whole }
    }

    /// Bytes of media of the curves of throughput and memory over size, from small to large.
    pub(super) fn sizes(&self) -> Vec<u64> {
        self.choose([16, 100, 400, 1024].to_vec(), [4, 32].to_vec())
            .into_iter()
            .map(|size| size * MIB)
            .collect()
    }
}
