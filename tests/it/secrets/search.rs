//! The search for secrets: in bytes, in files, and in the command lines and environments of all processes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use harness::deadline::{Deadline, Look};

/// What is looked for: each secret in the forms that it might take.
#[derive(Debug, Clone, Default)]
pub(super) struct Needles(Vec<(String, Vec<u8>)>);

impl Needles {
    pub(super) fn add(&mut self, name: &str, secret: &str) {
        assert!(secret.len() >= 16, "{name} is too short to be looked for");
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let escaped: String = secret
            .bytes()
            .map(
                |byte| match byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                    true => char::from(byte).to_string(),
                    false => format!("%{byte:02X}"),
                },
            )
            .collect();
        // What lies across the end of the last whole group differs with what follows.
        let whole = &secret.as_bytes()[..secret.len() / 3 * 3];
        let forms = BTreeSet::from([
            secret.to_owned(),
            hex,
            escaped,
            STANDARD_NO_PAD.encode(whole),
        ]);
        self.0.extend(
            forms
                .into_iter()
                .map(|form| (name.to_owned(), form.into_bytes())),
        );
    }

    /// One line for each secret in these bytes.
    pub(super) fn within(&self, place: &str, bytes: &[u8]) -> Vec<String> {
        let holds = |needle: &[u8]| {
            let first = needle[0];
            bytes
                .iter()
                .enumerate()
                .any(|(at, byte)| *byte == first && bytes[at..].starts_with(needle))
        };
        let found = self.0.iter().filter(|(_, needle)| holds(needle));
        found
            .map(|(name, _)| format!("{name} in {place}"))
            .collect()
    }

    /// One line for each secret in each file below a directory, names of files included.
    pub(super) fn below(&self, top: &Path, is_home: impl Fn(&Path) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        let mut directories: Vec<PathBuf> = vec![top.to_owned()];
        while let Some(directory) = directories.pop() {
            let Ok(entries) = fs::read_dir(&directory) else {
                continue;
            };
            for path in entries.map(|entry| entry.unwrap().path()) {
                let Ok(facts) = path.symlink_metadata() else {
                    continue;
                };
                if facts.is_dir() {
                    directories.push(path);
                } else if facts.is_file() && !is_home(&path) {
                    // Files come and go, and Synapse's among them.
                    let bytes = fs::read(&path).unwrap_or_default();
                    let place = path.display().to_string();
                    found.extend(self.within(&place, &bytes));
                    found.extend(self.within("a file's name", place.as_bytes()));
                }
            }
        }
        found.sort();
        found
    }
}

/// A look at all processes, over and over.
pub(super) struct Watch {
    end: Arc<AtomicBool>,
    hit: Arc<AtomicBool>,
    watcher: JoinHandle<Seen>,
}

/// What was seen meanwhile.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Processes that could be looked into.
    pub(super) processes: usize,
    /// Those among them that were the charm.
    pub(super) of_the_charm: usize,
    /// One line for each secret in each.
    pub(super) found: Vec<String>,
}

impl Watch {
    pub(super) fn begin(needles: &Needles) -> Self {
        let needles = needles.clone();
        let (end, hit) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let (ended, found) = (Arc::clone(&end), Arc::clone(&hit));
        let watcher = thread::spawn(move || {
            let mut seen = Seen::default();
            let mut known = BTreeSet::new();
            while !ended.load(Ordering::SeqCst) {
                look(&needles, &mut known, &mut seen);
                found.store(!seen.found.is_empty(), Ordering::SeqCst);
                // The shortest-lived of them, a hook tool, lives a few times longer.
                thread::park_timeout(Duration::from_millis(1));
            }
            seen
        });
        Self { end, hit, watcher }
    }

    pub(super) fn end(self) -> Seen {
        self.end.store(true, Ordering::SeqCst);
        self.watcher.join().unwrap()
    }

    /// Ends as soon as something was found.
    pub(super) fn until_found(self) -> Seen {
        let hit = Arc::clone(&self.hit);
        let found = Deadline::after(Duration::from_secs(20)).wait_for("a secret", || {
            Ok(match hit.load(Ordering::SeqCst) {
                true => Look::Done(()),
                false => Look::NotYet("none"),
            })
        });
        drop(found);
        self.end()
    }
}

/// Looks at each process that is new, or has become another program.
fn look(needles: &Needles, known: &mut BTreeSet<(String, Vec<u8>, usize)>, seen: &mut Seen) {
    let own = std::process::id().to_string();
    for entry in fs::read_dir("/proc").unwrap() {
        let Ok(id) = entry.map(|entry| entry.file_name().to_string_lossy().into_owned()) else {
            continue;
        };
        if id == own || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let file = |name: &str| fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
        let (line, environment) = (file("cmdline"), file("environ"));
        if line.is_empty() || !known.insert((id.clone(), line.clone(), environment.len())) {
            continue;
        }
        seen.processes += 1;
        let shown = String::from_utf8_lossy(&line).replace('\0', " ");
        seen.of_the_charm += usize::from(shown.trim_end().ends_with("/charm/dispatch"));
        seen.found
            .extend(needles.within(&format!("the command line: {shown}"), &line));
        seen.found
            .extend(needles.within(&format!("the environment of {shown}"), &environment));
    }
}
