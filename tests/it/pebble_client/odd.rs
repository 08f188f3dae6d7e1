//! What a daemon should not say.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use synapse_operator::pebble::{Exec, ExecError, PathErrorKind, PebbleError};
use tokio::io::AsyncReadExt;

use super::daemon::block_on;
use super::fake::{END, Fake, Reply};

const LIMIT: Duration = Duration::from_secs(5);

/// What a client may take in before it has had enough.
const ENOUGH: usize = 8 * 1024 * 1024;

const DONE: &str = r#"{"id":"7","kind":"exec","summary":"Execute command \"x\"","status":"Done","ready":true,
    "tasks":[{"id":"8","status":"Done","data":{"exit-code":0}}]}"#;

const FORGOTTEN: &str = r#"{"id":"7","kind":"exec","summary":"Execute command \"x\"","status":"Done","ready":true,
    "tasks":[{"id":"8","status":"Done"}]}"#;

const TOO_LATE: &str = r#"{"id":"7","kind":"exec","summary":"Execute command \"x\"","status":"Error","ready":true,
    "err":"timeout waiting for websocket connections","tasks":[{"id":"8","status":"Error","log":null}]}"#;

fn command() -> Exec {
    Exec::new(["x"])
}

/// An output of `out`, then what is given.
fn out(then: &[u8]) -> Vec<u8> {
    [b"\x82\x03out", then].concat()
}

#[test]
fn a_good_exec_of_the_fake_is_good() {
    block_on(async {
        let fake = Fake::with_exec(|| Reply::Socket(out(END), true), DONE);
        let output = fake.client().run(&command(), b"in", 10).await.unwrap();
        assert_eq!(output.stdout, b"out");
    });
}

#[test]
fn success_without_an_exit_code_is_none() {
    block_on(async {
        let fake = Fake::with_exec(|| Reply::Socket(out(END), true), FORGOTTEN);
        let error = fake.client().run(&command(), b"in", 10).await.unwrap_err();
        assert!(matches!(error, ExecError::Interrupted { .. }), "{error:?}");
    });
}

#[test]
fn success_without_an_end_marker_is_none() {
    block_on(async {
        let fake = Fake::with_exec(|| Reply::Socket(out(b""), false), DONE);
        let mut process = fake.client().exec(&command()).await.unwrap();
        let mut stdout = process.stdout.take().unwrap();
        let mut all = Vec::new();
        let error = stdout.read_to_end(&mut all).await.unwrap_err();
        assert_eq!(
            (error.kind(), &all[..]),
            (ErrorKind::UnexpectedEof, &b"out"[..])
        );
        let error = process.wait(LIMIT).await.unwrap_err();
        assert!(matches!(error, ExecError::Interrupted { .. }), "{error:?}");
    });
}

#[test]
fn broken_output_without_an_exit_code_means_a_restart() {
    block_on(async {
        let fake = Fake::with_exec(|| Reply::Socket(out(b""), false), FORGOTTEN);
        let error = fake.client().run(&command(), b"", 10).await.unwrap_err();
        assert!(
            matches!(error, ExecError::DaemonRestarted { .. }),
            "{error:?}"
        );
    });
}

#[test]
fn a_handshake_answered_with_200_is_refused() {
    block_on(async {
        let fake = Fake::with_exec(|| Reply::json(200, ""), DONE);
        let error = fake.client().exec(&command()).await.unwrap_err();
        let ExecError::Pebble(PebbleError::Protocol { detail, .. }) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(detail, "status 200 instead of 101");
    });
}

#[test]
fn a_refused_handshake_is_told_in_the_words_of_the_change() {
    block_on(async {
        let fake = Fake::with_exec(|| Reply::json(500, "x"), TOO_LATE);
        let error = fake.client().exec(&command()).await.unwrap_err();
        assert!(
            error.to_string().contains("timeout waiting for websocket"),
            "{error}"
        );
    });
}

#[test]
fn a_handshake_that_hangs_is_given_up() {
    block_on(async {
        let fake = Fake::with_exec(|| Reply::Silence, DONE);
        let begin = Instant::now();
        let error = fake.client().exec(&command()).await.unwrap_err();
        assert!(
            matches!(error, ExecError::Pebble(PebbleError::TimedOut { .. })),
            "{error:?}"
        );
        assert!(begin.elapsed() < Duration::from_secs(8));
    });
}

#[test]
fn a_handshake_with_endless_headers_is_given_up() {
    block_on(async {
        let flood = || {
            Reply::Endless(
                b"HTTP/1.1 101 X\r\n".to_vec(),
                b"X-Flood: water water water\r\n".repeat(100),
            )
        };
        let fake = Fake::with_exec(flood, DONE);
        fake.client().exec(&command()).await.unwrap_err();
        assert!(fake.sent() < ENOUGH);
    });
}

#[test]
fn a_message_too_large_to_hold_breaks_the_output() {
    block_on(async {
        // The frames say that 1 GiB follows: at once, or in fragments that never end.
        let whole = b"\x82\x7f\0\0\0\0\x40\0\0\0".to_vec();
        let fragment = [&b"\x00\x7e\xff\xff"[..], &[0; 0xffff]].concat();
        for (first, again) in [(whole, vec![0; 0x10000]), (b"\x02\x01a".to_vec(), fragment)] {
            let (first, again) = (std::sync::Arc::new(first), std::sync::Arc::new(again));
            let stdio = move || Reply::Socket([&first[..], &again.repeat(400)[..]].concat(), true);
            let fake = Fake::with_exec(stdio, DONE);
            let mut process = fake.client().exec(&command()).await.unwrap();
            let error = process.stdout.take().unwrap().chunk().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        }
    });
}

