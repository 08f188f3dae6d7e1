//! The simulated unit agent against the behaviours that Juju's documents and source promise.
//!
//! The charm is a small shell script here. Behaviours 10 to 16 of the list (reads that are refused, the
//! broken relation, secrets, escapes, flags, `--file -`) are the hook tools' and are shown by the
//! recordings in `hook_tools`; those that concern the model (parameters, storage, churn) by `juju_cli`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ends;
mod environment;
mod house;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use harness::juju::agent::{Agent, Desk, Order, Verdict};
use harness::juju::context::{Context, Effects, Flavour, Immediate, Run};
use harness::juju::environment::ModelFacts;
use harness::juju::launcher::Bare;
use serde_json::json;

use environment::{COMMON, environment};
use house::{House, Notes, action, hook};

#[test]
fn behaviour_2_a_charm_that_cannot_be_started_fails_the_run() {
    let house = House::new("true");
    let dispatch = house.charm().join("dispatch");
    fs::set_permissions(&dispatch, fs::Permissions::from_mode(0o644)).unwrap();
    let mut notes = Notes::default();
    let report = house.run(hook("install"), &mut notes);
    assert_eq!((report.verdict, report.ending), (Verdict::Failed, None));
    assert_eq!(report.message, "hook failed: \"install\"");
    assert!(notes.logged("ERROR")[0].ends_with("permission denied"));

    fs::remove_file(house.charm().join("metadata.yaml")).unwrap();
    assert_eq!(
        house.simply(action(json!({}))).message,
        "charm missing from disk"
    );
}

#[test]
fn behaviour_3_hook_tools_work_only_inside_their_run() {
    let house = House::new(
        "env | grep ^JUJU_ > variables; JUJU_CONTEXT_ID=other config-get || echo $? > code",
    );
    let report = house.simply(hook("start"));
    assert_eq!(house.wrote("code"), "1\n");
    assert!(
        String::from_utf8(report.stderr)
            .unwrap()
            .starts_with("ERROR bad request: ")
    );

    // The same with what the run had, after the run.
    let variables = house.wrote("variables");
    let late = Command::new(house.unit.tools_dir(&house.data()).join("config-get"))
        .env_clear()
        .envs(variables.lines().filter_map(|line| line.split_once('=')))
        .output()
        .unwrap();
    assert_eq!(late.status.code(), Some(1));
    let bare = Command::new(house.unit.tools_dir(&house.data()).join("config-get"))
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(bare.stderr, b"ERROR JUJU_CONTEXT_ID not set\n");
}

#[test]
fn behaviour_9_results_are_a_tree_of_texts_with_code_and_output() {
    let house = House::new(
        "action-set a.b=1 a.c=2 return-code=x; action-set Bad=1; action-get backup-id; echo oops >&2; exit 4",
    );
    let mut notes = Notes::default();
    let report = house.run(action(json!({"backup-id": "b-1"})), &mut notes);
    let key = "ERROR key \"Bad\" must start and end with lowercase alphanumeric, \
               and contain only lowercase alphanumeric and hyphens\n";
    let results = json!({
        "a": {"b": "1", "c": "2"},
        "return-code": 4,
        "stdout": "b-1\n",
        "stderr": format!("{key}oops\n"),
    });
    assert_eq!(serde_json::Value::Object(report.results), results);
    assert_eq!(
        (report.verdict, report.message.as_str()),
        (Verdict::Failed, "exit status 4")
    );
    assert_eq!(notes.logged("DEBUG"), ["b-1"]);
    assert_eq!(notes.logged("WARNING").len(), 2);

    house.write_dispatch("action-fail 'no bucket'; state-set k=v");
    let report = house.run(action(json!({})), &mut notes);
    assert_eq!(
        (report.verdict, report.message.as_str()),
        (Verdict::Failed, "no bucket")
    );
    assert_eq!(
        serde_json::Value::Object(report.results),
        json!({"return-code": 0}),
        "nothing was printed"
    );
    assert_eq!(notes.committed.len(), 1, "action-fail and exit 0 do flush");

    house.write_dispatch("printf '\\377'");
    let report = house.simply(action(json!({})));
    assert_eq!(report.results["stdout"], "/w==");
    assert_eq!(report.results["stdout-encoding"], "base64");
}

#[test]
fn behaviour_15_standard_input_is_read_on_demand_only() {
    let house = House::new(
        "echo '{\"bucket\": \" exact \"}' | relation-set -r 7 --file -
         yes | head -c 1000000 | config-get server_name",
    );
    let mut notes = Notes::default();
    let report = house.run(hook("start"), &mut notes);
    assert_eq!(report.verdict, Verdict::Completed);
    assert_eq!(String::from_utf8(report.stdout).unwrap(), "example.org\n");
    assert_eq!(notes.committed[0].unit_settings[&7]["bucket"], " exact ");
}

