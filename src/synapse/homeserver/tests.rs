#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use super::*;

/// Answers one connection after the other with these bytes, and gives the requests.
pub(in crate::synapse) fn serve(answers: Vec<Vec<u8>>) -> (Homeserver, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let homeserver = Homeserver::at(listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 16 * 1024];
            let mut length = 0;
            while !whole(&request[..length]) {
                let more = stream.read(&mut request[length..]).unwrap();
                assert!(more > 0, "the request ends in the middle");
                length += more;
            }
            requests.push(String::from_utf8_lossy(&request[..length]).into_owned());
            // A client that has seen enough may be gone.
            let _ = stream.write_all(&answer);
        }
        requests
    });
    (homeserver, server)
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

pub(in crate::synapse) fn answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

pub(in crate::synapse) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn health_version_and_name_are_asked_for() {
    let version = r#"{"server":{"name":"Synapse","version":"1.163.2"}}"#;
    let keys = r#"{"old_verify_keys":{},"server_name":"example.org","valid_until_ts":1}"#;
    let answers = [
        answer("200 OK", "OK"),
        answer("200 OK", version),
        answer("200 OK", keys),
    ];
    let (homeserver, server) = serve(answers.into());
    block_on(async {
        homeserver.health().await.unwrap();
        assert_eq!(homeserver.version().await.unwrap(), "1.163.2");
        assert_eq!(
            homeserver.served_server_name().await.unwrap().as_str(),
            "example.org"
        );
    });
    let paths: Vec<String> = server
        .join()
        .unwrap()
        .iter()
        .map(|request| request.lines().next().unwrap().to_owned())
        .collect();
    assert_eq!(
        paths,
        [
            "GET /health HTTP/1.1",
            "GET /_matrix/federation/v1/version HTTP/1.1",
            "GET /_matrix/key/v2/server HTTP/1.1"
        ]
    );
}

#[test]
fn a_server_that_does_not_run_is_told_so() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let homeserver = Homeserver::at(listener.local_addr().unwrap());
    drop(listener);
    let error = block_on(homeserver.health()).unwrap_err();
    assert!(matches!(error, ApiError::NotRunning { .. }), "{error}");
}

#[test]
fn a_server_that_never_answers_is_left_in_time() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let homeserver = Homeserver::at(listener.local_addr().unwrap());
    let limit = Duration::from_millis(100);
    let ask = homeserver.ask(Method::GET, "/health", Bytes::new(), limit);
    let error = block_on(ask).unwrap_err();
    insta::assert_snapshot!(error, @"synapse did not answer /health within 0.1 s");
}

#[test]
fn the_served_name_is_asked_for_with_a_limit_in_time() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let homeserver = Homeserver::at(listener.local_addr().unwrap());
    let error = block_on(homeserver.served_server_name()).unwrap_err();
    insta::assert_snapshot!(error, @"synapse did not answer /_matrix/key/v2/server within 3 s");
}

#[test]
fn a_served_name_that_is_none_is_malformed() {
    let answers = [
        r#"{"server_name":"a b"}"#,
        r#"{"server_name":""}"#,
        r#"{"old_verify_keys":{}}"#,
    ];
    let (homeserver, server) = serve(answers.map(|body| answer("200 OK", body)).into());
    for _ in answers {
        let error = block_on(homeserver.served_server_name()).unwrap_err();
        assert!(matches!(error, ApiError::Malformed { .. }), "{error}");
    }
    server.join().unwrap();
}

#[test]
fn bad_answers_are_errors_of_their_own() {
    let long = answer("200 OK", &"x".repeat(ANSWER_LIMIT + 1));
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".to_vec();
    let refusal = r#"{"errcode":"M_UNKNOWN","error":"Internal server error"}"#;
    let answers = vec![
        long,
        cut,
        answer("500 Internal Server Error", refusal),
        answer("502 Bad Gateway", "<html>"),
        answer("200 OK", "[]"),
    ];
    let (homeserver, server) = serve(answers);
    let tell = || block_on(homeserver.version()).unwrap_err();
    assert!(matches!(tell(), ApiError::Malformed { .. }));
    assert!(matches!(tell(), ApiError::Broken { .. }));
    insta::assert_snapshot!(tell(), @"synapse refused /_matrix/federation/v1/version with status 500 M_UNKNOWN: Internal server error");
    assert!(matches!(tell(), ApiError::Refused { status: 502, .. }));
    assert!(matches!(tell(), ApiError::Malformed { .. }));
    server.join().unwrap();
}
