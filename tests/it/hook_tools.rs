//! The simulated hook tools against the recordings of the real ones, byte for byte.
//!
//! `tests/golden/jujuc/README.md` says what a case holds. Each case runs as Juju 3.6 and as Juju 4.0.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use harness::juju::context::{Context, Flavour, Immediate};
use harness::juju::tools::{self, Outcome, REFUSED, TOOLS};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The tools that are recorded and not simulated, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    (
        "credential-get",
        "the charm never asks for cloud credentials",
    ),
    ("goal-state", "the charm waits for no unit"),
    ("juju-reboot", "senseless on Kubernetes"),
    (
        "leader-get",
        "gone in Juju 4.0, so the charm must not use it",
    ),
    (
        "leader-set",
        "gone in Juju 4.0, so the charm must not use it",
    ),
    ("network-get", "the charm tells nobody its address yet"),
    (
        "relation-model-get",
        "the charm does not relate across models yet",
    ),
    (
        "resource-get",
        "the image resource is used by Juju, not by the charm",
    ),
    ("secret-add", "the charm owns no secret"),
    ("secret-grant", "the charm owns no secret"),
    ("secret-ids", "the charm owns no secret"),
    ("secret-info-get", "the charm owns no secret"),
    ("secret-remove", "the charm owns no secret"),
    ("secret-revoke", "the charm owns no secret"),
    ("secret-set", "the charm owns no secret"),
    ("storage-add", "the charm has one volume"),
    ("unit-get", "deprecated, network-get is its successor"),
];

#[derive(Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Case {
    title: String,
    #[serde(default)]
    context: Map<String, Value>,
    #[serde(default)]
    before: Vec<Vec<String>>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    argv: Vec<String>,
    stdin: Option<String>,
    stdout: Option<String>,
    stdout_first_line: Option<String>,
    #[serde(default)]
    stderr: String,
    exit: u8,
    #[serde(default)]
    effect: Value,
    #[serde(default)]
    reads_stdin: bool,
    varies: Option<String>,
    #[serde(rename = "since-4.0")]
    since_4: Option<Map<String, Value>>,
}

impl Case {
    /// A case whose earlier calls need a tool that is not simulated.
    fn needs_left_out_tool(&self) -> bool {
        self.before
            .iter()
            .any(|argv| REFUSED.contains(&argv[0].as_str()))
    }
}

#[test]
fn every_recorded_invocation_is_reproduced() {
    let model = read_json(&golden().join("model.json"));
    let mut failures = Vec::new();
    let mut left_out = Vec::new();
    for tool in TOOLS {
        let cases = read_json(&golden().join(format!("{}.json", tool.name)));
        let cases = cases.as_array().unwrap();
        let (mut passed, mut run) = (0, 0);
        for raw in cases {
            for flavour in [Flavour::V3, Flavour::V4] {
                let Some(case) = for_flavour(raw, flavour) else {
                    continue;
                };
                if case.needs_left_out_tool() {
                    left_out.push(format!("{}: {}", tool.name, case.title));
                    continue;
                }
                run += 1;
                match check(tool.name, &case, &model, flavour) {
                    Ok(()) => passed += 1,
                    Err(report) => failures.push(format!(
                        "{} {flavour:?}: {}\n{report}",
                        tool.name, case.title
                    )),
                }
            }
        }
        println!(
            "{:25} {passed:3} of {run:3} runs of {:3} cases",
            tool.name,
            cases.len()
        );
    }
    for case in &left_out {
        println!("left out, needs a tool that is not simulated: {case}");
    }
    assert!(
        failures.is_empty(),
        "{} failures\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert_eq!(
        left_out.len(),
        10,
        "only the five cases of secret-get that begin with secret-add or secret-set"
    );
}

