//! A Pebble of its own, whose commands send bytes over the websocket of an exec.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use synapse_operator::pebble::{Client, Exec};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A daemon that runs, and a client of it.
pub struct Workload {
    daemon: Child,
    _room: TempDir,
    client: Client,
    runtime: Runtime,
}

impl Workload {
    /// Starts the Pebble that `PEBBLE_BIN` names, or the one on PATH.
    pub fn start() -> Result<Self> {
        let program = std::env::var_os("PEBBLE_BIN").map_or_else(|| "pebble".into(), PathBuf::from);
        let room = tempfile::tempdir()?;
        let daemon = Command::new(program)
            .args(["run", "--create-dirs", "--hold"])
            .env("PEBBLE", room.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("failed to start Pebble: install it, or name one by PEBBLE_BIN")?;
        let socket = room.path().join(".pebble.socket");
        let workload = Self {
            daemon,
            client: Client::new(&socket),
            _room: room,
            runtime: Builder::new_current_thread().enable_all().build()?,
        };
        await_socket(&socket)?;
        Ok(workload)
    }

    /// Receives so many bytes from a command's output.
    pub fn receive(&self, bytes: u64) -> Result<u64> {
        self.runtime.block_on(async {
            let exec = Exec::new([
                "head".to_owned(),
                "-c".to_owned(),
                bytes.to_string(),
                "/dev/zero".to_owned(),
            ]);
            let mut process = self.client.exec(&exec).await?;
            let mut output = process.stdout.take().context("no output")?;
            let mut received = 0;
            while let Some(chunk) = output.chunk().await? {
                received += chunk.len() as u64;
            }
            process.wait(LIMIT).await?;
            Ok(received)
        })
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn await_socket(socket: &Path) -> Result<()> {
    let begun = Instant::now();
    while std::os::unix::net::UnixStream::connect(socket).is_err() {
        if begun.elapsed() > LIMIT {
            bail!("Pebble does not answer");
        }
        std::thread::yield_now();
    }
    Ok(())
}
