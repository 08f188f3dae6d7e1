//! A restore is struck at every moment, and the server is wholly as before or wholly as backed up, and runs.
//!
//! Here some points of every kind; `make soak` goes through all of them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Instant;

use harness::ordeal::{Outcome, Point, Scene, plan};

/// Goes through points and tells how long each took.
fn suffer(scene: &Scene, points: &[Point]) {
    for point in points {
        let began = Instant::now();
        let outcome = point.suffer(scene).unwrap();
        println!(
            "{:5.1} s  {point}: {outcome:?}",
            began.elapsed().as_secs_f64()
        );
        assert_ne!(outcome, Outcome::Missed, "{point}");
    }
}

#[test]
fn whatever_dies_before_the_swap_the_server_runs_unchanged() {
    let scene = Scene::deploy().unwrap();
    suffer(&scene, &plan::some_of(plan::gates(), 8));
    scene.check_diary().unwrap();
    scene.finish().unwrap();
}
