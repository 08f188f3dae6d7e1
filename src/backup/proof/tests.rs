#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn at(day: i8) -> Timestamp {
    format!("2026-11-{day:02}T12:00:00Z").parse().unwrap()
}

fn proof(level: Level, result: Verdict, day: i8) -> Proof {
    Proof {
        level,
        at: at(day),
        result,
        seconds: 1.5,
        unit: "synapse/0".to_owned(),
        charm_version: "0.1.0".to_owned(),
        findings: Vec::new(),
        more: Map::new(),
    }
}

fn document() -> Document {
    let id = BackupId::parse("backup-20261121120405000678").unwrap();
    Document::new(&id, &Sha256Hex::from_digest(&[7; 32]))
}

#[test]
fn last_proven_is_the_farthest_look_and_no_quick_one_hides_what_a_full_one_found() {
    use Level::{Full, Quick, Rehearse};
    use Verdict::{Broken, Good};
    for (proofs, expected) in [
        (vec![], None),
        (vec![(Quick, Good, 1)], Some(Proven::Good(Quick, at(1)))),
        (
            vec![(Quick, Good, 9), (Full, Good, 2)],
            Some(Proven::Good(Full, at(2))),
        ),
        (
            vec![(Rehearse, Good, 1), (Full, Good, 2)],
            Some(Proven::Good(Full, at(2))),
        ),
        (
            vec![(Rehearse, Good, 3), (Full, Good, 2)],
            Some(Proven::Good(Rehearse, at(3))),
        ),
        (
            vec![(Quick, Good, 9), (Full, Broken, 2)],
            Some(Proven::Broken(Full, at(2))),
        ),
        (
            vec![(Quick, Broken, 9), (Full, Good, 2)],
            Some(Proven::Broken(Quick, at(9))),
        ),
        (
            vec![(Quick, Broken, 1), (Full, Good, 2)],
            Some(Proven::Good(Full, at(2))),
        ),
        (
            vec![(Rehearse, Broken, 1), (Full, Good, 2)],
            Some(Proven::Broken(Rehearse, at(1))),
        ),
        (
            vec![(Full, Broken, 1), (Rehearse, Broken, 3), (Quick, Good, 4)],
            Some(Proven::Broken(Rehearse, at(3))),
        ),
    ] {
        let proofs: Vec<Proof> = proofs
            .into_iter()
            .map(|(level, result, day)| proof(level, result, day))
            .collect();
        assert_eq!(Proven::of(&proofs), expected, "{proofs:?}");
    }
}

#[test]
fn newest_of_each_level_is_kept() {
    let mut document = document();
    for (level, day) in [
        (Level::Full, 2),
        (Level::Quick, 3),
        (Level::Full, 4),
        (Level::Full, 1),
    ] {
        document.note(proof(level, Verdict::Good, day));
    }
    let kept: Vec<_> = document
        .known()
        .into_iter()
        .map(|proof| (proof.level, proof.at))
        .collect();
    assert_eq!(kept, [(Level::Quick, at(3)), (Level::Full, at(4))]);
}

#[test]
fn what_a_later_version_wrote_is_kept() {
    let mut written = serde_json::to_value(document()).unwrap();
    written["more"] = "field".into();
    let mut later = serde_json::to_value(proof(Level::Full, Verdict::Good, 1)).unwrap();
    later["bytes"] = 7.into();
    written["proofs"] = Value::Array(vec![serde_json::json!({"level": "moon"}), later]);
    let id = document().id;
    let mut read = Document::read(written.to_string().as_bytes(), &id).unwrap();
    read.note(proof(Level::Quick, Verdict::Good, 2));
    let again = serde_json::to_value(&read).unwrap();
    assert_eq!(again["more"], "field");
    assert_eq!(again["proofs"][0]["level"], "moon");
    assert_eq!(again["proofs"][1]["bytes"], 7);
    assert_eq!(again["proofs"][2]["level"], "quick");
}

#[test]
fn findings_are_bounded() {
    let mut document = document();
    let mut broken = proof(Level::Full, Verdict::Broken, 1);
    broken.findings = vec!["ö".repeat(5000); 5000];
    document.note(broken);
    assert!(serde_json::to_vec(&document).unwrap().len() < LIMIT);
}
