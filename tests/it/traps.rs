//! The traps themselves: that a run of the charm is struck at exactly the call that was named, and nowhere else.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use harness::ordeal::{Scene, Which};
use harness::trap::{Call, Trap, What};

const UNIT: &str = "synapse/0";

#[test]
fn restore_is_recorded_stopped_failed_and_killed_at_its_first_rename() {
    let scene = Scene::deploy().unwrap();
    let world = scene.world();
    let recording = scene.record_restore().unwrap();
    assert_eq!(recording.end.as_deref(), Some("exited with 0"));
    assert!(!recording.steps.is_empty());
    for step in &recording.steps {
        println!("{} #{} {step} {}", step.call, step.nth, step.written);
    }
    let first = recording.steps.iter().find(|step| step.call == "rename");
    let step = first.unwrap();
    let first = step.to_string();
    assert!(first.contains("/data/.synapse-operator/"), "{first}");
    scene.restore(Which::After).unwrap();
    let before = world.content(UNIT).unwrap();
    let words = scene.restore_words(Which::Before);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();

    // Stopped: it stands still, and goes on as if nothing had been.
    world.trap(UNIT, &step.trap(What::Stop)).unwrap();
    let task = world.begin(UNIT, &words).unwrap();
    let trapped = world.trapped(UNIT).unwrap().unwrap();
    assert_eq!(trapped.step.to_string(), first);
    let process = trapped.process.unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    assert!(status.contains("\nState:\tt (tracing stop)"), "{status}");
    assert_eq!(world.charm_process(UNIT).unwrap(), Some(process));
    let ended = world.resume_until_ended(UNIT, &trapped, task).unwrap();
    ended.success().unwrap();
    scene.restore(Which::After).unwrap();

    // The call fails, and the charm says why.
    let full = step.trap(What::Fail("ENOSPC".to_owned()));
    world.trap(UNIT, &full).unwrap();
    let failed = world.act(UNIT, &words).unwrap().failure().unwrap();
    assert!(
        failed.message.contains("No space left on device"),
        "{failed:?}"
    );
    assert!(world.trapped(UNIT).unwrap().is_some());
    assert_eq!(scene.is_whole().unwrap(), Which::After);
    // One trap is for one run.
    scene.restore(Which::After).unwrap();

    // Killed: the call was not made.
    world.trap(UNIT, &step.trap(What::Kill)).unwrap();
    let task = world.begin(UNIT, &words).unwrap();
    let trapped = world.trapped(UNIT).unwrap().unwrap();
    assert_eq!(trapped.step.to_string(), first);
    let ended = world.wait_for_task(task).unwrap();
    assert_eq!(ended.status, "failed", "{ended:?}");
    let live = world.content(UNIT).unwrap();
    assert_eq!(live.difference(&before), [""; 0]);

    // A trap that is never walked into is told from one that has not sprung yet.
    scene.restore(Which::After).unwrap();
    world.trap(UNIT, &Trap::kill(Call::Rename, 99)).unwrap();
    scene.act(&["list-backups"]).unwrap();
    assert!(world.trapped(UNIT).unwrap().is_none());
    scene.finish().unwrap();
}
