//! A restore is struck at every moment, and the server is wholly as before or wholly as backed up, and runs.
//!
//! Here some points of every kind; `make soak` goes through all of them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Instant;

use harness::ordeal::{Deed, Outcome, Point, Scene, Which, plan};

/// Goes through points and tells how long each took.
fn suffer(scene: &Scene, points: &[Point]) {
    assert!(!points.is_empty());
    for point in points {
        let began = Instant::now();
        let outcome = point.suffer(scene).unwrap();
        let took = began.elapsed().as_secs_f64();
        println!("{took:5.1} s  {point}: {outcome:?}");
        assert!(
            outcome != Outcome::Missed || point.may_be_missed(),
            "{point}"
        );
    }
}

#[test]
fn whatever_dies_before_the_swap_the_server_runs_unchanged() {
    let scene = Scene::deploy().unwrap();
    suffer(&scene, &plan::some_gates());
    scene.restore(Which::After).unwrap();
    let recording = scene.record_restore().unwrap();
    scene.restore(Which::After).unwrap();
    suffer(
        &scene,
        &plan::some_of(plan::before_the_journal(&recording), 3),
    );
    scene.check_diary().unwrap();
    scene.finish().unwrap();
}

#[test]
fn whatever_dies_in_the_swap_the_server_is_the_one_or_the_other() {
    let scene = Scene::deploy().unwrap();
    // Recorded as the points will find it: with what an earlier restore replaced.
    scene.restore(Which::After).unwrap();
    let restore = scene.record_restore().unwrap();
    scene.restore(Which::After).unwrap();
    suffer(
        &scene,
        &plan::some_of(plan::before_the_journal(&restore), 2),
    );
    let points = plan::from_the_journal_on(Deed::Restore, &restore);
    suffer(&scene, &plan::some_of(points, 8));
    suffer(&scene, &plan::waiting(Deed::Restore, &restore, 3));
    suffer(
        &scene,
        &plan::twice(&restore, &scene.record_mending(&restore).unwrap(), 2),
    );
    scene.check_diary().unwrap();
    scene.finish().unwrap();
}

#[test]
fn volume_that_fills_up_in_a_restore_leaves_the_one_or_the_other() {
    let Some(scene) = Scene::deploy_on_a_small_volume().unwrap() else {
        return;
    };
    scene.restore(Which::After).unwrap();
    let recording = scene.record_restore().unwrap();
    scene.restore(Which::After).unwrap();
    suffer(&scene, &plan::full(&recording));
    scene.finish().unwrap();
}

#[test]
fn whatever_dies_on_the_way_back_the_server_is_the_one_or_the_other() {
    let scene = Scene::deploy().unwrap();
    for (deed, wanted) in [(Deed::Rollback, 4), (Deed::Confirm, 2)] {
        scene.restore(Which::Before).unwrap();
        let recording = scene.record(&[deed.action()]).unwrap();
        scene.restore(Which::After).unwrap();
        let points = match deed {
            Deed::Rollback => plan::from_the_journal_on(deed, &recording),
            Deed::Restore | Deed::Confirm => plan::every_call(deed, &recording),
        };
        suffer(&scene, &plan::some_of(points, wanted));
    }
    scene.check_diary().unwrap();
    scene.finish().unwrap();
}
