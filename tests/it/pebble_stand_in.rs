//! The Pebble stand-in, held to the transcripts that were recorded from the real daemon.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use harness::pebble::{Daemon, Which};
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// The transcripts that the stand-in does not keep to, each with the reason. Each of them is shown to fail.
const LEFT_OUT: [(&str, &str); 1] = [(
    "exec-terminal",
    "the stand-in has no terminals: the charm never asks for one, as they are not fit for bytes",
)];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/pebble")
}

fn transcripts() -> Vec<String> {
    let files = std::fs::read_dir(golden())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let transcripts = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let mut names: Vec<String> = transcripts
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn check(names: &[String]) -> Output {
    let which = Which::stand_in().unwrap();
    let mut command = Command::new("python3");
    command.arg(golden().join("check")).arg("--keep-going");
    for name in names {
        command.args(["--only", name]);
    }
    command
        .arg("--")
        .arg(which.path())
        .args(["run", "--create-dirs", "--hold"]);
    command
        .output()
        .unwrap_or_else(|error| panic!("python3 is needed to play the transcripts: {error}"))
}

#[test]
fn stand_in_keeps_to_every_transcript_that_is_not_left_out() {
    let all = transcripts();
    for (name, reason) in LEFT_OUT {
        assert!(
            all.iter().any(|each| each == name),
            "there is no transcript {name}"
        );
        println!("left out {name}: {reason}");
    }
    let played: Vec<String> = all
        .into_iter()
        .filter(|name| LEFT_OUT.iter().all(|(left_out, _)| left_out != name))
        .collect();
    let output = check(&played);
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for name in &played {
        let fine = said.lines().any(|line| {
            let mut words = line.split_whitespace();
            matches!(words.next(), Some("passed" | "skipped")) && words.next() == Some(name)
        });
        assert!(fine, "the checker does not speak of {name}:\n{said}");
    }
}

#[test]
fn transcripts_that_are_left_out_do_fail() {
    for (name, _) in LEFT_OUT {
        let output = check(&[name.to_owned()]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{name} is kept to, so it need not be left out:\n{said}"
        );
        assert!(said.contains(&format!("failed  {name}")), "{said}");
    }
}

/// A stand-in with a control file for faults.
struct Faulty {
    daemon: Daemon,
    faults: PathBuf,
    _directory: tempfile::TempDir,
}

impl Faulty {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let faults = directory.path().join("faults.json");
        let named = [("PEBBLE_STAND_IN_FAULTS", faults.to_str().unwrap())];
        let daemon = Daemon::start_with(
            &Which::stand_in().unwrap(),
            directory.path().join("pebble"),
            &named,
        )
        .unwrap();
        Self {
            daemon,
            faults,
            _directory: directory,
        }
    }

    fn order(&self, faults: &Value) {
        std::fs::write(&self.faults, faults.to_string()).unwrap();
    }

    /// A request by HTTP/1.0, whose reply ends with the connection: its status and its body.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = UnixStream::connect(self.daemon.socket()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(15)))
            .unwrap();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nAccept: multipart/form-data\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        let reply = String::from_utf8_lossy(&reply).into_owned();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (
            head.split_whitespace().nth(1).unwrap().parse().unwrap(),
            body.to_owned(),
        )
    }

    /// Asks for an exec; its change and its task.
    fn exec(&self, command: &[&str]) -> (String, String) {
        let request = json!({"command": command, "working-dir": "/"}).to_string();
        let (status, body) = self.ask("POST", "/v1/exec", &request);
        assert_eq!(status, 202, "{body}");
        let reply: Value = serde_json::from_str(&body).unwrap();
        (
            reply["change"].as_str().unwrap().to_owned(),
            reply["result"]["task-id"].as_str().unwrap().to_owned(),
        )
    }

    async fn connect(
        &self,
        task: &str,
        name: &str,
    ) -> Result<WebSocketStream<tokio::net::UnixStream>, String> {
        let stream = tokio::net::UnixStream::connect(self.daemon.socket())
            .await
            .unwrap();
        let address = format!("ws://localhost/v1/tasks/{task}/websocket/{name}");
        let connected = tokio_tungstenite::client_async(address, stream).await;
        connected
            .map(|(socket, _)| socket)
            .map_err(|error| error.to_string())
    }

    fn wait(&self, change: &str) -> Value {
        let (_, body) = self.ask("GET", &format!("/v1/changes/{change}/wait?timeout=10s"), "");
        serde_json::from_str::<Value>(&body).unwrap()["result"].take()
    }

    /// Runs a command without input: its output, whether that was ended by a message, and its change.
    async fn run(&self, command: &[&str]) -> (Vec<u8>, bool, String) {
        let (change, task) = self.exec(command);
        let mut stdio = self.connect(&task, "stdio").await.unwrap();
        let (output, ended) = read(&mut stdio).await;
        (output, ended, change)
    }
}