#[test]
fn an_answer_without_end_is_given_up() {
    block_on(async {
        let chunked = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunk = [b"10000\r\n", &[b' '; 0x10000][..], b"\r\n"].concat();
        let announced = b"HTTP/1.1 200 X\r\nContent-Length: 999999999999\r\n\r\n";
        for (first, again) in [
            (chunked.to_vec(), chunk),
            (announced.to_vec(), vec![b' '; 0x10000]),
        ] {
            let fake = Fake::start(move |_| Reply::Endless(first.clone(), again.clone()));
            let error = fake.client().system_info().await.unwrap_err();
            assert!(matches!(error, PebbleError::TooLong { .. }), "{error:?}");
            let error = fake.client().read("/file", 100).await.unwrap_err();
            assert!(
                matches!(error, PebbleError::TooLong { limit: 100, .. }),
                "{error:?}"
            );
            assert!(fake.sent() < ENOUGH, "{} bytes were taken", fake.sent());
        }
    });
}

#[test]
fn endless_headers_are_given_up() {
    block_on(async {
        for line in [
            "X-Flood: water water water\r\n".to_owned(),
            "w".repeat(10_000),
        ] {
            let again = line.repeat(100).into_bytes();
            let fake = Fake::start(move |_| {
                Reply::Endless(b"HTTP/1.1 200 X\r\nX-Long: ".to_vec(), again.clone())
            });
            let error = fake.client().system_info().await.unwrap_err();
            assert!(matches!(error, PebbleError::Protocol { .. }), "{error:?}");
            assert!(fake.sent() < ENOUGH, "{} bytes were taken", fake.sent());
        }
    });
}

/// What a read of `/file` answers, with `content` before the response part and `tail` at the end.
fn multipart(content: &str, result: &str, tail: &str) -> Reply {
    let body = format!(
        "--bb\r\n{content}Content-Disposition: form-data; name=\"response\"\r\n\r\n\
         {{\"type\":\"sync\",\"status-code\":200,\"result\":[{result}]}}{tail}"
    );
    let head = format!(
        "HTTP/1.1 200 X\r\nContent-Type: multipart/form-data; boundary=bb\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Reply::Raw((head + &body).into_bytes())
}

const FILE: &str =
    "Content-Disposition: form-data; name=\"files\"; filename=\"/file\"\r\n\r\nhalf\r\n--bb\r\n";
const GOOD: &str = r#"{"path":"/file"}"#;
const MIDWAY: &str =
    r#"{"path":"/file","error":{"kind":"generic-file-error","message":"input/output error"}}"#;
const FINAL: &str = "\r\n--bb--\r\n";

#[test]
fn a_file_is_trusted_only_when_the_response_says_so() {
    block_on(async {
        let read = async |script: fn() -> Reply| {
            let fake = Fake::start(move |_| script());
            fake.client().read("/file", 100).await
        };
        assert_eq!(
            read(|| multipart(FILE, GOOD, FINAL)).await.unwrap(),
            Some(b"half".to_vec())
        );

        let error = read(|| multipart(FILE, MIDWAY, FINAL)).await.unwrap_err();
        assert!(
            matches!(
                error,
                PebbleError::Path {
                    kind: PathErrorKind::Other,
                    ..
                }
            ),
            "{error:?}"
        );

        let wrong: [fn() -> Reply; 6] = [
            || multipart(FILE, GOOD, ""),
            || multipart(FILE, GOOD, "\r\n--bb\r\n"),
            || multipart("", GOOD, FINAL),
            || multipart(FILE, "", FINAL),
            || multipart(FILE, r#"{"path":"/other"}"#, FINAL),
            || multipart(&FILE.replace("/file", "/other"), GOOD, FINAL),
        ];
        for script in wrong {
            let error = read(script).await.unwrap_err();
            assert!(matches!(error, PebbleError::Protocol { .. }), "{error:?}");
        }

        let cut = || match multipart(FILE, GOOD, FINAL) {
            Reply::Raw(bytes) => Reply::Raw(bytes[..bytes.len() - 3].to_vec()),
            other => other,
        };
        let error = read(cut).await.unwrap_err();
        assert!(matches!(error, PebbleError::Broken { .. }), "{error:?}");
    });
}

#[test]
fn an_answer_for_another_path_is_no_success() {
    block_on(async {
        for result in ["[]", "null", r#"[{"path":"/other"}]"#] {
            let fake = Fake::start(move |_| Reply::ok(result));
            let error = fake.client().remove("/file", false).await.unwrap_err();
            assert!(matches!(error, PebbleError::Protocol { .. }), "{error:?}");
        }
    });
}

#[test]
fn a_wait_swallows_what_means_not_yet() {
    block_on(async {
        let asked = AtomicUsize::new(0);
        let fake = Fake::start(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Reply::json(
                504,
                r#"{"type":"error","status-code":504,"result":{"message":"timed out"}}"#,
            ),
            1 => Reply::Raw(Vec::new()),
            _ => Reply::ok(DONE),
        });
        assert!(fake.client().wait("7", LIMIT).await.unwrap().ready);
    });
}

#[test]
fn what_is_wrong_with_an_answer_is_told_without_its_content() {
    block_on(async {
        let fake = Fake::start(|_| Reply::ok(r#"{"version":["secret"],"boot-id":"x"}"#));
        let error = fake.client().system_info().await.unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        let fake = Fake::start(|_| Reply::ok(r#""services:\n  a:\n    environment: secret\n""#));
        let error = fake.client().plan().await.unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        let fake = Fake::start(|_| Reply::json(500, "<html>oh"));
        let error = fake.client().system_info().await.unwrap_err();
        assert!(
            matches!(
                error,
                PebbleError::Api {
                    code: 500,
                    kind: None,
                    ..
                }
            ),
            "{error:?}"
        );
    });
}
