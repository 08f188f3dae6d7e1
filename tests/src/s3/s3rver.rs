//! s3rver: a store that says 200 and has other bytes.
//!
//! It keeps the framing of a body that comes in chunks as if it were content, keeps the half of an upload whose line was
//! cut as an object, and checks no signature and no checksum.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::daemon::{Daemon, free_addresses, status};
use super::running::{Keys, Running};
use crate::parts;

/// How long it may take to answer.
const START: Duration = Duration::from_secs(60);
/// The only keys that it knows, and the bucket it begins with.
const KEY: &str = "S3RVER";

impl Running {
    /// Starts s3rver with a bucket of this name.
    pub fn s3rver(bucket: &str) -> Result<Self> {
        let program = parts::directory().join("s3rver/node_modules/.bin/s3rver");
        if !program.exists() {
            bail!("s3rver is missing: run `make parts-contract`");
        }
        let directory = tempfile::tempdir().context("no temporary directory")?;
        let [address] = free_addresses()?;
        let objects = directory.path().join("objects");
        fs::create_dir_all(objects.join(bucket))?;
        let mut command = Command::new(program);
        command
            // It makes its tokens of continued lists with a cipher that Node.js has put aside.
            .env("NODE_OPTIONS", "--openssl-legacy-provider")
            .args([
                "--address",
                "127.0.0.1",
                "--port",
                &address.port().to_string(),
            ])
            .args(["--no-vhost-buckets", "--silent", "--directory"])
            .arg(&objects);
        let log = directory.path().join("log");
        let mut daemon = Daemon::start("s3rver", &mut command, &log)?;
        daemon.wait(START, || status(address, "/").is_some())?;
        let mut running = Self::plain(address, vec![Box::new(daemon), Box::new(directory)]);
        running.keys = Keys {
            access: KEY.to_owned(),
            secret: KEY.to_owned(),
        };
        Ok(running)
    }
}
