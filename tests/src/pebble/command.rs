//! The commands that ask a running daemon for something: `start`, `stop` and `restart`.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::environment;

/// Longer than any service of the suite takes to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks the daemon to do something with services, and waits until that is done.
pub(super) fn services(action: &str, names: &[&str]) -> Result<()> {
    let asked = json!({ "action": action, "services": names }).to_string();
    let begun = ask("POST", "/v1/services", &asked)?;
    let change = begun["change"]
        .as_str()
        .context("the daemon began nothing")?;
    let ended = ask("GET", &format!("/v1/changes/{change}/wait?timeout=55s"), "")?;
    let status = &ended["result"]["status"];
    ensure!(
        status == "Done",
        "{action} ended as {status}: {}",
        ended["result"]["err"]
    );
    Ok(())
}

fn ask(method: &str, path: &str, body: &str) -> Result<Value> {
    let socket = environment::variable("PEBBLE_SOCKET").map(PathBuf::from);
    let socket = socket.context("PEBBLE_SOCKET is not set")?;
    let mut stream = UnixStream::connect(&socket)
        .with_context(|| format!("no daemon at {}", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, document) = answer.split_once("\r\n\r\n").context("half an answer")?;
    let document: Value = serde_json::from_str(document).context("no JSON in the answer")?;
    ensure!(
        document["type"] != "error",
        "{}",
        document["result"]["message"]
    );
    Ok(document)
}
