//! Actions: parameters, progress, results, and what becomes of a task that nobody waits for.

use std::fs;
use std::path::Path;

use harness::juju::charm::Charm;
use harness::juju::context::Flavour;
use serde_json::{Value, json};

use super::world::{World, wait_for};

#[test]
fn juju_run_shows_progress_and_results_as_juju_does() {
    let world = World::new(
        "case $JUJU_DISPATCH_PATH in
         actions/create-backup) action-log 'phase one'; action-set result=correct backup.size=12 ;;
         actions/restore-backup) action-set error-code=unknown; action-fail \"no backup $(action-get backup-id)\" ;;
         esac",
    );
    world.deploy();
    let output = world
        .command("run synapse/leader create-backup")
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "backup:\n  size: \"12\"\nresult: correct\n\n"
    );
    let told = String::from_utf8(output.stderr).unwrap();
    let (head, progress) = told.split_once("Waiting for task 2...\n").unwrap();
    assert_eq!(
        head,
        "Running operation 1 with 1 task\n  - task 2 on unit-synapse-0\n\n"
    );
    assert!(
        regex::Regex::new(r"^\d\d:\d\d:\d\d phase one\n\n$")
            .unwrap()
            .is_match(progress),
        "{progress:?}"
    );

    let answer: Value = serde_json::from_str(
        &world.juju("run synapse/0 restore-backup backup-id=b-1 --format json"),
    )
    .unwrap();
    let task = &answer["synapse/0"];
    assert_eq!(task["status"], "failed");
    assert_eq!(task["message"], "no backup b-1");
    assert_eq!(
        task["results"],
        json!({"error-code": "unknown", "return-code": 0})
    );
    let shown = world.juju(&format!("show-task {}", task["id"].as_str().unwrap()));
    assert_eq!(
        shown,
        "Action id 4 failed: no backup b-1\nerror-code: unknown\n\n"
    );
}

#[test]
fn behaviour_8_parameters_are_checked_before_the_charm_is_woken() {
    let world = World::new("[ -z \"$JUJU_ACTION_NAME\" ] || action-get --format=json > ../params");
    world.deploy();
    world.woken("synapse-0");
    let refused = [
        (
            "run synapse/0 restore-backup",
            "\"backup-id\" property is missing and required, given {}",
        ),
        (
            "run synapse/0 restore-backup backup-id=20260102030405",
            "must be of type string, given 20260102030405",
        ),
        (
            "run synapse/0 restore-backup backup-id=x nope=1",
            "additional property \"nope\" is not allowed",
        ),
        (
            "run synapse/0 create-backup x=y",
            "additional property \"x\" is not allowed",
        ),
        (
            "run synapse/0 make-coffee",
            "action \"make-coffee\" not defined on unit \"synapse/0\"",
        ),
    ];
    for (line, complaint) in refused {
        let (code, text) = world.fails(line);
        assert_eq!(code, 1, "{text}");
        assert!(
            text.contains("failed to schedule any tasks:") && text.contains(complaint),
            "{text}"
        );
    }
    assert!(world.woken("synapse-0").is_empty());
    world.juju("run synapse/0 restore-backup backup-id=20260102030405 --string-args");
    let params = fs::read_to_string(world.agent_dir("synapse-0").join("params")).unwrap();
    assert_eq!(
        params,
        "{\"backup-id\":\"20260102030405\",\"dry-run\":false}\n"
    );
}

#[test]
fn behaviour_8_parameters_are_checked_as_recorded() {
    let cases = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/action-parameters.json"),
    )
    .unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("metadata.yaml"), "name: a\n").unwrap();
    for case in &cases {
        fs::write(
            dir.path().join("actions.yaml"),
            case["actions.yaml"].as_str().unwrap(),
        )
        .unwrap();
        let charm = Charm::read(dir.path()).unwrap();
        for flavour in [Flavour::V3, Flavour::V4] {
            let expected = match case.get("since-4.0") {
                Some(newer) if flavour == Flavour::V4 => newer,
                _ => &case["result"],
            };
            let answer = charm.actions["a"].check(case["params"].as_object().unwrap(), flavour);
            match (answer, expected["params-error"].as_str()) {
                (Ok(params), None) => {
                    let floats = |value: &Value| harness::juju::value::Value::from(value).json();
                    assert_eq!(
                        floats(&json!(params)),
                        floats(&expected["params-after-defaults"]),
                        "{}",
                        case["title"]
                    );
                }
                (Err(error), Some(text)) => {
                    // Several complaints come in no fixed order.
                    let sorted = |text: &str| {
                        let bare = text.strip_prefix("validation failed: ").unwrap().to_owned();
                        let mut parts: Vec<String> = bare.split("; ").map(str::to_owned).collect();
                        parts.sort();
                        parts
                    };
                    assert_eq!(
                        sorted(&error.to_string()),
                        sorted(text),
                        "{}",
                        case["title"]
                    );
                }
                (answer, expected) => {
                    panic!("{}: {answer:?}, expected {expected:?}", case["title"])
                }
            }
        }
    }
    assert_eq!(cases.len(), 55);
}

#[test]
fn behaviour_6_a_task_goes_on_when_nobody_waits_and_ends_when_it_is_cancelled() {
    let world = World::new(
        "case $JUJU_DISPATCH_PATH in
         actions/*) action-set step=1; action-log working; while [ ! -e ../stop ]; do :; done ;;
         esac",
    );
    world.deploy();
    let (code, text) = world.fails("run synapse/0 create-backup --wait 1ms");
    assert_eq!(code, 1);
    assert!(
        text.ends_with("ERROR timed out waiting for results from: unit synapse/0\n"),
        "{text}"
    );
    wait_for("the task to be at work", || {
        world.juju("show-task 2 --format json").contains("working")
    });
    let status = world.status();
    assert_eq!(
        status["applications"]["synapse"]["units"]["synapse/0"]["juju-status"]["current"],
        "executing"
    );
    world.juju("run synapse/0 create-backup --background");
    world.juju("cancel-task 4");
    world.juju("cancel-task 2");
    let shown = |id: u64| -> Value {
        serde_json::from_str(&world.juju(&format!("show-task {id} --wait 20s --format json")))
            .unwrap()
    };
    assert_eq!(shown(2)["status"], "aborted");
    assert_eq!(
        shown(2)["results"],
        json!({"step": "1", "return-code": -1}),
        "results are kept"
    );
    assert_eq!(shown(4)["status"], "cancelled", "it was never started");
}

#[test]
fn behaviour_6_an_agent_that_died_leaves_a_task_that_is_closed_without_results() {
    let world = World::new("action-set a=1; true");
    world.deploy();
    world.juju("run synapse/0 create-backup");
    let path = world.model().join("tasks/2.json");
    let mut task: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    task["status"] = json!("running");
    fs::write(&path, task.to_string()).unwrap();
    world.juju("lever hook synapse/0 update-status");
    assert_eq!(
        world.juju("show-task 2"),
        "Action id 2 failed: action terminated\n\n"
    );
}
