//! The peer: `tar`, `gpg` and the AWS command line in a pipe, word for word as the Python charm ran them.
//!
//! That charm ran its line in the workload, through Pebble; here it runs on the machine itself, which spares the peer that
//! way. Its programs are the stock ones, and the AWS command line is the one that `make parts-bench` installs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use synapse_operator::archive;

use super::data_set::{Laid, UPLOADS};
use super::process::{self, Reading};
use super::servers::Place;
use super::tree::Tree;
use crate::demo;
use crate::parts;
use crate::python_charm::PythonCharm;

/// One object at a time, to save memory, as that charm had configured it.
const CONFIGURATION: &str = "[default]\ns3 =\n    max_concurrent_requests = 1\n";

/// The tools and their settings.
pub(super) struct Peer {
    home: PathBuf,
    aws: PathBuf,
}

/// One run of a pipe: each program, in its order.
pub(super) struct Piped {
    /// Seconds until the last of it had ended.
    pub(super) wall: f64,
    /// The programs and how each lived.
    pub(super) each: Vec<(&'static str, Reading)>,
}

impl Peer {
    /// The peer on this machine, its files in a directory of its own.
    pub(super) fn new(home: &Path) -> Result<Self> {
        parts::machine_program("gpg", "gnupg")?;
        let aws = parts::directory().join("aws/bin/aws");
        anyhow::ensure!(aws.is_file(), "aws is missing: run `make parts-bench`");
        fs::create_dir_all(home)?;
        fs::set_permissions(home, Permissions::from_mode(0o700))?;
        fs::write(home.join("passphrase"), demo::PASSPHRASE)?;
        fs::write(home.join("aws-config"), CONFIGURATION)?;
        Ok(Self {
            home: home.to_owned(),
            aws,
        })
    }

    /// What the AWS command line says of its version.
    pub(super) fn version(&self) -> String {
        let output = Command::new(&self.aws).arg("--version").output();
        let told = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        told.unwrap_or_default()
    }

    /// `tar -c | gpg --symmetric | aws s3 cp`, of what that charm found worth saving.
    pub(super) fn save(
        &self,
        data: &Path,
        place: &Place,
        key: &str,
        size: u64,
        compression: &[&str],
    ) -> Result<Piped> {
        let mut tar = self.tar(data)?;
        let mut gpg = self.gpg();
        gpg.args(compression).arg("--symmetric");
        let mut aws = self.aws(place)?;
        let target = format!("s3://{}/{key}", Place::BUCKET);
        aws.args([
            "s3",
            "cp",
            "--expected-size",
            &size.to_string(),
            "-",
            &target,
        ]);
        pipe(&mut [("tar", &mut tar), ("gpg", &mut gpg), ("aws", &mut aws)])
    }

    /// `tar -c` into a pipe whose bytes are thrown away, or into /dev/null.
    pub(super) fn tar_alone(&self, data: &Path, into_null: bool) -> Result<Piped> {
        let mut tar = self.tar(data)?;
        let mut cat = Command::new("cat");
        match into_null {
            true => pipe(&mut [("tar", &mut tar)]),
            false => pipe(&mut [("tar", &mut tar), ("cat", &mut cat)]),
        }
    }

    /// `aws s3 cp | gpg --decrypt | tar -x`, into a fresh directory.
    pub(super) fn bring_back(&self, place: &Place, key: &str, into: &Path) -> Result<Piped> {
        fs::create_dir_all(into)?;
        let mut aws = self.aws(place)?;
        let source = format!("s3://{}/{key}", Place::BUCKET);
        aws.args(["s3", "cp", &source, "-"]);
        let mut gpg = self.gpg();
        gpg.arg("--decrypt");
        let mut tar = Command::new("tar");
        tar.arg("-x").arg("-C").arg(into);
        pipe(&mut [("aws", &mut aws), ("gpg", &mut gpg), ("tar", &mut tar)])
    }

    /// `gpg --decrypt` of objects, one after the other, nothing done with what comes out.
    pub(super) fn decrypt(&self, objects: &[PathBuf]) -> Result<Reading> {
        let began = Instant::now();
        let mut all = Reading::default();
        for object in objects {
            let mut gpg = self.gpg();
            gpg.arg("--decrypt")
                .stdin(fs::File::open(object)?)
                .stdout(Stdio::null());
            let child = gpg.spawn().context("failed to start gpg")?;
            let one = process::await_all(began, &mut [("gpg", child)])?;
            let one = one.first().copied().context("gpg was not timed")?;
            all.cpu.own += one.cpu.own;
            all.peak = all.peak.max(one.peak);
        }
        all.wall = began.elapsed().as_secs_f64();
        Ok(all)
    }

