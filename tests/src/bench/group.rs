//! A group of processes, looked at while they work: what each costs, and the memory of all of them at once.
//!
//! ```text
//! bench > stopwatch > dispatch          bench > tar, gpg, aws, restic          Pebble > tar, python3
//! ```
//!
//! A look every 50 ms finds the processes below the bench and below Pebble by their parents' lists of children, and at
//! every fourth the kernel adds up their memory. All looks together cost about a hundredth of one core.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::process;

const EVERY: Duration = Duration::from_millis(50);

/// From one look at the memory to the next, in looks.
const MEMORY: u32 = 4;

/// What counts of all that the bench has started.
const OURS: [&str; 5] = ["dispatch", "tar", "gpg", "aws", "restic"];

/// What was seen, by the names of the programs.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Seconds on the processors, of each process to its last look.
    pub(super) cpu: BTreeMap<String, f64>,
    /// The most memory that each had resident, in KiB.
    pub(super) rss: BTreeMap<String, u64>,
    /// The most that all had resident at once, each shared page counted once (PSS), in KiB.
    pub(super) pss_together: u64,
}

/// Looks until it is told to end.
pub(super) struct Group {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Group {
    /// Begins to look at what this program starts, and at what a Pebble starts from now on.
    pub(super) fn begin(pebble: u32) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let mut look = Look::new(pebble);
        let thread = thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                look.once();
                thread::sleep(EVERY);
            }
            look.seen()
        });
        Self { over, thread }
    }

    /// Ends it, and tells what was seen.
    pub(super) fn end(self) -> Seen {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

struct Look {
    pebble: u32,
    looks: u32,
    /// What Pebble ran before; Synapse above all.
    before: Vec<u32>,
    members: BTreeMap<u32, Member>,
    pss: u64,
}

/// One process; without a name when it does not count.
struct Member {
    name: Option<String>,
    cpu: f64,
    rss: u64,
}

impl Look {
    fn new(pebble: u32) -> Self {
        Self {
            pebble,
            looks: 0,
            before: below(pebble),
            members: BTreeMap::new(),
            pss: 0,
        }
    }

    fn once(&mut self) {
        let with_memory = self.looks.is_multiple_of(MEMORY);
        self.looks += 1;
        let own = below(std::process::id()).into_iter().map(|id| (id, false));
        let theirs = below(self.pebble).into_iter().map(|id| (id, true));
        // A child that has not become its program yet has all the memory of its parent: of one name the largest counts.
        let mut pss = BTreeMap::new();
        for (id, of_pebble) in own.chain(theirs).collect::<Vec<_>>() {
            if self.before.contains(&id) {
                continue;
            }
            let member = self.members.entry(id).or_insert_with(|| Member {
                name: None,
                cpu: 0.0,
                rss: 0,
            });
            // A process takes another name when it becomes another program, and loses all when it has ended.
            if let Some(name) = counted(id, of_pebble) {
                member.name = name;
            }
            let Some(name) = &member.name else {
                continue;
            };
            member.cpu = process::cpu(id).own.max(member.cpu);
            if with_memory && let Some((resident, shared)) = memory(id) {
                member.rss = member.rss.max(process::peak(id).unwrap_or(resident));
                let most = pss.entry(name.clone()).or_insert(0);
                *most = shared.max(*most);
            }
        }
        self.pss = self.pss.max(pss.into_values().sum());
    }

    fn seen(self) -> Seen {
        let mut seen = Seen {
            pss_together: self.pss,
            ..Seen::default()
        };
        for member in self.members.into_values() {
            let Some(name) = member.name else { continue };
            *seen.cpu.entry(name.clone()).or_default() += member.cpu;
            let most = seen.rss.entry(name).or_default();
            *most = member.rss.max(*most);
        }
        seen
    }
}

/// The name under which a process counts, if it counts; nothing when it has ended.
fn counted(id: u32, of_pebble: bool) -> Option<Option<String>> {
    let name = process::name(id)?;
    if !of_pebble {
        return Some(OURS.contains(&name.as_str()).then_some(name));
    }
    let line = fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let synapse = String::from_utf8_lossy(&line).contains("synapse.app");
    (!line.is_empty()).then_some((!synapse).then_some(name))
}

/// All processes below one, in no order.
fn below(top: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut parents = vec![top];
    while let Some(parent) = parents.pop() {
        let threads = fs::read_dir(format!("/proc/{parent}/task"));
        for thread in threads.into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            let children = children
                .split_whitespace()
                .filter_map(|id| id.parse::<u32>().ok());
            parents.extend(children.clone());
            found.extend(children);
        }
    }
    found
}

/// What a process has resident, and its share of it, in KiB.
fn memory(id: u32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    };
    Some((field("Rss:")?, field("Pss:")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_child_of_this_program_is_found_with_its_memory() -> std::io::Result<()> {
        let mut child = Command::new("sleep").arg("60").spawn()?;
        assert!(below(std::process::id()).contains(&child.id()));
        let (resident, shared) = memory(child.id()).unwrap_or_default();
        assert!(resident >= shared && shared > 0);
        child.kill()?;
        child.wait()?;
        Ok(())
    }
}
