//! What `/proc` tells of a process: its time on the processors and its peak memory.

use std::fs;
use std::ops::Sub;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// Seconds on the processors, user and system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Cpu {
    /// The process's own.
    pub(super) own: f64,
    /// Those of its children that have ended.
    pub(super) children: f64,
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            own: self.own - earlier.own,
            children: self.children - earlier.children,
        }
    }
}

/// How a process lived, once it has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Reading {
    /// Seconds from its beginning to its end.
    pub(super) wall: f64,
    /// Its time on the processors.
    pub(super) cpu: Cpu,
    /// Its peak memory, in KiB.
    pub(super) peak: u64,
}

/// One line of `/proc/<id>/stat`.
struct Stat {
    ended: bool,
    cpu: Cpu,
}

impl Stat {
    fn of(id: u32) -> Option<Self> {
        let line = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (_, after) = line.rsplit_once(')')?;
        let fields: Vec<&str> = after.split_whitespace().collect();
        // Linux counts in hundredths here on every machine that matters to us.
        let seconds = |from: usize| {
            let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
            Some((ticks(from)? + ticks(from + 1)?) / 100.0)
        };
        Some(Self {
            ended: matches!(*fields.first()?, "Z" | "X"),
            cpu: Cpu {
                own: seconds(11)?,
                children: seconds(13)?,
            },
        })
    }
}

/// The time of a process so far; nothing when it has gone.
pub(super) fn cpu(id: u32) -> Cpu {
    Stat::of(id).map(|stat| stat.cpu).unwrap_or_default()
}

/// The name of what a process runs now.
pub(super) fn name(id: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{id}/comm"))
        .ok()
        .map(|name| name.trim_end().to_owned())
}

/// The most memory that a process has had so far, in KiB; `None` once it has ended.
pub(super) fn peak(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// Waits for children that run together, and tells how each lived. One that fails is an error.
pub(super) fn await_all(began: Instant, children: &mut [(&str, Child)]) -> Result<Vec<Reading>> {
    let mut readings = vec![Reading::default(); children.len()];
    let mut left: Vec<usize> = (0..children.len()).collect();
    while !left.is_empty() {
        left.retain(|at| {
            let (id, reading) = (children[*at].1.id(), &mut readings[*at]);
            reading.peak = reading.peak.max(peak(id).unwrap_or_default());
            // Until somebody waits for it, an ended process can still be looked at.
            let stat = Stat::of(id);
            let ended = stat.as_ref().is_none_or(|stat| stat.ended);
            if ended {
                reading.wall = began.elapsed().as_secs_f64();
                reading.cpu = stat.map(|stat| stat.cpu).unwrap_or_default();
            }
            !ended
        });
        thread::sleep(Duration::from_millis(5));
    }
    for (name, child) in children {
        let status = child
            .wait()
            .with_context(|| format!("failed to wait for {name}"))?;
        // tar ends with 1 when a file has changed while it was read, as the log of a database in use does.
        let changed = *name == "tar" && status.code() == Some(1);
        if !status.success() && !changed {
            bail!("{name} ended with {status}");
        }
    }
    Ok(readings)
}
