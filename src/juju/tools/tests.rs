#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::super::{RelationId, Status};
use super::*;

/// A directory of tools that note how they were called and answer what a test has prepared.
pub(in crate::juju) struct Bench {
    directory: TempDir,
}

/// Notes each call in `calls` and the last one's stdin and environment, then answers from `<tool>.out`, `.err`, `.exit`.
const TOOL: &str = r#"#!/bin/sh
here=${0%/*}; name=${0##*/}
env > "$here/environment"
[ "$name" = relation-set ] && cat > "$here/stdin"
{ printf '%s' "$name"; for word; do printf ' [%s]' "$word"; done; printf '\n'; } >> "$here/calls"
[ -f "$here/$name.sh" ] && . "$here/$name.sh"
[ -f "$here/$name.err" ] && cat "$here/$name.err" >&2
[ -f "$here/$name.out" ] && cat "$here/$name.out"
[ -f "$here/$name.exit" ] && exit "$(cat "$here/$name.exit")"
exit 0
"#;

impl Bench {
    pub(in crate::juju) fn new(tools: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        for tool in tools {
            write_program(&directory.path().join(tool), TOOL);
        }
        Self { directory }
    }

    pub(in crate::juju) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(in crate::juju) fn tools(&self) -> Tools {
        Tools::new(ToolEnvironment {
            path: format!("{}:/usr/bin:/bin", self.path().display()),
            variables: BTreeMap::from([(
                "JUJU_CONTEXT_ID".to_owned(),
                "synapse/0-install-01".to_owned(),
            )]),
        })
    }

    pub(in crate::juju) fn answer(&self, tool: &str, stdout: &str, stderr: &str, exit: i32) {
        let write = |end: &str, text: &str| {
            fs::write(self.path().join(format!("{tool}.{end}")), text).unwrap()
        };
        write("out", stdout);
        write("err", stderr);
        write("exit", &exit.to_string());
    }

    /// What a tool does before it answers.
    pub(in crate::juju) fn script(&self, tool: &str, script: &str) {
        fs::write(self.path().join(format!("{tool}.sh")), script).unwrap();
    }

    pub(in crate::juju) fn calls(&self) -> String {
        fs::read_to_string(self.path().join("calls")).unwrap_or_default()
    }
}

