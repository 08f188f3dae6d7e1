//! The simulated unit agent against the behaviours that `docs` of Juju and its source promise.
//!
//! The charm is a small shell script here. Behaviours 10 to 16 of the list (reads that are refused, the
//! broken relation, secrets, escapes, flags, `--file -`) are the hook tools' and are shown by the
//! recordings in `hook_tools`; those that concern the model (parameters, storage, churn) by `juju_cli`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use harness::juju::agent::{Agent, Desk, Order, Report, Verdict};
use harness::juju::context::{Context, Effects, Flavour, Immediate, Relation, Run, Storage};
use harness::juju::environment::ModelFacts;
use harness::juju::launcher::{Bare, Ending};
use harness::juju::unit::UnitName;
use serde_json::json;

/// A unit on the bare machine whose charm is a shell script.
struct House {
    dir: tempfile::TempDir,
    unit: UnitName,
}

impl House {
    fn new(script: &str) -> Self {
        let house = House {
            dir: tempfile::tempdir().unwrap(),
            unit: UnitName::new("synapse", 0),
        };
        fs::create_dir_all(house.charm()).unwrap();
        fs::write(house.charm().join("metadata.yaml"), "name: synapse\n").unwrap();
        house.write_dispatch(script);
        house
    }

    fn write_dispatch(&self, script: &str) {
        let dispatch = self.charm().join("dispatch");
        fs::write(&dispatch, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&dispatch, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn data(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    fn charm(&self) -> PathBuf {
        self.unit.charm_dir(self.dir.path())
    }

    fn run(&self, context: Context, desk: &mut Notes) -> Report {
        let launcher = Bare::new(self.dir.path(), &self.unit);
        let jujuc = Path::new(env!("CARGO_BIN_EXE_jujuc"));
        let agent =
            Agent::install(self.unit.clone(), ModelFacts::default(), &launcher, jujuc).unwrap();
        agent.run(context, desk).unwrap()
    }

    /// Runs and forgets what was noted.
    fn simply(&self, context: Context) -> Report {
        self.run(context, &mut Notes::default())
    }

    /// What the script wrote into its charm directory.
    fn wrote(&self, name: &str) -> String {
        fs::read_to_string(self.charm().join(name)).unwrap_or_default()
    }
}

/// A model that takes everything down.
#[derive(Default)]
struct Notes {
    immediate: Vec<Immediate>,
    committed: Vec<Effects>,
    refuse: Option<String>,
    /// The order to give once this line of progress was seen.
    on_progress: Option<(&'static str, Order)>,
    due: Option<Order>,
}

impl Desk for Notes {
    fn immediate(&mut self, effect: &Immediate) {
        if let (Immediate::Progress(line), Some((awaited, order))) = (effect, self.on_progress)
            && line == awaited
        {
            self.due = Some(order);
        }
        self.immediate.push(effect.clone());
    }

    fn order(&mut self) -> Option<Order> {
        self.due.take()
    }

    fn commit(&mut self, _: &Run, effects: &Effects) -> Result<(), String> {
        match &self.refuse {
            Some(text) => Err(text.clone()),
            None => {
                self.committed.push(effects.clone());
                Ok(())
            }
        }
    }
}

impl Notes {
    fn logged(&self, level: &str) -> Vec<&str> {
        let lines = self.immediate.iter().filter_map(|effect| match effect {
            Immediate::Log(line) if line.level == level => Some(line.message.as_str()),
            _ => None,
        });
        lines.collect()
    }
}

fn context(run: Run) -> Context {
    let bag = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let backup = Relation {
        id: 7,
        endpoint: "backup".to_owned(),
        remote_app: "s3-integrator".to_owned(),
        remote_units: vec!["s3-integrator/0".to_owned()],
        bags: BTreeMap::from([("s3-integrator".to_owned(), bag("bucket", "backups"))]),
        ..Relation::default()
    };
    let data = Storage {
        id: "data/0".to_owned(),
        kind: "filesystem".to_owned(),
        location: "/data".to_owned(),
    };
    Context {
        unit: "synapse/0".to_owned(),
        leader: true,
        run,
        config: BTreeMap::from([("server_name".to_owned(), json!("example.org"))]),
        relations: vec![backup],
        storage: vec![data],
        ..Context::default()
    }
}

fn hook(name: &str) -> Context {
    context(Run::Hook {
        name: name.to_owned(),
    })
}

fn action(params: serde_json::Value) -> Context {
    let params = params.as_object().unwrap().clone();
    context(Run::Action {
        name: "create-backup".to_owned(),
        params,
        task: 2,
    })
}

/// The variables of a run's environment, as the script's `env` shows them.
fn environment(context: Context) -> (House, BTreeMap<String, String>) {
    let house = House::new("env > seen; pwd > cwd; cat > stdin; id -u > uid");
    assert_eq!(house.simply(context).verdict, Verdict::Completed);
    let seen = house.wrote("seen");
    // The shell's own additions.
    let own = ["PWD", "OLDPWD", "SHLVL", "_"];
    let variables = seen
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| !own.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let variables = variables.collect();
    (house, variables)
}

/// What every run gets.
const COMMON: &[&str] = &[
    "APT_LISTCHANGES_FRONTEND",
    "CHARM_DIR",
    "CLOUD_API_VERSION",
    "DEBIAN_FRONTEND",
    "JUJU_AGENT_SOCKET_ADDRESS",
    "JUJU_AGENT_SOCKET_NETWORK",
    "JUJU_API_ADDRESSES",
    "JUJU_AVAILABILITY_ZONE",
    "JUJU_CHARM_DIR",
    "JUJU_CHARM_FTP_PROXY",
    "JUJU_CHARM_HTTPS_PROXY",
    "JUJU_CHARM_HTTP_PROXY",
    "JUJU_CHARM_NO_PROXY",
    "JUJU_CONTEXT_ID",
    "JUJU_DISPATCH_PATH",
    "JUJU_HOOK_NAME",
    "JUJU_MACHINE_ID",
    "JUJU_MODEL_NAME",
    "JUJU_MODEL_UUID",
    "JUJU_PRINCIPAL_UNIT",
    "JUJU_SLA",
    "JUJU_UNIT_NAME",
    "JUJU_VERSION",
    "KUBERNETES_PORT",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "KUBERNETES_SERVICE_PORT_HTTPS",
    "LANG",
    "PATH",
    "TERM",
];

#[test]
fn behaviour_1_the_environment_is_made_afresh() {
    let (house, variables) = environment(hook("config-changed"));
    assert_eq!(
        variables.keys().collect::<Vec<_>>(),
        COMMON,
        "no HOME, no USER, nothing of ours"
    );
    assert_eq!(variables["JUJU_DISPATCH_PATH"], "hooks/config-changed");
    assert_eq!(variables["JUJU_HOOK_NAME"], "config-changed");
    assert!(variables["JUJU_CONTEXT_ID"].starts_with("synapse/0-config-changed-"));
    assert!(variables["PATH"].starts_with(house.unit.tools_dir(&house.data()).to_str().unwrap()));
    assert!(variables["PATH"].ends_with(":/charm/bin"));
    let charm = fs::canonicalize(house.charm()).unwrap();
    assert_eq!(fs::canonicalize(house.wrote("cwd").trim()).unwrap(), charm);
    assert_eq!(house.wrote("stdin"), "");
    assert_eq!(
        house.wrote("uid").trim(),
        rustix::process::getuid().as_raw().to_string()
    );
}

#[test]
fn behaviour_1_each_kind_of_run_gets_its_own_variables() {
    let extra = |context: Context| -> BTreeMap<String, String> {
        let (_, variables) = environment(context);
        variables
            .into_iter()
            .filter(|(name, _)| !COMMON.contains(&name.as_str()))
            .collect()
    };
    let expect = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let changed = |unit: &str| Run::Relation {
        name: "backup-relation-changed".to_owned(),
        relation: 7,
        remote_app: "s3-integrator".to_owned(),
        remote_unit: unit.to_owned(),
        departing_unit: String::new(),
    };
    assert_eq!(
        extra(context(changed(""))),
        expect(&[
            ("JUJU_RELATION", "backup"),
            ("JUJU_RELATION_ID", "backup:7"),
            ("JUJU_REMOTE_APP", "s3-integrator"),
            ("JUJU_REMOTE_UNIT", ""),
        ]),
    );
    assert_eq!(
        extra(context(changed("s3-integrator/0")))["JUJU_REMOTE_UNIT"],
        "s3-integrator/0"
    );
    assert_eq!(
        extra(context(Run::Storage {
            name: "data-storage-attached".to_owned(),
            storage: "data/0".to_owned()
        })),
        expect(&[
            ("JUJU_STORAGE_ID", "data/0"),
            ("JUJU_STORAGE_KIND", "filesystem"),
            ("JUJU_STORAGE_LOCATION", "/data"),
        ]),
    );
    let ready = Run::Workload {
        name: "synapse-pebble-ready".to_owned(),
        workload: "synapse".to_owned(),
        notice: None,
        check: None,
    };
    assert_eq!(
        extra(context(ready)),
        expect(&[("JUJU_WORKLOAD_NAME", "synapse")])
    );
    let (_, variables) = environment(action(json!({})));
    assert_eq!(variables["JUJU_ACTION_NAME"], "create-backup");
    assert_eq!(variables["JUJU_ACTION_UUID"], "2");
    assert_eq!(variables["JUJU_ACTION_TAG"], "action-2");
    assert_eq!(variables["JUJU_HOOK_NAME"], "", "set, but empty");
    assert_eq!(variables["JUJU_DISPATCH_PATH"], "actions/create-backup");
}

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
    let (sender, begun) = mpsc::channel();
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
    sender: mpsc::Sender<&'static str>,
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
