//! What strace wrote down of a run, read back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::order::{Trap, What};

/// The calls of one run of the charm that change what lies on a disk, in their order. Those of its hook tools are not among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    /// The number of the process, once it has begun.
    pub process: Option<i32>,
    /// The calls.
    pub steps: Vec<Step>,
    /// The calls in which the charm waited for what happens next: they come all the time, in about the same number.
    pub ticks: Vec<Step>,
    /// Signals that it got and that stopped it, as in `SIGTERM`.
    pub signals: Vec<String>,
    /// How it ended, as in `exited with 0` or `killed by SIGKILL`; `None` while it lives.
    pub end: Option<String>,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The call by the kernel's own name, as in `rename`.
    pub call: String,
    /// Which of these calls of its thread it is, counted from 1.
    pub nth: usize,
    /// The paths that it names, and those of the open files that it is about.
    pub paths: Vec<String>,
    /// What was written, as strace shows it.
    pub written: String,
    /// Whether an error was put in its place.
    pub injected: bool,
    thread: i32,
    /// Its place among all calls.
    place: usize,
}

impl Recording {
    /// Reads strace's file, finished or not.
    pub fn read(log: &str) -> Self {
        let lines = || log.lines().filter_map(line);
        let first = lines().next().map(|(thread, _)| thread);
        // A child that becomes another program is a hook tool; what never does is a thread.
        let programs: BTreeSet<i32> = lines()
            .filter(|(_, text)| text.starts_with("execve("))
            .map(|(thread, _)| thread)
            .filter(|thread| Some(*thread) != first)
            .collect();
        let mut recording = Self {
            process: first,
            ..Self::default()
        };
        let mut counts: BTreeMap<(i32, &str), usize> = BTreeMap::new();
        let ours = lines().filter(|(thread, _)| !programs.contains(thread));
        for (place, (thread, text)) in ours.enumerate() {
            if let Some(end) = text
                .strip_prefix("+++ ")
                .map(|text| text.trim_end_matches(" +++"))
            {
                if Some(thread) == first {
                    recording.end = Some(end.to_owned());
                }
            } else if let Some(signal) = text.strip_prefix("--- ") {
                let signal = signal.trim_start_matches("stopped by ");
                let name = signal.split(' ').next().unwrap_or_default();
                recording.signals.push(name.to_owned());
            } else if text.starts_with("<...") {
                if text.contains("(INJECTED)")
                    && let Some(step) = recording.last_of(thread)
                {
                    step.injected = true;
                }
            } else if let Some((call, rest)) = text.split_once('(') {
                let count = counts.entry((thread, call)).or_default();
                *count += 1;
                let step = Step {
                    call: call.to_owned(),
                    nth: *count,
                    paths: paths(rest),
                    written: match call {
                        "write" | "pwrite64" => quoted(rest).next().unwrap_or_default().to_owned(),
                        _ => String::new(),
                    },
                    injected: rest.contains("(INJECTED)"),
                    thread,
                    place,
                };
                if call.starts_with("epoll_") {
                    if Some(thread) == first {
                        recording.ticks.push(step);
                    }
                } else if changes(&step, rest) {
                    recording.steps.push(step);
                }
            }
        }
        recording
    }

    fn last_of(&mut self, thread: i32) -> Option<&mut Step> {
        self.steps
            .iter_mut()
            .rev()
            .find(|step| step.thread == thread)
    }

    /// The call at which a trap sprang, if it did.
    pub fn sprung(&self, trap: &Trap) -> Option<&Step> {
        let there = match (trap.what(), trap.what().signal()) {
            (What::Kill, _) => self.end.as_deref() == Some("killed by SIGKILL"),
            // Told twice: when it comes, and when it has stopped the process.
            (What::Stop, _) => {
                self.signals
                    .iter()
                    .filter(|name| *name == "SIGSTOP")
                    .count()
                    > 1
            }
            (_, Some(signal)) => self.signals.iter().any(|name| name == signal),
            (_, None) => self.steps.iter().any(|step| step.injected),
        };
        let met = |step: &&Step| trap.counts(&step.call, step.nth);
        let mut calls = self.steps.iter().chain(&self.ticks);
        calls.find(met).filter(|_| there)
    }

    /// Whether it was stopped and has not been let go since: another thread may come to the same count later.
    pub fn stands_still(&self) -> bool {
        let mut signals = self.signals.iter().rev();
        let last = signals.find(|name| ["SIGSTOP", "SIGCONT"].contains(&name.as_str()));
        self.end.is_none() && last.is_some_and(|name| name == "SIGSTOP")
    }

    /// The waiting from a call on.
    pub fn ticks_from(&self, step: &Step) -> &[Step] {
        let first = self.ticks.partition_point(|tick| tick.place < step.place);
        &self.ticks[first..]
    }

    /// The first call that names a path with this text in it, and all that come after.
    pub fn from(&self, text: &str) -> &[Step] {
        let named = |step: &Step| step.paths.iter().any(|path| path.contains(text));
        let first = self.steps.iter().position(named);
        first.map_or(&[], |first| &self.steps[first..])
    }
}

impl Step {
    /// A trap at this very call, in a run that goes as the recorded one did.
    pub fn trap(&self, what: What) -> Trap {
        Trap::at(what, &self.call, self.nth)
    }