/// Writes a program by way of a shell: were the file ever open for writing in this process, a child that another test
/// is just starting would hold it open too, and the program could not be run ("text file busy").
#[expect(
    clippy::disallowed_methods,
    reason = "a test prepares its own programs"
)]
fn write_program(path: &Path, text: &str) {
    let mut shell = std::process::Command::new("/bin/sh")
        .args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    io::Write::write_all(&mut shell.stdin.take().unwrap(), text.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
}

fn relation() -> RelationId {
    RelationId::parse("backup:7").unwrap()
}

/// One thread, as the product has it.
pub(in crate::juju) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn every_tool_is_called_as_the_recordings_show() {
    let names = [
        "config-get",
        "is-leader",
        "status-set",
        "application-version-set",
        "juju-log",
        "open-port",
        "opened-ports",
        "storage-list",
        "storage-get",
        "secret-get",
        "relation-ids",
        "relation-list",
        "relation-get",
        "relation-set",
        "action-get",
        "action-set",
        "action-fail",
        "action-log",
    ];
    let bench = Bench::new(&names);
    bench.answer("config-get", "{\"port\":8008}\n", "", 0);
    bench.answer("is-leader", "true\n", "", 0);
    bench.answer("opened-ports", "[\"8008/tcp\"]\n", "", 0);
    bench.answer("storage-list", "[\"data/0\"]\n", "", 0);
    bench.answer("storage-get", "\"/data\"\n", "", 0);
    bench.answer("secret-get", "{\"access-key\":\"AK\"}\n", "", 0);
    bench.answer("relation-ids", "[\"backup:7\"]\n", "", 0);
    bench.answer("relation-get", "{\"secret-key\":\"a\\u003cb\"}\n", "", 0);
    bench.answer("action-get", "{\"backup-id\":\"b\"}\n", "", 0);
    let tools = bench.tools();
    block_on(async {
        assert_eq!(tools.config_get().await.unwrap().whole("port"), Some(8008));
        assert!(tools.is_leader().await.unwrap());
        tools
            .status_set(&Status::blocked("-x\nis bad"))
            .await
            .unwrap();
        tools.application_version_set("1.163.2").await.unwrap();
        tools
            .juju_log(LogLevel::Warning, "--two\nlines")
            .await
            .unwrap();
        tools.open_port(8008).await.unwrap();
        assert_eq!(tools.opened_ports().await.unwrap(), ["8008/tcp"]);
        assert_eq!(tools.storage_list("data").await.unwrap(), ["data/0"]);
        assert_eq!(
            tools.storage_location("data/0").await.unwrap(),
            Path::new("/data")
        );
        let secret = tools
            .secret_get("secret:9m4e2mr0ui3e8a215n5g")
            .await
            .unwrap();
        assert_eq!(secret["access-key"].expose_secret(), "AK");
        assert_eq!(tools.relation_ids("backup").await.unwrap(), [relation()]);
        bench.answer("relation-list", "[\"s3-integrator/0\"]\n", "", 0);
        assert_eq!(
            tools.relation_list(&relation()).await.unwrap(),
            ["s3-integrator/0"]
        );
        bench.answer("relation-list", "\"s3-integrator\"\n", "", 0);
        let app = tools.relation_app(&relation()).await.unwrap().unwrap();
        let bag = tools.relation_get(&relation(), &app).await.unwrap();
        assert_eq!(bag.get("secret-key"), Some("a<b"));
        let settings = BTreeMap::from([("bucket".to_owned(), "relation-7\u{85}".to_owned())]);
        tools
            .relation_set_app(&relation(), &settings)
            .await
            .unwrap();
        assert_eq!(tools.action_get().await.unwrap()["backup-id"], "b");
        let results = BTreeMap::from([
            ("a.b".to_owned(), "1".to_owned()),
            ("result".to_owned(), "-x=y".to_owned()),
        ]);
        tools.action_set(&results).await.unwrap();
        tools.action_set(&BTreeMap::new()).await.unwrap();
        tools.action_log("-half").await.unwrap();
        tools.action_fail("it broke").await.unwrap();
    });
    insta::assert_snapshot!(bench.calls(), @r"
    config-get [--format=json]
    is-leader [--format=json]
    status-set [--] [blocked] [-x is bad]
    application-version-set [--] [1.163.2]
    juju-log [--log-level] [WARNING] [--] [--two
    lines]
    open-port [--] [8008/tcp]
    opened-ports [--format=json]
    storage-list [--format=json] [--] [data]
    storage-get [-s] [data/0] [--format=json] [--] [location]
    secret-get [--refresh] [--format=json] [--] [secret:9m4e2mr0ui3e8a215n5g]
    relation-ids [--format=json] [--] [backup]
    relation-list [-r] [backup:7] [--format=json]
    relation-list [-r] [backup:7] [--app] [--format=json]
    relation-get [-r] [backup:7] [--app] [--format=json] [--] [-] [s3-integrator]
    relation-set [-r] [backup:7] [--app] [--file] [-]
    action-get [--format=json]
    action-set [--] [a.b=1] [result=-x=y]
    action-log [--] [-half]
    action-fail [--] [it broke]
    ");
    let stdin = fs::read_to_string(bench.path().join("stdin")).unwrap();
    assert_eq!(stdin, r#"{"bucket":"relation-7\u0085"}"#);
}

#[test]
fn tools_get_the_named_variables_and_no_others() {
    let bench = Bench::new(&["action-log"]);
    block_on(bench.tools().action_log("x")).unwrap();
    let environment = fs::read_to_string(bench.path().join("environment")).unwrap();
    let names = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name);
    // The shell that these tools are written in adds a few of its own.
    let mut names: Vec<_> = names
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["JUJU_CONTEXT_ID", "PATH"]);
}

#[test]
fn exit_codes_are_told_apart() {
    let bench = Bench::new(&["relation-get"]);
    let ask = || block_on(bench.tools().relation_get(&relation(), "x")).unwrap_err();
    bench.answer("relation-get", "", "ERROR permission denied\n", 1);
    insta::assert_snapshot!(ask(), @"hook tool relation-get failed: permission denied");
    bench.answer(
        "relation-get",
        "",
        "ERROR invalid value \"backup:7\" for option -r: relation not found\n",
        2,
    );
    let error = ask();
    assert!(matches!(error, ToolError::Refused { .. }));
    insta::assert_snapshot!(error, @r#"hook tool relation-get refused its arguments: invalid value "backup:7" for option -r: relation not found"#);
    bench.answer("relation-get", "", "", 7);
    insta::assert_snapshot!(ask(), @"hook tool relation-get ended with exit status: 7: ");
    bench.script("relation-get", "kill -KILL $$");
    insta::assert_snapshot!(ask(), @"hook tool relation-get ended with signal: 9 (SIGKILL): ");
}

#[test]
fn a_malformed_answer_is_an_error_that_does_not_repeat_it() {
    let bench = Bench::new(&["relation-get"]);
    bench.answer("relation-get", "{\"secret-key\":[\"hunter2\"]}", "", 0);
    let error = block_on(bench.tools().relation_get(&relation(), "x")).unwrap_err();
    assert!(matches!(error, ToolError::Malformed { .. }));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn a_tool_that_hangs_is_killed() {
    let bench = Bench::new(&["is-leader"]);
    bench.script("is-leader", "echo $$ > \"$here/pid\"; exec sleep 600");
    let tools = bench.tools().with_time_limit(Duration::from_millis(500));
    let pid = block_on(async {
        let error = tools.is_leader().await.unwrap_err();
        insta::assert_snapshot!(error, @"hook tool is-leader did not answer within 0.5 s");
        fs::read_to_string(bench.path().join("pid")).unwrap()
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    let state = || fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    while state().is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(
            Instant::now() < deadline,
            "the tool still runs: {:?}",
            state()
        );
        std::thread::yield_now();
    }
}

#[test]
fn a_tool_that_does_not_read_its_input_is_no_trouble() {
    let bench = Bench::new(&["relation-set"]);
    // Closes its input before anything can be read from it.
    write_program(
        &bench.path().join("relation-set"),
        "#!/bin/sh\nexec 0<&-\nexit 0\n",
    );
    let settings = BTreeMap::from([("k".to_owned(), "v".repeat(1024 * 1024))]);
    block_on(bench.tools().relation_set_app(&relation(), &settings)).unwrap();
}

#[test]
fn a_tool_that_prints_without_end_is_stopped() {
    let bench = Bench::new(&["is-leader"]);
    bench.script("is-leader", "exec cat /dev/zero");
    let error = block_on(bench.tools().is_leader()).unwrap_err();
    assert!(matches!(error, ToolError::TooLong { .. }), "{error}");
}

#[test]
fn a_missing_tool_is_named_with_where_it_was_looked_for() {
    let tools = Tools::new(ToolEnvironment {
        path: "/nowhere".to_owned(),
        variables: BTreeMap::new(),
    });
    let error = block_on(tools.is_leader()).unwrap_err();
    insta::assert_snapshot!(error, @r#"hook tool is-leader is in none of "/nowhere""#);
}

#[test]
fn results_at_the_limit_pass_and_longer_ones_are_refused() {
    let bench = Bench::new(&["action-set"]);
    let set = |bytes: usize| {
        let results = BTreeMap::from([("a".to_owned(), "x".repeat(bytes))]);
        block_on(bench.tools().action_set(&results))
    };
    set(ARGUMENT_LIMIT - 2).unwrap();
    let error = set(ARGUMENT_LIMIT - 1).unwrap_err();
    insta::assert_snapshot!(error, @"action result a is 131072 bytes long, and only 131071 can be handed over");
}

#[test]
fn many_results_go_in_several_calls() {
    let bench = Bench::new(&["action-set"]);
    let results = (0..10)
        .map(|n| (format!("k{n}"), "x".repeat(60_000)))
        .collect();
    block_on(bench.tools().action_set(&results)).unwrap();
    let calls = bench.calls();
    assert_eq!(calls.lines().count(), 3);
    assert!((0..10).all(|n| calls.contains(&format!("[k{n}=x"))));
}

#[test]
fn messages_are_cut_to_what_one_argument_takes() {
    let bench = Bench::new(&["juju-log"]);
    block_on(
        bench
            .tools()
            .juju_log(LogLevel::Info, &"ü\0".repeat(100_000)),
    )
    .unwrap();
    let calls = bench.calls();
    assert!(calls.trim_end().ends_with("…]"));
    assert!(calls.len() > ARGUMENT_LIMIT - 8);
}

#[test]
fn result_keys_are_held_to_jujus_rule() {
    for good in [
        "a",
        "a.b",
        "5-o-0",
        "a--b",
        "backups.backup-20260102030405000001",
        "user-password",
        "2025",
    ] {
        assert!(is_result_key(good), "{good}");
    }
    let bad = [
        "",
        "x_y",
        "X",
        "aB",
        "-a",
        "a-",
        "a.",
        "a..b",
        ".a",
        "a b",
        " a",
        "ä",
        "a/b",
        "a:b",
        "20260102T030405Z",
        "stdout",
        "a.stderr",
        "stdout-encoding",
        "return-code",
    ];
    for bad in bad {
        assert!(!is_result_key(bad), "{bad}");
    }
}
