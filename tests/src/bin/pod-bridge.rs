//! Started by a pod; see `harness::pod::Bridge`.
//!
//! `pod-bridge PORT WORKLOAD [KEEPER]` carries connections into the workload's network namespace, in which it runs.
//! `pod-bridge outward PORT SOCKET WORKLOAD` carries connections out of it, to a socket with a path.
//! `pod-bridge lend POD WORDS...` goes on as these words, with the workload's port on the machine's own loopback.

use anyhow::{Context, Result};
use harness::pod::{Bridge, Outward, Pod};

const USAGE: &str = "usage: pod-bridge PORT WORKLOAD [KEEPER] | outward PORT SOCKET WORKLOAD | guest PORT WORKLOAD GUEST | lend POD WORDS...";

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["lend", pod, words @ ..] => Err(Pod::lend(pod.as_ref(), words)),
        ["guest", port, workload, guest] => {
            bridge(port, workload)?.with_guest(number(guest)?).run()
        }
        ["outward", port, socket, workload] => Outward {
            port: u16::try_from(number(port)?).context("a port is expected")?,
            socket: socket.into(),
            workload: number(workload)?,
        }
        .run(),
        [port, workload] => bridge(port, workload)?.run(),
        [port, workload, keeper] => bridge(port, workload)?.with_keeper(number(keeper)?).run(),
        _ => anyhow::bail!(USAGE),
    }
}

fn bridge(port: &str, workload: &str) -> Result<Bridge> {
    let port = u16::try_from(number(port)?).context("a port is expected")?;
    Ok(Bridge::to(port, number(workload)?))
}

fn number(word: &str) -> Result<i32> {
    word.parse().with_context(|| format!("{word} is no number"))
}