#[test]
fn every_tool_left_out_is_named_and_refused_loudly() {
    let mut recorded: BTreeSet<String> = fs::read_dir(golden())
        .unwrap()
        .filter_map(|entry| {
            entry
                .unwrap()
                .file_name()
                .into_string()
                .unwrap()
                .strip_suffix(".json")
                .map(str::to_owned)
        })
        .collect();
    recorded.remove("model");
    let simulated = TOOLS.iter().map(|tool| tool.name);
    let named: BTreeSet<String> = simulated
        .chain(LEFT_OUT.iter().map(|(tool, _)| *tool))
        .map(str::to_owned)
        .collect();
    assert_eq!(recorded, named);
    assert_eq!(
        LEFT_OUT.iter().map(|(tool, _)| *tool).collect::<Vec<_>>(),
        REFUSED
    );

    let mut context = Context::default();
    for (tool, reason) in LEFT_OUT {
        println!("left out: {tool}: {reason}");
        let outcome = tools::invoke(
            tool,
            &[],
            Path::new("/"),
            &mut || Ok(Vec::new()),
            &mut context,
        );
        assert_eq!(outcome.exit, 1);
        assert_eq!(
            outcome.stderr,
            format!("ERROR the simulated agent has no hook tool {tool:?}\n")
        );
    }
    assert_eq!(context.effects.refused, REFUSED);
}

/// The case as the given Juju answers it; `None` when the tool does not exist there.
fn for_flavour(raw: &Value, flavour: Flavour) -> Option<Case> {
    let mut case: Case = serde_json::from_value(expand(raw)).unwrap();
    let Some(newer) = case.since_4.take().filter(|_| flavour == Flavour::V4) else {
        return Some(case);
    };
    if newer.get("absent") == Some(&Value::Bool(true)) {
        return None;
    }
    let mut merged = expand(raw);
    merged.as_object_mut().unwrap().extend(newer);
    Some(serde_json::from_value(expand(&merged)).unwrap())
}

/// Runs one case and compares all that it fixes.
fn check(tool: &str, case: &Case, model: &Value, flavour: Flavour) -> Result<(), String> {
    let cwd = tempfile::tempdir().unwrap();
    for (name, text) in &case.files {
        fs::write(cwd.path().join(name), text).unwrap();
    }
    let mut facts = model.clone();
    facts.as_object_mut().unwrap().extend(case.context.clone());
    let mut context: Context = serde_json::from_value(facts).unwrap();
    context.flavour = flavour;
    for argv in &case.before {
        let outcome = tools::invoke(
            &argv[0],
            &argv[1..],
            cwd.path(),
            &mut || Ok(Vec::new()),
            &mut context,
        );
        assert_eq!(outcome.exit, 0, "{argv:?}");
    }
    let mut read = false;
    let mut stdin = || {
        read = true;
        Ok(case.stdin.clone().unwrap_or_default().into_bytes())
    };
    let place = cwd.path().to_str().unwrap();
    let argv: Vec<String> = case
        .argv
        .iter()
        .map(|arg| arg.replace("$CWD", place))
        .collect();
    let outcome = tools::invoke(tool, &argv, cwd.path(), &mut stdin, &mut context);

    let mut report = Vec::new();
    compare_output(case, &outcome, place, &mut report);
    if outcome.exit != case.exit {
        report.push(format!("exit {} instead of {}", outcome.exit, case.exit));
    }
    if read != case.reads_stdin {
        report.push(format!("stdin read: {read}"));
    }
    let effect = effect(&context, cwd.path(), case);
    if case.varies.as_deref() != Some("effect") && effect != case.effect {
        report.push(format!("effect   {effect}\nexpected {}", case.effect));
    }
    if report.is_empty() {
        Ok(())
    } else {
        Err(format!("argv {:?}\n{}\n", case.argv, report.join("\n")))
    }
}

