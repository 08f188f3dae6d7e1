//! A backup that is damaged in the bucket: refused with a clear message, and the server is untouched.
//!
//! Here every eighth of the 64 places in each object; `make soak` flips a byte in all of them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Instant;

use harness::ordeal::{Damaged, Scene};

#[test]
fn damaged_backup_is_refused_and_the_server_untouched() {
    let scene = Scene::deploy().unwrap();
    let mut forge = scene.forge().unwrap();
    let id = forge.with(&[]).unwrap();
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
