#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::text::text;
use super::{Inside, Known, facts};
use crate::backup::{
    BackupId, Examined, Label, Level, Listed, Manifest, Proof, Proven, Standing, Verdict,
};

fn known(manifest: Option<serde_json::Value>, standing: Standing) -> Known {
    let id = BackupId::parse("backup-20261121120405000678").unwrap();
    let manifest =
        manifest.map(|manifest| Manifest::read(manifest.to_string().as_bytes(), &id).unwrap());
    let proof = Proof {
        level: Level::Full,
        at: "2026-11-22T03:00:00Z".parse().unwrap(),
        result: Verdict::Broken,
        seconds: 12.34,
        unit: "synapse/0".to_owned(),
        charm_version: "0.1.0".to_owned(),
        findings: vec!["volume-0002.tar.gpg is missing".to_owned()],
        more: serde_json::Map::new(),
    };
    let proven = manifest
        .is_some()
        .then_some(Proven::Broken(proof.level, proof.at));
    let listed = Listed {
        id,
        standing,
        last: "2026-11-21T12:04:09Z".parse().ok(),
        size: 1234,
        proven,
        protected: false,
        said: Label::default(),
    };
    Known {
        examined: Examined {
            proofs: proven.map(|_| proof).into_iter().collect(),
            listed,
            manifest,
            failure: None,
            objects: 5,
            bytes: 4_000_000,
            log: true,
        },
        inside: Inside::Shut("not opened: no passphrase is set".to_owned()),
        model: "here".to_owned(),
        now: "2026-11-23T12:00:00Z".parse().unwrap(),
    }
}

fn manifest() -> serde_json::Value {
    json!({
        "format": "synapse-operator-backup", "version": 1, "id": "backup-20261121120405000678",
        "started": "2026-11-21T12:04:05.000678Z", "finished": "2026-11-21T12:04:09.5Z",
        "state": "finished-with-warnings", "server-name": "example.org", "charm-version": "0.1.0",
        "synapse-version": "1.163.2", "unit": "synapse/0", "model": "here",
        "database": {"kind": "sqlite", "schema-version": 94, "schema-compat-version": 89,
            "size": 1_572_864, "rows": {"events": 1200, "users": 3}},
        "places": ["keys", "database", "media"],
        "components": {"keys": {"members": 4, "content": 400}, "media": {"members": 20, "content": 30_000_000}},
        "volumes": [
            {"key": "backup-20261121120405000678/volume-0001.tar.gpg", "size": 2_000_000, "key-packet": 48,
                "sha256": "00".repeat(32), "members": 5, "content": 1_600_000},
            {"key": "backup-20261121120405000678/volume-0002.tar.gpg", "size": 30_100_000, "key-packet": 48,
                "sha256": "00".repeat(32), "members": 20, "content": 30_000_000}],
        "inventory": "backup-20261121120405000678/inventory.json.gpg",
        "size": 32_100_000, "members": 25, "content": 31_600_000,
        "snapshot": {"size": 1_572_864, "milliseconds": 700, "slowest-request": 12, "check": "integrity"},
        "media": {"rows": 12, "files": 11, "missing": 1, "surplus": 0, "wrong": 0},
        "warnings": ["2 files changed while they were read"],
    })
}

#[test]
fn backup_is_told_in_aligned_lines() {
    let what = "volume-0002.tar.gpg is missing".to_owned();
    let known = known(Some(manifest()), Standing::Damaged { what });
    insta::assert_snapshot!(text(&known), @r"
    backup        backup-20261121120405000678
    state         damaged: volume-0002.tar.gpg is missing
    server        example.org
    started       2026-11-21 12:04:05+00:00
    finished      2026-11-21 12:04:09+00:00, after 4.5 s
    made by       synapse/0, charm 0.1.0, Synapse 1.163.2
    size          30.6 MiB in 2 volumes
    holds         30.1 MiB in 25 files and directories
                  keys             0.4 KiB  4 files and directories
                  media           28.6 MiB  20 files and directories
    database      sqlite, schema 94, for a Synapse of schema 89 or later
                  size: 1572864
                  rows: events 1200, users 3
    snapshot      1.5 MiB in 700 ms, slowest request meanwhile 12 ms, checked: integrity
    media         12 known to the database, 11 files; 1 missing, 0 surplus, 0 wrong
    warnings      2 files changed while they were read
    last proven   broken 2026-11-22 03:00:00+00:00
                  full      broken  2026-11-22 03:00:00+00:00, in 12.3 s, by synapse/0
                    volume-0002.tar.gpg is missing
    volumes       volume-0001.tar.gpg     1.9 MiB  5 members
                  volume-0002.tar.gpg    28.7 MiB  20 members
    log of run    backup-20261121120405000678/run.log
    inventory     not opened: no passphrase is set
    ");
    let results = facts::results(&known).unwrap();
    let keys: Vec<&str> = results.keys().map(String::as_str).collect();
    insta::assert_snapshot!(keys.join("\n"), @r"
    backup-id
    backup-json
    bytes
    charm-version
    components.keys.content
    components.keys.files
    components.media.content
    components.media.files
    content
    database.kind
    database.schema-compat-version
    database.schema-version
    database.size
    files
    finished
    formatted
    inventory
    last-modified
    last-proven
    media.files
    media.missing
    media.rows
    media.surplus
    media.wrong
    model
    objects
    places
    proofs.full.at
    proofs.full.findings
    proofs.full.result
    proofs.full.seconds
    result
    seconds
    server-name
    size
    snapshot.check
    snapshot.milliseconds
    snapshot.size
    snapshot.slowest-request
    started
    state
    synapse-version
    unit
    volumes
    warnings
    ");
    assert_eq!(results["components.media.content"], "30000000");
    assert_eq!(results["proofs.full.result"], "broken");
}

#[test]
fn what_is_no_backup_is_told_as_well() {
    let mut lines = String::new();
    for standing in [Standing::Interrupted, Standing::Legacy] {
        lines += &text(&known(None, standing));
        lines += "\n\n";
    }
    insta::assert_snapshot!(lines, @r"
    backup        backup-20261121120405000678
    state         failed: interrupted
    last heard    2026-11-21 12:04:09+00:00
    in bucket     3.8 MiB in 5 objects
    last proven   never
    log of run    backup-20261121120405000678/run.log
    inventory     not opened: no passphrase is set

    backup        backup-20261121120405000678
    state         legacy
    made by       the Python charm
    written       2026-11-21 12:04:09+00:00
    size          3.8 MiB in one object
    holds         what is in it is known only when it is read: run verify-backup
    last proven   never
    log of run    backup-20261121120405000678/run.log
    inventory     not opened: no passphrase is set
    ");
}

#[test]
fn hostile_manifest_is_cut_to_what_juju_carries() {
    let mut large = manifest();
    large["server-name"] = "x".repeat(300_000).into();
    large["warnings"] = vec!["y\u{1b}[31m".repeat(100); 1000].into();
    large["components"]["Not/A\nKey"] = json!({"members": 1, "content": 1});
    let results = facts::results(&known(Some(large), Standing::Finished)).unwrap();
    for (key, value) in &results {
        assert!(value.len() <= 120 * 1024, "{key}");
        assert!(key.bytes().all(|byte| byte.is_ascii_lowercase()
            || b".-".contains(&byte)
            || byte.is_ascii_digit()));
    }
    assert!(!results["formatted"].contains('\u{1b}'));
    let json: serde_json::Value = serde_json::from_str(&results["backup-json"]).unwrap();
    assert_eq!(json["left-out"], json!(["inventory", "manifest"]));
}