    /// Whether `gpg` decrypts objects, and the uploads in the archives inside are a data set.
    pub(super) fn must_hold(&self, objects: &[PathBuf], laid: &Laid, place: &str) -> Result<()> {
        let mut found = Tree::default();
        for object in objects {
            let mut gpg = self.gpg();
            gpg.arg("--decrypt")
                .stdin(fs::File::open(object)?)
                .stdout(Stdio::piped());
            let mut child = gpg.spawn().context("failed to start gpg")?;
            let output = child.stdout.take().context("no standard output")?;
            let read = members(output, &mut found);
            let status = child.wait()?;
            let name = object.display();
            anyhow::ensure!(
                status.success(),
                "{place}: gpg does not decrypt {name}: {status}"
            );
            read.with_context(|| format!("{place}: the archive in {name} is no good"))?;
        }
        laid.must_be(&found, place)
    }

    /// A `gpg` with a home of its own, called as the Python charm called it.
    fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.env("GNUPGHOME", &self.home)
            .args([
                "--batch",
                "--quiet",
                "--no-symkey-cache",
                "--passphrase-file",
            ])
            .arg(self.home.join("passphrase"));
        gpg
    }

    /// Names in the archive are those of the container without the slash before them.
    fn tar(&self, data: &Path) -> Result<Command> {
        let paths = PythonCharm::at(data, demo::PASSPHRASE).paths()?;
        let mut tar = Command::new("tar");
        tar.arg("-c")
            .arg("-C")
            .arg(data.parent().context("no directory above the data")?);
        tar.args(paths.iter().map(|path| path.trim_start_matches('/')));
        Ok(tar)
    }

    fn aws(&self, place: &Place) -> Result<Command> {
        let mut aws = Command::new(&self.aws);
        aws.env("AWS_ENDPOINT_URL", &place.endpoint)
            .env("AWS_ACCESS_KEY_ID", Place::ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", Place::SECRET_KEY)
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_CONFIG_FILE", self.home.join("aws-config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        if let Some(authority) = &place.authority {
            let file = self.home.join("authority.pem");
            fs::write(&file, authority)?;
            aws.env("AWS_CA_BUNDLE", file);
        }
        Ok(aws)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // gpg leaves an agent running for its home.
        let mut end = Command::new("gpgconf");
        end.env("GNUPGHOME", &self.home)
            .args(["--kill", "gpg-agent"]);
        let _ = end.output();
    }
}

/// Runs programs, the output of each the input of the next.
fn pipe(programs: &mut [(&'static str, &mut Command)]) -> Result<Piped> {
    let began = Instant::now();
    let mut children: Vec<(&'static str, Child)> = Vec::new();
    let last = programs.len() - 1;
    for (at, (name, command)) in programs.iter_mut().enumerate() {
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
    let walls = readings.iter().map(|reading| reading.wall);
    Ok(Piped {
        wall: walls.fold(0.0, f64::max),
        each: programs
            .iter()
            .map(|(name, _)| *name)
            .zip(readings)
            .collect(),
    })
}

/// Notes the uploads in an archive, each by its path below their directory.
fn members(output: ChildStdout, found: &mut Tree) -> Result<()> {
    let mark = format!("{UPLOADS}/");
    archive::pass(
        std::io::BufReader::with_capacity(1 << 18, output),
        std::io::sink(),
        |_| Ok(true),
        |member| {
            let name = member.path.split_once(&mark);
            if let (Some((_, name)), Some(digest)) = (name, &member.sha256) {
                found.insert(name.to_owned(), bytes(&digest.to_string()));
            }
            Ok(())
        },
    )?;
    Ok(())
}

fn bytes(hex: &str) -> [u8; 32] {
    let byte = |at: usize| {
        hex.get(2 * at..2 * at + 2)
            .and_then(|two| u8::from_str_radix(two, 16).ok())
    };
    std::array::from_fn(|at| byte(at).unwrap_or_default())
}
