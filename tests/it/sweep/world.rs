//! A run that is killed, and the next one, with real processes.

use std::time::Duration;

use harness::demo::Story;
use harness::s3::{Effect, Fault, Operation, Quirk};
use harness::world::World;

const UNIT: &str = "synapse/0";

#[test]
fn kill_in_the_middle_of_a_create_leaves_nothing_behind_the_next_one() {
    let world = World::new().unwrap();
    let _inhabited = Story::inhabited(&world).unwrap();
    let store = world.store().server().unwrap();
    for quirks in [Vec::new(), vec![Quirk::NoListUploads]] {
        store.become_of(quirks.clone());
        store.order(Fault::on(Operation::UploadPart, Effect::Stall).always());
        let before = store.calls(Operation::UploadPart);
        let task = world.begin(UNIT, &["create-backup"]).unwrap();
        let there = || Ok(store.calls(Operation::UploadPart) > before);
        world.wait_until("a part to stand still", there).unwrap();
        assert_eq!(world.cancel(task).unwrap().status, "aborted");
        store.clear_faults();
        assert!(store.open_uploads() > 0);
        // Until a lease's time is over somebody might still be at work.
        store.age(Duration::from_secs(600), "").unwrap();

        let created = world.act(UNIT, &["create-backup"]).unwrap();
        let results = created.success().unwrap();
        let swept = results["swept"].as_str().unwrap();
        assert!(swept.contains("open upload"), "{quirks:?}: {swept}");
        assert_eq!(store.open_uploads(), 0, "{quirks:?}");
        let objects = world.store().objects().unwrap();
        let notes = objects.iter().filter(|(key, _)| key.contains("uploads/"));
        assert_eq!(notes.count(), 0, "{objects:?}");
    }
}
