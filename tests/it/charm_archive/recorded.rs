//! The checker of Juju's rules, held to recorded verdicts of Juju's own reader.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use harness::charm_archive::{Archive, check};
use serde::Deserialize;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Recorded cases that the checker does not judge, each with the reason.
const LEFT_OUT: [(&str, &str); 6] = [
    (
        "bzip2",
        "our zip library is built without bzip2, so it can neither write nor read it",
    ),
    (
        "fifo",
        "our zip library writes no special files, so the archive cannot be made",
    ),
    (
        "dispatch not made by unix (no mode bits)",
        "our zip library always writes as unix, so the archive cannot be made",
    ),
    (
        "member twice",
        "our zip library refuses to write a name twice",
    ),
    (
        "metadata.yaml twice",
        "our zip library refuses to write a name twice",
    ),
    (
        "setuid dispatch",
        "our zip library drops the bit when it writes",
    ),
];

/// Recorded cases that Juju accepts and the checker refuses on purpose.
const STRICTER: [(&str, &str); 4] = [
    (
        "empty metadata.yaml",
        "a charm without a name can never be deployed",
    ),
    ("duplicate key in yaml", "one of the two is a mistake"),
    ("actions: duplicate action", "one of the two is a mistake"),
    (
        "actions: param named \"y\" in quotes",
        "the quotes are too easily lost",
    ),
];

/// The recording: a good archive, and what becomes of the verdict when something is changed.
#[derive(Deserialize)]
struct Recording {
    base: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Case {
    title: String,
    #[serde(default)]
    changes: BTreeMap<String, Option<String>>,
    #[serde(default)]
    mode: BTreeMap<String, String>,
    #[serde(default)]
    links: Vec<String>,
    zip: Option<String>,
    result: Verdict,
    #[serde(rename = "since-4.0")]
    since_4: Option<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    accepted: bool,
}

impl Case {
    /// Whether both versions of Juju accept the archive.
    fn accepted(&self) -> bool {
        self.result.accepted && self.since_4.as_ref().is_none_or(|verdict| verdict.accepted)
    }
}

#[test]
fn the_checker_agrees_with_recorded_verdicts_of_juju() {
    let text = include_str!("../../golden/charm-archive.json");
    let recording: Recording = serde_json::from_str(text).unwrap();
    let find = |table: &[(&str, &str)], title: &str| table.iter().any(|(name, _)| *name == title);

    let mut judged = 0;
    let mut wrong = Vec::new();
    for case in &recording.cases {
        if find(&LEFT_OUT, &case.title) {
            continue;
        }
        let expected = case.accepted() && !find(&STRICTER, &case.title);
        let verdict =
            Archive::read(&build(&recording.base, case)).and_then(|archive| check(&archive));
        judged += 1;
        if verdict.is_ok() != expected {
            wrong.push(format!(
                "{}: juju says {}, we say {verdict:?}",
                case.title,
                case.accepted()
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {judged} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );

    for (title, _) in LEFT_OUT.iter().chain(&STRICTER) {
        assert!(
            recording.cases.iter().any(|case| case.title == *title),
            "no recorded case is called {title:?}"
        );
    }
}

/// Builds the archive of a recorded case.
fn build(base: &BTreeMap<String, String>, case: &Case) -> Vec<u8> {
    let mut members = base.clone();
    for (name, contents) in &case.changes {
        match contents {
            Some(contents) => members.insert(name.clone(), contents.clone()),
            None => members.remove(name),
        };
    }
    let zip = case.zip.as_deref().unwrap_or_default();
    let method = match zip {
        "method stored" => CompressionMethod::Stored,
        _ => CompressionMethod::Deflated,
    };
    let prefix = match zip {
        "all members below synapse/" => "synapse/",
        "all members begin with ./" => "./",
        _ => "",
    };

    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, contents) in &members {
        let mode = match case.mode.get(name) {
            Some(mode) => u32::from_str_radix(mode, 8).unwrap(),
            None if name == "dispatch" => 0o755,
            None => 0o644,
        };
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .unix_permissions(mode);
        let name = format!("{prefix}{name}");
        if case.links.contains(&name) {
            writer.add_symlink(name, contents, options).unwrap();
        } else if name.ends_with('/') {
            writer
                .add_directory(name, options.unix_permissions(0o755))
                .unwrap();
        } else {
            writer.start_file(name, options).unwrap();
            writer.write_all(contents.as_bytes()).unwrap();
        }
    }
    let good = writer.finish().unwrap().into_inner();

    match zip {
        "" | "method stored" | "all members below synapse/" | "all members begin with ./" => good,
        "the file is the text hello" => b"hello".to_vec(),
        "no bytes" => Vec::new(),
        "the line #!/bin/sh, then the good zip" => [b"#!/bin/sh\n".as_slice(), &good].concat(),
        "the good zip, then the text tail" => [good.as_slice(), b"tail"].concat(),
        "the last 30 bytes cut off" => good[..good.len() - 30].to_vec(),
        other => panic!("{}: unknown kind of zip: {other}", case.title),
    }
}
