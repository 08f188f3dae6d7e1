//! S3Proxy over a directory.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::daemon::{Daemon, free_addresses, status};
use super::running::{Keys, Running};
use crate::parts;

/// How long it may take to answer: Java takes its time on a busy machine.
const START: Duration = Duration::from_secs(60);

/// Starts it and waits until it answers.
pub(super) fn start() -> Result<Running> {
    let version = parts::version("s3proxy")?;
    let archive = parts::directory().join(format!("s3proxy-{version}.jar"));
    if !archive.is_file() {
        bail!("S3Proxy is missing: run `make parts-contract`");
    }
    let java = parts::machine_program("java", "default-jre-headless")?;
    let directory = tempfile::tempdir().context("no temporary directory")?;
    let [address] = free_addresses()?;
    let objects = directory.path().join("objects");
    fs::create_dir(&objects)?;
    let Keys { access, secret } = Keys::ours();
    let properties = directory.path().join("s3proxy.conf");
    let text = format!(
        "s3proxy.endpoint=http://{address}\n\
         s3proxy.authorization=aws-v2-or-v4\n\
         s3proxy.identity={access}\n\
         s3proxy.credential={secret}\n\
         jclouds.provider=filesystem-nio2\n\
         jclouds.filesystem.basedir={}\n",
        objects.display()
    );
    fs::write(&properties, text)?;
    let mut command = Command::new(java);
    command
        .arg("-Xmx512m")
        .arg("-jar")
        .arg(archive)
        .arg("--properties")
        .arg(&properties)
        .current_dir(directory.path());
    let mut daemon = Daemon::start("S3Proxy", &mut command, &directory.path().join("log"))?;
    daemon.wait(START, || status(address, "/").is_some())?;
    Ok(Running::plain(
        address,
        vec![Box::new(daemon), Box::new(directory)],
    ))
}
