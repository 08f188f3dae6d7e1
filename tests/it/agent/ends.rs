//! The ends of runs: what lands, what is lost, and what is said about it.

use std::fs;
use std::time::Duration;

use harness::juju::agent::{Order, Verdict};
use harness::juju::context::Immediate;
use harness::juju::launcher::Ending;
use serde_json::json;

use super::house::{House, Notes, action, hook};

const MANY_EFFECTS: &str = "
relation-set -r backup:7 --app bucket=relation-7
state-set phase=done
open-port 8008
status-set active ready
application-version-set 1.0
juju-log -- -noted-
";

#[test]
fn behaviour_4_exit_0_lands_everything_in_one_step() {
    let house = House::new(MANY_EFFECTS);
    let mut notes = Notes::default();
    let report = house.run(hook("config-changed"), &mut notes);
    assert_eq!(
        report.verdict,
        Verdict::Completed,
        "{}",
        String::from_utf8_lossy(&report.stderr)
    );
    let [effects] = &notes.committed[..] else {
        panic!("{:?}", notes.committed)
    };
    assert_eq!(effects.application_settings[&7]["bucket"], "relation-7");
    assert_eq!(effects.state.as_ref().unwrap()["phase"], "done");
    assert_eq!(effects.ports_to_open.len(), 1);
}

#[test]
fn behaviour_4_another_exit_discards_it_but_keeps_statuses_and_logs() {
    let house = House::new(&format!("{MANY_EFFECTS}\nexit 3"));
    let mut notes = Notes::default();
    let report = house.run(hook("config-changed"), &mut notes);
    assert_eq!(report.verdict, Verdict::Failed);
    assert_eq!(report.message, "hook failed: \"config-changed\"");
    assert!(notes.committed.is_empty());
    assert_eq!(notes.logged("INFO"), ["-noted-"]);
    let statuses = notes
        .immediate
        .iter()
        .filter(|effect| matches!(effect, Immediate::UnitStatus(_)));
    assert_eq!(statuses.count(), 1);
    assert!(
        notes
            .immediate
            .contains(&Immediate::WorkloadVersion("1.0".to_owned()))
    );
}

#[test]
fn behaviour_5_a_flush_that_fails_fails_the_run_after_its_exit_0() {
    let house = House::new("true");
    let refuse = || Notes {
        refuse: Some("lost leadership".to_owned()),
        ..Notes::default()
    };
    let report = house.run(hook("start"), &mut refuse());
    assert_eq!(
        (report.verdict, report.ending),
        (Verdict::Failed, Some(Ending::Exit(0)))
    );

    let report = house.run(action(json!({})), &mut refuse());
    assert_eq!(report.verdict, Verdict::Failed);
    assert_eq!(report.message, "committing requested changes failed");
    assert_eq!(report.results["stderr"], "lost leadership");

    house.write_dispatch("action-fail mine");
    assert_eq!(house.run(action(json!({})), &mut refuse()).message, "mine");
}

#[test]
fn behaviour_6_a_cancelled_action_is_killed_at_once_and_keeps_its_results() {
    let house = House::new(
        "trap 'echo trapped > trapped' TERM; state-set phase=half; action-set step=1; action-log halfway
         while true; do action-set step=2; done",
    );
    let mut notes = Notes {
        on_progress: Some(("halfway", Order::Cancel)),
        ..Notes::default()
    };
    let report = house.run(action(json!({})), &mut notes);
    assert_eq!(
        (report.verdict, report.ending),
        (Verdict::Aborted, Some(Ending::Signal(9)))
    );
    assert_eq!(report.message, "terminated");
    assert!(matches!(report.results["step"].as_str(), Some("1" | "2")));
    assert_eq!(report.results["return-code"], -1);
    assert!(notes.committed.is_empty());
    assert_eq!(house.wrote("trapped"), "", "there is no warning");

    house.write_dispatch("true");
    assert_eq!(
        house.simply(action(json!({}))).verdict,
        Verdict::Completed,
        "the next one runs"
    );
}

#[test]
fn behaviour_6_a_hook_that_is_killed_is_no_error_and_is_run_again() {
    for signal in ["KILL", "TERM"] {
        let house = House::new(&format!("kill -{signal} $$"));
        let report = house.simply(hook("config-changed"));
        assert_eq!(
            (report.verdict, report.message.as_str()),
            (Verdict::Requeued, "")
        );
    }
    let house = House::new("kill -KILL $$");
    let report = house.simply(action(json!({})));
    assert_eq!(
        (report.verdict, report.message.as_str()),
        (Verdict::Failed, "terminated")
    );
}

#[test]
fn behaviour_7_termination_reaches_the_whole_group_and_is_enforced_after_the_grace() {
    // The tool waits for standard input, so that it is there when the signal comes.
    let house =
        House::new("action-log ready; relation-set -r 7 --file - < wait; echo $? > code; exit 7");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        house.charm().join("wait"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    // Opened for both, so that the tool's end of the pipe opens and nothing comes.
    let _keep = fs::File::options()
        .read(true)
        .write(true)
        .open(house.charm().join("wait"))
        .unwrap();
    let order = Order::Terminate {
        grace: Duration::from_secs(30),
    };
    let mut notes = Notes {
        on_progress: Some(("ready", order)),
        ..Notes::default()
    };
    let report = house.run(action(json!({})), &mut notes);
    assert_eq!(report.ending, Some(Ending::Signal(15)));
    assert_eq!(
        (report.verdict, report.message.as_str()),
        (Verdict::Failed, "terminated")
    );

    let house = House::new("trap '' TERM; action-log ready; while true; do :; done");
    let grace = Duration::from_millis(200);
    let order = Order::Terminate { grace };
    let mut notes = Notes {
        on_progress: Some(("ready", order)),
        ..Notes::default()
    };
    let report = house.run(action(json!({})), &mut notes);
    assert_eq!(report.ending, Some(Ending::Signal(9)));
    assert!(report.took >= grace);
}
