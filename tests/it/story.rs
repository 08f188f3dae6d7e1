//! The demo's story, told to nobody, against an S3 server that others wrote.

#![expect(clippy::unwrap_used, reason = "tests")]

use harness::demo::{Story, remarks};
use harness::world::World;

#[test]
fn the_story_of_the_demo_holds_against_versitygw() {
    for remark in remarks().unwrap() {
        eprintln!("{remark}");
    }
    // Shown on the test's standard output, which is seen when the test fails.
    let show = |text: &str| println!("{text}");
    let world = World::with_versitygw().unwrap().shown_by(show);
    Story::new(&world, show).run().unwrap();
    world.finish().unwrap();
}
