//! Every way in which a store may misbehave, walked through create, list, restore, verify and delete.
//!
//! Each ends well, or in words that name the cause: never in a wrong success, never in silence, and what a run leaves that
//! ended by itself is what it meant to leave. The snapshots show what an operator is told.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod access;
mod listing;
mod parts;
mod reading;
mod resets;
mod scene;
mod uploads;

use std::fmt::Write as _;

use harness::s3::{Effect, Fault, Operation, Quirk};
use regex::Regex;
use scene::{Scene, Verb};

const VERBS: [Verb; 5] = [
    Verb::Create,
    Verb::List,
    Verb::Restore,
    Verb::Verify,
    Verb::Delete,
];
const MIB: usize = 1 << 20;

/// A way to misbehave.
struct Rule {
    name: String,
    /// What the store is.
    quirks: Vec<Quirk>,
    /// What goes wrong at a call; ordered anew for each verb.
    faults: Vec<Fault>,
    /// What the store makes it impossible to take away.
    leaves: bool,
}

/// All kinds of calls that the verbs make.
const ALL: [Operation; 9] = [
    Operation::ListObjects,
    Operation::GetObject,
    Operation::HeadObject,
    Operation::PutObject,
    Operation::CreateUpload,
    Operation::UploadPart,
    Operation::CompleteUpload,
    Operation::AbortUpload,
    Operation::DeleteObjects,
];

fn quirk(name: &str, quirks: impl Into<Vec<Quirk>>) -> Rule {
    Rule {
        name: name.to_owned(),
        quirks: quirks.into(),
        faults: Vec::new(),
        leaves: false,
    }
}

fn fault(name: &str, operation: Operation, effect: Effect) -> Rule {
    fault_of(name, Fault::on(operation, effect))
}

fn fault_of(name: &str, fault: Fault) -> Rule {
    quirk(name, []).and(fault)
}

/// A fault of the same kind at each of these calls.
fn everywhere(
    name: impl AsRef<str>,
    calls: &[Operation],
    fault: impl Fn(Operation) -> Fault,
) -> Rule {
    Rule {
        faults: calls.iter().map(|call| fault(*call)).collect(),
        ..quirk(name.as_ref(), [])
    }
}

impl Rule {
    fn and(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    fn quirks(self, quirks: impl Into<Vec<Quirk>>) -> Self {
        Self {
            quirks: quirks.into(),
            ..self
        }
    }

    fn leaving(self) -> Self {
        Self {
            leaves: true,
            ..self
        }
    }

    fn order(&self, scene: &Scene) {
        for fault in &self.faults {
            scene.server.order(fault.clone());
        }
    }
}

/// Walks rules through all verbs; the table tells what was not simply done.
async fn walk(scene: &Scene, rules: Vec<Rule>) -> String {
    let (mut table, mut flaws) = (String::new(), Vec::new());
    let good = scene.fresh();
    scene.act(Verb::Create, &good).await.unwrap();
    for rule in rules {
        eprintln!("{}", rule.name);
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        let mut id = scene.fresh();
        scene.server.become_of(rule.quirks.clone());
        for verb in VERBS {
            rule.order(scene);
            let outcome = scene.act(verb, &id).await;
            let litter = scene.litter();
            scene.server.clear_faults();
            match outcome {
                Ok(()) => done.push(format!("{verb:?}").to_lowercase()),
                Err(told) if told.starts_with("HANGS") => panic!("{}: {verb:?} {told}", rule.name),
                Err(told) => failed.push(format!("  {verb:?}: {}", plain(&told, id.as_str()))),
            }
            if !litter.is_empty() {
                failed.push(format!("  {verb:?} leaves {}", litter.join(", ")));
                if !rule.leaves {
                    flaws.push(format!("{}: {verb:?} leaves {litter:?}", rule.name));
                }
            }
            match verb {
                Verb::Create if outcome_is_good(&failed) => {
                    let proof = scene.act(Verb::Verify, &id).await;
                    assert_eq!(proof, Ok(()), "{}: what was made is no backup", rule.name);
                }
                Verb::Create => {
                    let left = scene.objects(&id);
                    assert!(left.is_empty() || rule.leaves, "{}: {left:?}", rule.name);
                    id = scene.fresh();
                    scene.server.become_of(Vec::new());
                    scene.act(Verb::Create, &id).await.unwrap();
                    scene.server.become_of(rule.quirks.clone());
                }
                Verb::Delete => {
                    let left = scene.objects(&id);
                    if !left.is_empty() {
                        scene.server.become_of(Vec::new());
                        let again = scene.act(Verb::Delete, &id).await;
                        assert_eq!(again, Ok(()), "{}: {left:?}", rule.name);
                    }
                }
                Verb::List | Verb::Restore | Verb::Verify => (),
            }
        }
        scene.server.become_of(Vec::new());
        scene.tidy(&good);
        writeln!(table, "{}: {}", rule.name, done.join(", ")).unwrap();
        for line in failed {
            writeln!(table, "{line}").unwrap();
        }
    }
    println!("{table}");
    assert_eq!(flaws, [""; 0]);
    table
}

/// Whether nothing was told against the first verb.
fn outcome_is_good(failed: &[String]) -> bool {
    !failed.iter().any(|line| line.starts_with("  Create:"))
}

/// A text without what differs from run to run: names, ports, and which of several calls at a time failed first.
fn plain(text: &str, id: &str) -> String {
    let mut text = text.replace(id, "<id>");
    for (pattern, word) in [
        (r"127\.0\.0\.1:\d+", "<store>"),
        (r"part \d+", "part <n>"),
        (r"backup-\d{20}", "<id>"),
        (r"volume-0001\.tar\.gpg|inventory\.json\.gpg", "<object>"),
        (r"\d+ bytes of|where \d+ were", "<n> bytes"),
        (r"(broke while trying to [^:]*): .*( -> )", "$1$2"),
    ] {
        text = Regex::new(pattern)
            .unwrap()
            .replace_all(&text, word)
            .into_owned();
    }
    text
}

/// Bytes that look like no others.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