/// Everything up to the message that ends a stream, or up to the end of the connection.
async fn read(socket: &mut WebSocketStream<tokio::net::UnixStream>) -> (Vec<u8>, bool) {
    let mut output = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(bytes) => output.extend_from_slice(&bytes),
            Message::Text(text) => {
                assert_eq!(text.as_str(), r#"{"command":"end"}"#);
                return (output, true);
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    (output, false)
}

#[tokio::test]
async fn stdout_breaks_off_after_exactly_so_many_bytes() {
    let faulty = Faulty::start();
    faulty.order(&json!({"drop-stdout-after": 70_001, "only-command": "head"}));
    let (output, ended, change) = faulty.run(&["head", "-c", "200000", "/dev/zero"]).await;
    assert_eq!((output.len(), ended), (70_001, false));
    assert_eq!(faulty.wait(&change)["status"], "Done");

    let (output, ended, _) = faulty.run(&["sh", "-c", "head -c 200000 /dev/zero"]).await;
    assert_eq!(
        (output.len(), ended),
        (200_000, true),
        "another command is spared"
    );
}

#[tokio::test]
async fn stdin_breaks_off_after_exactly_so_many_bytes_and_looks_like_a_good_end() {
    let faulty = Faulty::start();
    let kept = faulty.faults.with_file_name("kept");
    faulty.order(&json!({"drop-stdin-after": 5}));
    let (change, task) = faulty.exec(&["dd", "status=none", &format!("of={}", kept.display())]);
    let mut stdio = faulty.connect(&task, "stdio").await.unwrap();
    stdio
        .send(Message::binary(b"0123456789".to_vec()))
        .await
        .unwrap();
    assert!(!read(&mut stdio).await.1);
    let change = faulty.wait(&change);
    assert_eq!(change["tasks"][0]["data"]["exit-code"], 0);
    assert_eq!(std::fs::read(kept).unwrap(), b"01234");
}

#[tokio::test]
async fn exit_code_and_end_message_can_be_withheld() {
    let faulty = Faulty::start();
    faulty.order(&json!({"no-exit-code": true, "no-end": true}));
    let (change, task) = faulty.exec(&["echo", "x"]);
    let mut stdio = faulty.connect(&task, "stdio").await.unwrap();
    let change = faulty.wait(&change);
    assert_eq!(
        (&change["status"], &change["err"]),
        (&json!("Done"), &Value::Null)
    );
    assert_eq!(change["tasks"][0]["data"], Value::Null);
    assert_eq!(read(&mut stdio).await, (b"x\n".to_vec(), false));
}

#[tokio::test]
async fn daemon_crashes_amid_a_stream() {
    let mut faulty = Faulty::start();
    faulty.order(&json!({"crash-after-bytes": 100_000}));
    let (output, ended, _) = faulty.run(&["cat", "/dev/zero"]).await;
    assert_eq!((output.len(), ended), (100_000, false));
    let deadline = Instant::now() + Duration::from_secs(15);
    while faulty.daemon.is_running().unwrap() {
        assert!(Instant::now() < deadline, "the daemon has not crashed");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn handshake_is_answered_with_200_when_ordered() {
    let faulty = Faulty::start();
    faulty.order(&json!({"refuse-websocket": "control"}));
    let (_, task) = faulty.exec(&["cat"]);
    let error = faulty.connect(&task, "control").await.err();
    assert!(
        error.as_ref().is_some_and(|error| error.contains("200")),
        "{error:?}"
    );
    assert!(faulty.connect(&task, "stdio").await.is_ok());
}

#[test]
fn requests_are_delayed_and_file_reads_cut_when_ordered() {
    let faulty = Faulty::start();
    faulty.order(&json!({"delay-ms": 200, "cut-read-after": 7}));
    let begun = Instant::now();
    let (status, body) = faulty.ask(
        "GET",
        &format!("/v1/files?action=read&path={}", faulty.faults.display()),
        "",
    );
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(status, 200);
    assert!(body.ends_with(r#"{"cut-r"#), "{body}");
}

#[test]
fn daemon_is_found_started_and_swept_away_with_all_that_it_runs() {
    let which = Daemon::find().unwrap();
    println!("using the {which}");
    let directory = tempfile::tempdir().unwrap();
    let socket = {
        let daemon = Daemon::start(&which, directory.path()).unwrap();
        assert!(Path::new("/proc").join(daemon.pid().to_string()).exists());
        daemon.socket()
    };
    assert!(UnixStream::connect(&socket).is_err());
    let daemon = Daemon::start(&which, directory.path()).unwrap();
    assert!(
        UnixStream::connect(daemon.socket()).is_ok(),
        "a socket left lying is no trouble"
    );
    daemon.stop().unwrap();
}

#[test]
fn daemon_that_cannot_start_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let layers = directory.path().join("layers");
    std::fs::create_dir(&layers).unwrap();
    std::fs::write(layers.join("001-base.yaml"), "servers: {}\n").unwrap();
    let error = Daemon::start(&Which::stand_in().unwrap(), directory.path())
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("unknown section"), "{error}");
}