#[test]
fn behaviour_19_a_unit_runs_one_thing_at_a_time_and_two_units_run_at_once() {
    let script = "mkdir busy || exit 9; action-log begun; read line < go; rmdir busy";
    let fifo = |house: &House| {
        let path = house.charm().join("go");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        fs::File::options()
            .read(true)
            .write(true)
            .open(path)
            .unwrap()
    };
    let (first, second) = (House::new(script), House::new(script));
    let (mut go_first, mut go_second) = (fifo(&first), fifo(&second));
    let (sender, begun) = mpsc::sync_channel(8);
    let run = |house: &House, name: &'static str| {
        let mut desk = Signals {
            sender: sender.clone(),
            name,
        };
        let launcher = Bare::new(house.dir.path(), &house.unit);
        let jujuc = Path::new(env!("CARGO_BIN_EXE_jujuc"));
        let agent =
            Agent::install(house.unit.clone(), ModelFacts::default(), &launcher, jujuc).unwrap();
        agent.run(action(json!({})), &mut desk).unwrap().verdict
    };
    thread::scope(|scope| {
        let runs = [
            scope.spawn(|| run(&first, "first")),
            scope.spawn(|| run(&first, "first")),
            scope.spawn(|| run(&second, "second")),
        ];
        let limit = Duration::from_secs(20);
        let mut seen = [
            begun.recv_timeout(limit).unwrap(),
            begun.recv_timeout(limit).unwrap(),
        ];
        seen.sort();
        assert_eq!(seen, ["first", "second"], "both units are at work");
        assert!(
            begun.try_recv().is_err(),
            "the second run of the first unit waits"
        );
        use std::io::Write as _;
        go_second.write_all(b"\n").unwrap();
        go_first.write_all(b"\n").unwrap();
        assert_eq!(begun.recv_timeout(limit).unwrap(), "first");
        go_first.write_all(b"\n").unwrap();
        for run in runs {
            assert_eq!(run.join().unwrap(), Verdict::Completed);
        }
    });
}

/// Tells when a run has begun.
struct Signals {
    sender: mpsc::SyncSender<&'static str>,
    name: &'static str,
}

impl Desk for Signals {
    fn immediate(&mut self, effect: &Immediate) {
        if *effect == Immediate::Progress("begun".to_owned()) {
            self.sender.send(self.name).unwrap();
        }
    }

    fn order(&mut self) -> Option<Order> {
        None
    }

    fn commit(&mut self, _: &Run, _: &Effects) -> Result<(), String> {
        Ok(())
    }
}

#[test]
fn behaviour_20_unknown_hooks_are_run_and_juju_4_tells_less() {
    let house = House::new("[ \"$JUJU_HOOK_NAME\" = never-heard-of ]");
    assert_eq!(
        house.simply(hook("never-heard-of")).verdict,
        Verdict::Completed
    );

    let newer = Context {
        flavour: Flavour::V4,
        ..hook("start")
    };
    let (_, variables) = environment(newer);
    let without_sla: Vec<&&str> = COMMON.iter().filter(|name| **name != "JUJU_SLA").collect();
    assert_eq!(variables.keys().collect::<Vec<_>>(), without_sla);
    assert_eq!(variables["JUJU_VERSION"], "4.0.15");
}

#[test]
fn a_tool_that_is_not_simulated_fails_loudly_and_is_reported() {
    let house = House::new("goal-state || true");
    let report = house.simply(hook("start"));
    assert_eq!(report.refused, ["goal-state"]);
    assert_eq!(
        String::from_utf8(report.stderr).unwrap(),
        "ERROR the simulated agent has no hook tool \"goal-state\"\n"
    );
}

#[test]
fn a_grandchild_that_keeps_the_pipes_open_does_not_hold_up_the_end() {
    let house = House::new("sleep 60 & echo $! > child; echo done");
    let started = Instant::now();
    let report = house.simply(hook("start"));
    assert!(started.elapsed() < Duration::from_secs(30));
    assert_eq!(report.stdout, b"done\n");
    let child = house
        .wrote("child")
        .trim()
        .parse()
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .unwrap();
    rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn the_real_program_answers_as_the_recordings_say() {
    let house = House::new(
        "config-get --format=json; config-get nope; relation-ids backup --format=json
         relation-get -r 9 - x/0; echo \"exit $?\"; status-set -- blocked -x; is-leader
         storage-get -s data/0 location; config-get server_name -o out",
    );
    let report = house.simply(hook("start"));
    assert_eq!(
        String::from_utf8(report.stdout).unwrap(),
        "{\"server_name\":\"example.org\"}\n[\"backup:7\"]\nexit 2\nTrue\n/data\n"
    );
    assert_eq!(
        String::from_utf8(report.stderr).unwrap(),
        "ERROR invalid value \"9\" for option -r: relation not found\n"
    );
    assert_eq!(house.wrote("out"), "example.org\n");
}
