//! One try of a check: a web server asked, a port connected to, a command run.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Uri;
use hyper_util::rt::TokioIo;
use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::unix::pipe;

use super::layer::{Check, ExecCheck, HttpCheck, TcpCheck};
use super::process::{Program, Streams, sentence};
use super::{environment, words};

/// How much of a command's or a server's words are looked at.
const WORDS: usize = 512;
/// How long the output is listened to after the command's end, while somebody else holds it.
const HOLD: Duration = Duration::from_secs(1);
/// How many lines of them are told.
const LINES: usize = 5;

/// Makes a check once; the error says why it failed, with what was said.
pub(crate) async fn probe(check: &Check) -> Result<(), String> {
    let timeout = check.rhythm().timeout;
    let attempt = async {
        match (&check.http, &check.tcp, &check.exec) {
            (Some(http), _, _) => ask(http).await,
            (None, Some(tcp), _) => connect(tcp).await,
            (None, None, Some(exec)) => run(exec).await,
            (None, None, None) => Ok(()),
        }
    };
    match tokio::time::timeout(timeout.as_duration(), attempt).await {
        Ok(result) => result,
        Err(_) => Err(format!("check timed out after {timeout}")),
    }
}

async fn dial(host: &str, port: u16) -> Result<TcpStream, String> {
    let refused =
        |error: io::Error| format!("dial tcp {host}:{port}: connect: {}", sentence(&error));
    TcpStream::connect((host, port)).await.map_err(refused)
}

async fn connect(check: &TcpCheck) -> Result<(), String> {
    let host = check.host.as_deref().unwrap_or("localhost");
    dial(host, check.port.unwrap_or_default()).await.map(drop)
}

async fn ask(check: &HttpCheck) -> Result<(), String> {
    let url = check.url.as_deref().unwrap_or_default();
    let wrong = |why: String| format!("Get {url:?}: {why}");
    let uri: Uri = url.parse().map_err(|error| wrong(format!("{error}")))?;
    if uri.scheme_str() != Some("http") {
        return Err(wrong(
            "the stand-in's checks speak plain HTTP only".to_owned(),
        ));
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let stream = dial(host, uri.port_u16().unwrap_or(80))
        .await
        .map_err(wrong)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| wrong(error.to_string()))?;
    let connection = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let mut request = hyper::Request::get(path)
        .header("Host", authority)
        .header("User-Agent", "Go-http-client/1.1");
    for (name, value) in &check.headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| wrong(error.to_string()))?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| wrong(error.to_string()))?;
    let status = answer.status();
    if status.is_success() {
        connection.abort();
        return Ok(());
    }
    let mut body = answer.into_body();
    let mut said = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        said.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if said.len() >= WORDS {
            break;
        }
    }
    connection.abort();
    said.truncate(WORDS);
    let said = String::from_utf8_lossy(&said).into_owned();
    let first: Vec<&str> = said.trim().lines().take(LINES).collect();
    Err(with_words(
        format!("non-2xx status code {}", status.as_u16()),
        &first,
    ))
}

async fn run(check: &ExecCheck) -> Result<(), String> {
    let arguments = words::split(check.command.as_deref().unwrap_or_default())?;
    let mut variables: BTreeMap<String, String> = environment::own();
    variables.extend(check.environment.clone());
    let program = Program {
        arguments,
        environment: variables,
        directory: check.working_dir.as_ref().map(PathBuf::from),
        owner: check.whom().resolve()?,
        session: false,
    };
    let cannot = |error: io::Error| sentence(&error);
    let (output, stdout) = io::pipe().map_err(cannot)?;
    let stderr = stdout.try_clone().map_err(cannot)?;
    let mut output = pipe::Receiver::from_owned_fd(output.into()).map_err(cannot)?;
    let process = program.start(Streams {
        stdin: None,
        stdout,
        stderr,
    })?;
    let leash = Leash(&process);
    let mut said = Vec::new();
    let (mut waiting, mut waiting_too) = (process.clone(), process.clone());
    let mut buffer = [0; WORDS];
    let hear = async {
        while let Ok(count @ 1..) = output.read(&mut buffer).await {
            said.extend_from_slice(&buffer[..count]);
            said.drain(..said.len().saturating_sub(WORDS));
        }
    };
    let end = async {
        let code = waiting.ended().await;
        tokio::time::sleep(HOLD).await;
        code
    };
    // Cancel safe: what was read is kept, and the process's end is remembered.
    let code = tokio::select! {
        () = hear => waiting_too.ended().await,
        code = end => code,
    };
    drop(leash);
    if code == 0 {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said).into_owned();
    let lines: Vec<&str> = said.trim_end().lines().collect();
    Err(with_words(
        format!("exit status {code}"),
        &lines[lines.len().saturating_sub(LINES)..],
    ))
}

/// Kills a check's process when the check is given up.
struct Leash<'a>(&'a super::process::Process);

impl Drop for Leash<'_> {
    fn drop(&mut self) {
        let _ended = self.0.signal(Signal::KILL);
    }
}

fn with_words(error: String, lines: &[&str]) -> String {
    if lines.is_empty() {
        error
    } else {
        format!("{error}; {}", lines.join("\n"))
    }
}
