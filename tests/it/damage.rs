//! A backup that is damaged in the bucket: found by a verification, refused by a restore, and the server is untouched.
//!
//! Here a byte is flipped in the head, the middle and the end of each object; `make soak` flips one in all of 64 places.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::time::Instant;

use harness::ordeal::{Damaged, Scene, Which};
use serde_json::Value;

const UNIT: &str = "synapse/0";

/// Goes through some damages, one after the other, on one server.
fn suffer(wanted: impl Fn(&Damaged) -> bool) {
    let scene = Scene::deploy_with_small_volumes().unwrap();
    let id = scene.id(Which::Before);
    has_several_volumes(&scene, id);
    is_good_in_every_way(&scene, id);
    let began = Instant::now();
    let mut damages = Damaged::all(&scene, id, 32).unwrap();
    damages.retain(wanted);
    let mut failed = Vec::new();
    for damaged in &damages {
        match damaged.suffer(&scene, id) {
            Ok(told) => println!("{damaged}: {told}"),
            Err(error) => failed.push(format!("{error:#}")),
        }
        assert!(failed.len() < 5, "{}", failed.join("\n"));
    }
    let each = began.elapsed().as_secs_f64() / damages.len() as f64;
    println!("{} of them, {each:.1} s each", damages.len());
    assert_eq!(failed, [""; 0]);
    // The damages were all of it: mended, it is as good as before.
    is_good_in_every_way(&scene, id);
    assert_eq!(scene.is_whole().unwrap(), Which::After);
    scene.restore(Which::Before).unwrap();
    scene.check_diary().unwrap();
    scene.finish().unwrap();
}

#[test]
fn damaged_volume_is_found_by_name_and_refused_and_the_server_untouched() {
    suffer(Damaged::is_of_a_volume);
}

#[test]
fn damaged_document_is_found_by_name_and_refused_and_the_server_untouched() {
    suffer(|damaged| !damaged.is_of_a_volume());
}

#[test]
fn doubles_of_objects_are_neither_listed_nor_in_the_way() {
    let scene = Scene::deploy_with_small_volumes().unwrap();
    let id = scene.id(Which::Before);
    let folder = scene.shelf().join(id);
    let listed = list(&scene);
    for name in names(&folder) {
        for double in [
            format!("x-{name}"),
            format!("{name}.old"),
            format!("copies/{name}"),
        ] {
            let double = folder.join(double);
            fs::create_dir_all(double.parent().unwrap()).unwrap();
            fs::copy(folder.join(&name), double).unwrap();
        }
        fs::copy(folder.join(&name), scene.shelf().join(&name)).unwrap();
    }
    fs::copy(
        folder.join("volume-0002.tar.gpg"),
        folder.join("volume-0099.tar.gpg"),
    )
    .unwrap();
    assert_eq!(list(&scene), listed);
    is_good_in_every_way(&scene, id);
    scene.restore(Which::Before).unwrap();
    scene.finish().unwrap();
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let names = entries.map(|entry| name(entry).to_string_lossy().into_owned());
    names.collect()
}

fn list(scene: &Scene) -> Vec<String> {
    let listed = scene.world().act(UNIT, &["list-backups"]).unwrap();
    let results = listed.success().unwrap();
    let rows: Value = serde_json::from_str(results["backups-json"].as_str().unwrap()).unwrap();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| format!("{} {}", row["backup-id"], row["state"]))
        .collect()
}

/// The damages are of a backup that has media in more than one volume.
fn has_several_volumes(scene: &Scene, id: &str) {
    let names = names(&scene.shelf().join(id));
    let volumes = names.iter().filter(|name| name.starts_with("volume-"));
    assert!(volumes.count() >= 3, "{names:?}");
}

/// A whole backup passes at every level, and nothing is changed by that.
fn is_good_in_every_way(scene: &Scene, id: &str) {
    let world = scene.world();
    let seen = || {
        let mut objects = world.store().objects().unwrap();
        // What a verification notes about it.
        objects.retain(|(key, _)| !key.ends_with("/proof.json"));
        (world.synapse(UNIT).unwrap(), objects)
    };
    let before = seen();
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
    assert_eq!(seen(), before);
}
