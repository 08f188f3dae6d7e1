//! What verifications leave beside a backup, and what a listing makes of it.

use sha2::{Digest, Sha256};
use synapse_operator::backup::{CatalogueError, Level, Proof, Proven, Verdict};

use super::{ID, Shelf, id};

fn proof(level: Level, result: Verdict, at: &str) -> Proof {
    Proof {
        level,
        at: at.parse().unwrap(),
        result,
        seconds: 1.5,
        unit: "synapse/0".to_owned(),
        charm_version: "0.1.0".to_owned(),
        findings: Vec::new(),
        more: serde_json::Map::new(),
    }
}

#[tokio::test]
async fn proof_is_of_one_manifest_and_the_newest_of_its_level() {
    let shelf = Shelf::new();
    let manifest = shelf.backup(ID).await;
    let (_, digest) = shelf.catalogue.manifest_and_digest(&id(ID)).await.unwrap();
    let hex = Sha256::digest(&manifest);
    let hex: String = hex.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest.to_string(), hex);
    let note = async |proof: Proof| {
        let noted = shelf.catalogue.note_proof(&id(ID), &digest, proof).await;
        noted.unwrap();
    };
    let proven = async || shelf.list().await[0].proven;
    let (early, late) = ("2026-11-22T03:00:00Z", "2026-11-22T04:00:00Z");
    note(proof(Level::Full, Verdict::Good, early)).await;
    note(proof(Level::Quick, Verdict::Good, late)).await;
    let good = Some(Proven::Good(Level::Full, early.parse().unwrap()));
    assert_eq!(proven().await, good);
    note(proof(Level::Full, Verdict::Broken, late)).await;
    let broken = Some(Proven::Broken(Level::Full, late.parse().unwrap()));
    assert_eq!(proven().await, broken);
    // What comes late about what was early changes nothing.
    note(proof(Level::Full, Verdict::Good, early)).await;
    assert_eq!(proven().await, broken);
    let proofs = shelf.catalogue.proofs(&id(ID), &digest).await.unwrap();
    assert_eq!(proofs.len(), 2);

    shelf
        .lay(&format!("{ID}/manifest.json"), format!("{manifest}\n"))
        .await;
    assert_eq!(proven().await, None, "another manifest");
    shelf.lay(&format!("{ID}/manifest.json"), &manifest).await;
    assert_eq!(proven().await, broken);

    let key = format!("{ID}/proof.json");
    for junk in ["{".to_owned(), "x".repeat(1 << 20)] {
        shelf.lay(&key, junk).await;
        assert_eq!(proven().await, None);
    }
    note(proof(Level::Full, Verdict::Good, early)).await;
    assert_eq!(proven().await, good);
}

#[tokio::test]
async fn proof_of_a_later_version_is_left_as_it_is() {
    let shelf = Shelf::new();
    shelf.backup(ID).await;
    let (_, digest) = shelf.catalogue.manifest_and_digest(&id(ID)).await.unwrap();
    let later = r#"{"format":"synapse-operator-proof","version":2}"#;
    shelf.lay(&format!("{ID}/proof.json"), later).await;
    let early = proof(Level::Full, Verdict::Good, "2026-11-22T03:00:00Z");
    let noted = shelf.catalogue.note_proof(&id(ID), &digest, early).await;
    assert!(
        matches!(noted, Err(CatalogueError::Proof { .. })),
        "{noted:?}"
    );
    let object = shelf.bucket.get(&format!("{ID}/proof.json")).await.unwrap();
    assert_eq!(object.collect(1000).await.unwrap(), later.as_bytes());
    assert_eq!(shelf.list().await[0].proven, None);
}

#[tokio::test]
async fn two_who_prove_at_once_lose_neither() {
    let shelf = Shelf::new();
    shelf.backup(ID).await;
    let (_, digest) = shelf.catalogue.manifest_and_digest(&id(ID)).await.unwrap();
    let id = id(ID);
    let note = |level| {
        let proof = proof(level, Verdict::Good, "2026-11-22T03:00:00Z");
        shelf.catalogue.note_proof(&id, &digest, proof)
    };
    let (one, other) = tokio::join!(note(Level::Quick), note(Level::Full));
    one.unwrap();
    other.unwrap();
    let proofs = shelf.catalogue.proofs(&id, &digest).await.unwrap();
    assert_eq!(proofs.len(), 2);
}
