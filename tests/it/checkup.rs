//! The look at a store, item by item: the room against stores, the action in a world.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod faults;
mod policy;
mod versitygw;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use harness::s3::{Options, Server};
use jiff::Timestamp;
use synapse_operator::s3::{Check, Checkup, ITEMS, Limits, Params, Proxy, Remedy, Verdict};
use tokio::sync::mpsc;

const MIB: u64 = 1 << 20;

fn params(databag: &BTreeMap<String, String>, changes: &[(&str, &str)]) -> Params {
    let mut databag = databag.clone();
    for (key, value) in changes {
        databag.insert((*key).to_owned(), (*value).to_owned());
    }
    Params::parse(&databag).unwrap()
}

/// A look at a store without a transfer.
fn checkup(databag: &BTreeMap<String, String>, changes: &[(&str, &str)]) -> Checkup {
    Checkup {
        params: params(databag, &[&[("path", "prod")], changes].concat()),
        proxy: Proxy::default(),
        limits: Limits::default(),
        transfer: None,
        random: 0x00c0_ffee,
        now: Timestamp::now,
    }
}

async fn run(checkup: Checkup) -> Findings {
    let (told, mut findings) = mpsc::channel(ITEMS.len());
    let checks = tokio::time::timeout(Duration::from_secs(200), checkup.run(told));
    let checks = checks.await.unwrap();
    let names: Vec<&str> = checks.iter().map(|check| check.name).collect();
    assert_eq!(names, ITEMS, "each item once, in order");
    let mut heard = 0;
    while findings.recv().await.is_some() {
        heard += 1;
    }
    assert_eq!(heard, ITEMS.len(), "each is told as it comes");
    let text = format!("{checks:?}");
    for secret in ["the-access-key", "the-secret-key"] {
        assert!(!text.contains(secret), "{text}");
    }
    Findings(checks)
}

/// What was found.
struct Findings(Vec<Check>);

impl Findings {
    fn of(&self, name: &str) -> &Check {
        self.0.iter().find(|check| check.name == name).unwrap()
    }

    fn verdict(&self, name: &str) -> Verdict {
        self.of(name).verdict
    }

    fn what(&self, name: &str) -> &str {
        &self.of(name).what
    }

    /// The items with this verdict.
    fn all(&self, verdict: Verdict) -> Vec<&str> {
        let all = self.0.iter().filter(|check| check.verdict == verdict);
        all.map(|check| check.name).collect()
    }

    /// The setting that is proposed for an item.
    fn setting(&self, name: &str) -> (&'static str, &str) {
        let set = self.of(name).remedies.iter().find_map(|one| match one {
            Remedy::Set { key, value } => Some((*key, value.as_str())),
            _ => None,
        });
        set.unwrap_or_else(|| panic!("{:?}", self.of(name)))
    }

    /// The permissions that are said to be missing.
    fn missing(&self, name: &str) -> Vec<&'static str> {
        let remedies = self.of(name).remedies.iter();
        let actions = remedies.filter_map(|one| match one {
            Remedy::Allow { action, .. } => Some(*action),
            _ => None,
        });
        actions.collect()
    }

    fn print(&self) {
        for check in &self.0 {
            println!(
                "{:<18} {:<11} {} {:?}",
                check.name,
                check.verdict.word(),
                check.what,
                check.remedies
            );
        }
    }
}

fn objects(server: &Server) -> Vec<String> {
    let mut found = Vec::new();
    let mut ways = vec![server.directory().join("demo")];
    while let Some(way) = ways.pop() {
        for entry in std::fs::read_dir(way).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => ways.push(path),
                false => found.push(path.display().to_string()),
            }
        }
    }
    found
}

#[tokio::test]
async fn a_store_that_is_well_passes_and_keeps_nothing() {
    let server = Server::start(Options::default()).unwrap();
    let look = Checkup {
        transfer: Some(20 * MIB),
        ..checkup(&server.relation_data(), &[])
    };
    let found = run(look).await;
    found.print();
    assert_eq!(found.all(Verdict::Fail), [""; 0]);
    assert_eq!(found.all(Verdict::Skipped), [""; 0]);
    assert!(
        found.what("upload-rate").contains("(20 MiB in"),
        "{}",
        found.what("upload-rate")
    );
    assert_eq!(found.what("left-behind"), "nothing");
    assert_eq!(objects(&server), [""; 0]);
    assert_eq!(server.open_uploads(), 0);
}

#[test]
fn every_item_is_in_the_reference() {
    let page = include_str!("../../docs/reference/actions.md");
    let own = ["relation", "owner"];
    for item in ITEMS.iter().chain(&own) {
        assert!(
            page.contains(&format!("`{item}`")),
            "{item} is not in the reference"
        );
    }
}