    /// Whether it is one in which the charm waits, of which no two runs make the same number.
    pub fn is_a_tick(&self) -> bool {
        self.call.starts_with("epoll_")
    }

    /// Whether no hook tool makes such calls, so that a trap at it strikes the charm and nobody else.
    pub fn is_ours_alone(&self) -> bool {
        !["open", "openat", "write", "pwrite64", "execve"].contains(&self.call.as_str())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_a_tick() {
            true => write!(formatter, "tick {}", self.nth),
            false => write!(formatter, "{} {}", self.call, self.paths.join(" -> ")),
        }
    }
}

/// Splits a line of strace's file into the thread's number and the rest.
fn line(line: &str) -> Option<(i32, &str)> {
    let (thread, text) = line.split_once(' ')?;
    Some((thread.parse().ok()?, text.trim_start()))
}

fn changes(step: &Step, rest: &str) -> bool {
    match step.call.as_str() {
        "open" | "openat" => rest.contains("O_CREAT") || rest.contains("O_TRUNC"),
        // What goes to a socket or a pipe changes no file.
        "write" | "pwrite64" => step.paths.iter().any(|path| path.starts_with('/')),
        "execve" => false,
        _ => true,
    }
}

/// The texts in quotes; what is within them is left as strace escapes it.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let mut left = text;
    std::iter::from_fn(move || {
        let (_, begun) = left.split_once('"')?;
        let mut escaped = false;
        let end = begun.find(|letter| {
            let ends = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            ends
        });
        let (text, rest) = begun.split_at(end.unwrap_or(begun.len()));
        left = rest.get(1..).unwrap_or_default();
        Some(text)
    })
}

/// The paths in a call's arguments: of files that are open, as in `5</data/x>`, and in quotes.
fn paths(rest: &str) -> Vec<String> {
    let arguments = rest
        .rsplit_once(')')
        .map_or(rest, |(arguments, _)| arguments);
    let mut paths = Vec::new();
    let mut left = arguments;
    while let Some(at) = left.find(['"', '<']) {
        let (mark, rest) = left.split_at(at);
        let within = &rest[1..];
        if rest.starts_with('"') {
            let text = quoted(rest).next().unwrap_or_default();
            paths.push(text.to_owned());
            left = within.get(text.len() + 1..).unwrap_or_default();
        } else {
            let end = within.find('>').unwrap_or(within.len());
            // The directory that a relative name is looked up in says nothing beside an absolute name.
            let of_a_file = mark.ends_with(|letter: char| letter.is_ascii_digit());
            if of_a_file && within.starts_with('/') {
                paths.push(within[..end].to_owned());
            }
            left = within.get(end..).unwrap_or_default();
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::trap::Call;

    const LOG: &str = r#"100 execve("/usr/bin/nsenter", ["nsenter"], 0x7f /* 3 vars */) = 0
100 openat(AT_FDCWD</var>, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3</etc/ld.so.cache>
100 execve("/charm/dispatch", ["dispatch"], 0x7f /* 3 vars */) = 0
101 execve("/tools/status-set", ["status-set"], 0x7f /* 3 vars */) = 0
101 rename("/a", "/b") = 0
101 +++ exited with 0 +++
100 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=101, si_uid=0, si_status=0} ---
100 openat(AT_FDCWD</var>, "/data/j.new", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 4</data/j.new>
100 write(4</data/j.new>, "{\"step\":\"stop\"}", 15) = 15
100 write(5<socket:[1]>, "GET /", 5) = 5
100 fsync(4</data/j.new>) = 0
102 mkdir("/data/a \"b\"", 0700 <unfinished ...>
100 rename("/data/j.new", "/data/j" <unfinished ...>
102 <... mkdir resumed>) = 0
100 <... rename resumed>) = -1 ENOSPC (No space left on device) (INJECTED)
100 +++ exited with 1 +++
"#;

    #[test]
    fn calls_of_the_charm_are_read_in_order_and_those_of_its_tools_are_not() {
        let recording = Recording::read(LOG);
        assert_eq!(recording.process, Some(100));
        assert_eq!(recording.end.as_deref(), Some("exited with 1"));
        let shown: Vec<String> = recording.steps.iter().map(Step::to_string).collect();
        assert_eq!(
            shown,
            [
                "openat /data/j.new",
                r#"write /data/j.new -> {\"step\":\"stop\"}"#,
                "fsync /data/j.new",
                r#"mkdir /data/a \"b\""#,
                "rename /data/j.new -> /data/j",
            ]
        );
        assert_eq!(recording.steps[0].nth, 2, "reading calls count too");
        assert_eq!(recording.from("j.new").len(), 5);
    }

    #[test]
    fn trap_has_sprung_where_its_count_is_met_and_its_effect_is_seen() {
        let recording = Recording::read(LOG);
        let sprung = |trap: Trap| recording.sprung(&trap).map(Step::to_string);
        let told = sprung(Trap::fail(Call::Rename, 1, "ENOSPC")).unwrap();
        assert_eq!(told, "rename /data/j.new -> /data/j");
        assert_eq!(sprung(Trap::fail(Call::Rename, 2, "ENOSPC")), None);
        assert_eq!(sprung(Trap::stop(Call::Rename, 1)), None);
    }
}
