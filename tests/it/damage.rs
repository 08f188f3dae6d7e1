//! A backup that is damaged in the bucket: found by a verification, refused by a restore, and the server is untouched.
//!
//! Here every eighth of the 64 places in each object; `make soak` flips a byte in all of them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Instant;

use harness::ordeal::{Damaged, Scene};

const UNIT: &str = "synapse/0";

#[test]
fn damaged_backup_is_found_and_refused_and_the_server_untouched() {
    let scene = Scene::deploy().unwrap();
    let mut forge = scene.forge().unwrap();
    let id = forge.with(&[]).unwrap();
    is_good_in_every_way(&scene, &id);
    let began = Instant::now();
    let damages = Damaged::all(8);
    for damaged in &damages {
        let told = damaged.suffer(&scene, &id).unwrap();
        println!(
            "{damaged}: {}",
            told.unwrap_or_else(|| "restored".to_owned())
        );
    }
    let each = began.elapsed().as_secs_f64() / damages.len() as f64;
    println!("{each:.1} s each");
    scene.check_diary().unwrap();
    drop(forge);
    scene.finish().unwrap();
}

/// A whole backup passes at every level, and nothing is changed by that.
fn is_good_in_every_way(scene: &Scene, id: &str) {
    let world = scene.world();
    let before = (
        world.synapse(UNIT).unwrap(),
        world.store().objects().unwrap(),
    );
    let backup = format!("backup-id={id}");
    for (level, checked) in [("quick", "presence and size"), ("full", "SHA-256")] {
        let level = format!("level={level}");
        let verified = world
            .act(UNIT, &["verify-backup", &backup, &level])
            .unwrap();
        let verified = verified.success().unwrap();
        assert!(
            verified["checked"].as_str().unwrap().contains(checked),
            "{verified}"
        );
    }
    let refused = world
        .act(UNIT, &["verify-backup", &backup, "level=deep"])
        .unwrap();
    let refused = refused.failure().unwrap();
    assert_eq!(refused.result("error-code"), "level-invalid");
    assert!(refused.message.contains("\"deep\""), "{refused:?}");
    let after = (
        world.synapse(UNIT).unwrap(),
        world.store().objects().unwrap(),
    );
    assert_eq!(after, before);
}