fn compare_output(case: &Case, outcome: &Outcome, place: &str, report: &mut Vec<String>) {
    match (&case.stdout, &case.stdout_first_line) {
        (Some(stdout), _) if *stdout != outcome.stdout => {
            report.push(format!(
                "stdout   {:?}\nexpected {stdout:?}",
                outcome.stdout
            ));
        }
        (None, Some(line)) if outcome.stdout.lines().next() != Some(line) => {
            report.push(format!(
                "first line {:?}\nexpected   {line:?}",
                outcome.stdout
            ));
        }
        _ => {}
    }
    let stderr = case.stderr.replace("$CWD", place);
    if stderr != outcome.stderr {
        report.push(format!(
            "stderr   {:?}\nexpected {stderr:?}",
            outcome.stderr
        ));
    }
}

/// What the run brought about, in the shape of the recordings.
fn effect(context: &Context, cwd: &Path, case: &Case) -> Value {
    let effects = &context.effects;
    let mut effect = Map::new();
    let mut settings: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (side, bags) in [
        ("unit", &effects.unit_settings),
        ("application", &effects.application_settings),
    ] {
        for (id, bag) in bags {
            let relation = context
                .relations
                .iter()
                .find(|relation| relation.id == *id)
                .unwrap();
            settings
                .entry(relation.full_id())
                .or_default()
                .insert(side.to_owned(), json!(bag));
        }
    }
    if !settings.is_empty() {
        effect.insert("relation-settings".to_owned(), json!(settings));
    }
    if let Some(state) = &effects.state {
        effect.insert("state".to_owned(), json!(state));
    }
    for (name, ports) in [
        ("ports-to-open", &effects.ports_to_open),
        ("ports-to-close", &effects.ports_to_close),
    ] {
        if !ports.is_empty() {
            effect.insert(name.to_owned(), json!(ports));
        }
    }
    if !effects.results.is_empty() {
        effect.insert("action-results".to_owned(), json!(effects.results));
    }
    if let Some(message) = &effects.failure {
        effect.insert("action-failed".to_owned(), json!(true));
        effect.insert("action-message".to_owned(), json!(message));
    }
    immediate(&effects.immediate, &mut effect);
    let written: BTreeMap<String, String> = fs::read_dir(cwd)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read_to_string(entry.path()).unwrap(),
            )
        })
        .filter(|(name, _)| !case.files.contains_key(name))
        .collect();
    if !written.is_empty() {
        effect.insert("files".to_owned(), json!(written));
    }
    Value::Object(effect)
}

fn immediate(done: &[Immediate], effect: &mut Map<String, Value>) {
    let mut append = |name: &str, item: Value| match effect.entry(name).or_insert_with(|| json!([]))
    {
        Value::Array(list) => list.push(item),
        _ => unreachable!(),
    };
    for done in done {
        match done {
            Immediate::Progress(line) => append("action-log", json!(line)),
            Immediate::Log(line) => append("log", json!(line)),
            _ => {}
        }
    }
    for done in done {
        let (name, value) = match done {
            Immediate::UnitStatus(status) => ("unit-status", json!(status)),
            Immediate::ApplicationStatus(status) => ("application-status", json!(status)),
            Immediate::WorkloadVersion(version) => ("workload-version", json!(version)),
            Immediate::SecretRead {
                uri,
                label,
                peek,
                refresh,
            } => {
                let mut read = json!({"label": label, "peek": peek, "refresh": refresh});
                if let Some(uri) = uri {
                    read["uri"] = json!(uri);
                }
                ("secret-read", read)
            }
            Immediate::Progress(_) | Immediate::Log(_) => continue,
        };
        effect.insert(name.to_owned(), value);
    }
}

/// `<x*N>` stands for N times the character before the star, in keys too.
fn expand(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(expand_text(text)),
        Value::Array(list) => Value::Array(list.iter().map(expand).collect()),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| (expand_text(key), expand(value)))
                .collect(),
        ),
        value => value.clone(),
    }
}

fn expand_text(text: &str) -> String {
    static PATTERN: LazyLock<regex::Regex> =
        LazyLock::new(|| regex::Regex::new(r"<(.)\*(\d+)>").unwrap());
    PATTERN
        .replace_all(text, |found: &regex::Captures| {
            found[1].repeat(found[2].parse().unwrap())
        })
        .into_owned()
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/jujuc")
}

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}
