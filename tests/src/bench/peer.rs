//! The peer: what an operator would type instead, `tar`, `gpg` and the AWS command line in a pipe.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use super::process::{self, Reading};
use crate::demo;
use crate::parts;
use crate::world::World;

/// The tools, their settings, and the store that they work on.
pub(super) struct Peer<'a> {
    world: &'a World,
    server: u32,
    home: PathBuf,
    aws: PathBuf,
}

/// One run of a pipe.
pub(super) struct Piped {
    /// Seconds until the last of it had ended.
    pub(super) wall: f64,
    /// `tar`.
    pub(super) tar: Reading,
    /// `gpg`.
    pub(super) gpg: Reading,
    /// `aws`.
    pub(super) aws: Reading,
    /// Seconds of the S3 server.
    pub(super) server: f64,
}

impl<'a> Peer<'a> {
    /// The peer on this machine, or a sentence that says how to get what it lacks.
    pub(super) fn find(world: &'a World, server: u32) -> Result<Result<Self, String>> {
        if parts::on_path("gpg").is_none() {
            return Ok(Err(
                "gpg is missing: on Debian and Ubuntu, sudo apt-get install gnupg".to_owned(),
            ));
        }
        let Some(aws) = parts::on_path("aws") else {
            return Ok(Err(
                "The peer was not measured: aws is missing; get it with pip install awscli"
                    .to_owned(),
            ));
        };
        let home = world.path("peer");
        fs::create_dir_all(&home)?;
        fs::set_permissions(&home, Permissions::from_mode(0o700))?;
        fs::write(home.join("passphrase"), format!("{}\n", demo::PASSPHRASE))?;
        // What an empty configuration means would differ from machine to machine.
        Ok(Ok(Self {
            world,
            server,
            home,
            aws,
        }))
    }

    /// `tar -c | gpg --symmetric | aws s3 cp`, of the media below a data directory.
    pub(super) fn save(&self, data: &Path, size: u64, compression: &[&str]) -> Result<Piped> {
        let mut tar = Command::new("tar");
        tar.arg("-c").arg("-C").arg(data).arg("media");
        let mut gpg = self.gpg();
        gpg.args(compression).args(["--symmetric", "-o", "-"]);
        let mut aws = self.aws();
        aws.args(["s3", "cp", "--quiet", "--expected-size"]);
        aws.arg(size.to_string()).arg("-").arg(self.object());
        let [tar, gpg, aws] = self.pipe([("tar", tar), ("gpg", gpg), ("aws", aws)])?;
        self.ended(tar, gpg, aws)
    }

    /// `aws s3 cp | gpg -d | tar -x`, into a fresh directory.
    pub(super) fn bring_back(&self, into: &Path) -> Result<Piped> {
        fs::create_dir_all(into)?;
        let mut aws = self.aws();
        aws.args(["s3", "cp", "--quiet"])
            .arg(self.object())
            .arg("-");
        let mut gpg = self.gpg();
        gpg.arg("-d");
        let mut tar = Command::new("tar");
        tar.arg("-x").arg("-C").arg(into);
        let [aws, gpg, tar] = self.pipe([("aws", aws), ("gpg", gpg), ("tar", tar)])?;
        let ended = self.ended(tar, gpg, aws);
        fs::remove_dir_all(into)?;
        ended
    }

    /// A `gpg` with a home of its own.
    pub(super) fn gpg(&self) -> Command {
        gpg(&self.home)
    }

    fn aws(&self) -> Command {
        let store = self.world.store();
        let mut aws = Command::new(&self.aws);
        aws.env("AWS_ENDPOINT_URL", store.fact("endpoint"))
            .env("AWS_ACCESS_KEY_ID", store.fact("access-key"))
            .env("AWS_SECRET_ACCESS_KEY", store.fact("secret-key"))
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        aws
    }

    fn object(&self) -> String {
        format!("s3://{}/peer.tar.gpg", self.world.store().fact("bucket"))
    }

    fn ended(&self, tar: Reading, gpg: Reading, aws: Reading) -> Result<Piped> {
        let wall = [tar, gpg, aws].map(|reading| reading.wall);
        Ok(Piped {
            wall: wall.into_iter().fold(0.0, f64::max),
            tar,
            gpg,
            aws,
            server: 0.0,
        })
    }

    fn pipe(&self, commands: [(&'static str, Command); 3]) -> Result<[Reading; 3]> {
        let began = Instant::now();
        let mut children: Vec<(&str, Child)> = Vec::new();
        let last = commands.len() - 1;
        for (at, (name, mut command)) in commands.into_iter().enumerate() {
            let input = match children.last_mut() {
                Some((_, before)) => before.stdout.take().map_or_else(Stdio::null, Stdio::from),
                None => Stdio::null(),
            };
            let output = if at == last {
                Stdio::null()
            } else {
                Stdio::piped()
            };
            let child = command.stdin(input).stdout(output).spawn();
            children.push((
                name,
                child.with_context(|| format!("failed to start {name}"))?,
            ));
        }
        let readings = process::await_all(began, &mut children)?;
        readings.try_into().ok().context("a pipe of three")
    }

    /// Does something and tells how long the S3 server worked meanwhile.
    pub(super) fn with_server(&self, work: impl FnOnce() -> Result<Piped>) -> Result<Piped> {
        let before = process::cpu(self.server);
        let piped = work()?;
        let server = (process::cpu(self.server) - before).own;
        Ok(Piped { server, ..piped })
    }
}

impl Drop for Peer<'_> {
    fn drop(&mut self) {
        end_agent(&self.home);
    }
}

/// A `gpg` with this home, which takes the passphrase from the file in it.
pub(super) fn gpg(home: &Path) -> Command {
    let mut gpg = Command::new("gpg");
    gpg.env("GNUPGHOME", home)
        .args(["--batch", "--yes", "--quiet", "--no-symkey-cache"])
        .args([
            "--cipher-algo",
            "AES256",
            "--pinentry-mode",
            "loopback",
            "--passphrase-file",
        ])
        .arg(home.join("passphrase"));
    gpg
}

/// Ends the agent that `gpg` leaves running for its home.
pub(super) fn end_agent(home: &Path) {
    let _ = Command::new("gpgconf")
        .env("GNUPGHOME", home)
        .args(["--kill", "gpg-agent"])
        .output();
}
