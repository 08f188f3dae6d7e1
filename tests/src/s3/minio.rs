//! MinIO over a directory.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::certificates::Certificate;
use super::daemon::{Daemon, free_addresses, listens, status};
use super::running::{Keys, Running, part};

/// How long it may take to answer.
const START: Duration = Duration::from_secs(60);

/// Starts it and waits until it answers; it speaks TLS by itself.
pub(super) fn start(certificate: Option<&Certificate>) -> Result<Running> {
    let program = part("minio")?;
    let directory = tempfile::tempdir().context("no temporary directory")?;
    let [address] = free_addresses()?;
    let certificates = directory.path().join("certificates");
    fs::create_dir(&certificates)?;
    if let Some(certificate) = certificate {
        fs::write(certificates.join("public.crt"), &certificate.certificate)?;
        fs::write(certificates.join("private.key"), &certificate.key)?;
    }
    let Keys { access, secret } = Keys::ours();
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", directory.path())
        .env("MINIO_ROOT_USER", access)
        .env("MINIO_ROOT_PASSWORD", secret)
        .env("MINIO_BROWSER", "off")
        .env("MINIO_UPDATE", "off")
        .args(["server", "--quiet", "--address", &address.to_string()])
        .arg("--certs-dir")
        .arg(&certificates)
        .arg(directory.path().join("data"));
    let mut daemon = Daemon::start("MinIO", &mut command, &directory.path().join("log"))?;
    daemon.wait(START, || match certificate {
        // It listens before it is ready, and over TLS that is hard to ask: the first bucket tells.
        Some(_) => listens(address),
        None => status(address, "/minio/health/ready") == Some(200),
    })?;
    let mut running = Running::plain(address, vec![Box::new(daemon), Box::new(directory)]);
    running.tls = certificate.is_some();
    Ok(running)
}
