//! The real server of the suite: versitygw over a directory.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::certificates::Certificate;
use super::daemon::{Daemon, free_addresses, listens, run, status};
use super::running::Keys;

/// How long it may take to answer.
const START: Duration = Duration::from_secs(15);

/// A running versitygw with one bucket in a directory of its own; it is killed when dropped.
#[derive(Debug)]
pub struct Versitygw {
    process: Daemon,
    address: SocketAddr,
    directory: TempDir,
    tls: bool,
}

impl Versitygw {
    /// The access key.
    pub const ACCESS_KEY: &str = "the-access-key";
    /// The secret key.
    pub const SECRET_KEY: &str = "the-secret-key";
    /// The bucket that is there from the start.
    pub const BUCKET: &str = "demo";

    /// Starts it on a free port and waits until it answers; over TLS when a certificate is given.
    pub fn start(certificate: Option<&Certificate>) -> Result<Self> {
        let program = find_versitygw()?;
        let directory = tempfile::tempdir().context("no temporary directory")?;
        let (objects, iam) = (
            directory.path().join("objects"),
            directory.path().join("iam"),
        );
        fs::create_dir_all(objects.join(Self::BUCKET))?;
        fs::create_dir_all(&iam)?;
        let [address] = free_addresses()?;
        let mut command = Command::new(program);
        command.args([
            "--port",
            &address.to_string(),
            "--access",
            Self::ACCESS_KEY,
            "--secret",
            Self::SECRET_KEY,
        ]);
        command.arg("--iam-dir").arg(&iam);
        if let Some(certificate) = certificate {
            let (cert, key) = (
                directory.path().join("cert.pem"),
                directory.path().join("key.pem"),
            );
            fs::write(&cert, &certificate.certificate)?;
            fs::write(&key, &certificate.key)?;
            command.arg("--cert").arg(cert).arg("--key").arg(key);
        }
        command.arg("posix").arg(&objects);
        let mut process = Daemon::start("versitygw", &mut command, &directory.path().join("log"))?;
        process.wait(START, || match certificate {
            Some(_) => listens(address),
            None => status(address, "/").is_some(),
        })?;
        Ok(Self {
            process,
            address,
            directory,
            tls: certificate.is_some(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets somebody in who has no right to anything yet.
    pub fn add_user(&self, keys: &Keys) -> Result<()> {
        let mut command = Command::new(find_versitygw()?);
        command.args([
            "admin",
            "--allow-insecure",
            "--endpoint-url",
            &self.endpoint(),
        ]);
        command.args(["--access", Self::ACCESS_KEY, "--secret", Self::SECRET_KEY]);
        command.args(["create-user", "--role", "user", "--access", &keys.access]);
        run(command.args(["--secret", &keys.secret])).map(drop)
    }

    /// The URL to give as `endpoint`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!(
            "{}://{}",
            if self.tls { "https" } else { "http" },
            self.address
        )
    }

    /// The directory of its buckets, objects as plain files.
    #[must_use]
    pub fn objects(&self) -> PathBuf {
        self.directory.path().join("objects")
    }

    /// The number of its process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The databag of an `s3` relation to its bucket.
    #[must_use]
    pub fn relation_data(&self) -> BTreeMap<String, String> {
        super::relation_data(
            &self.endpoint(),
            Self::ACCESS_KEY,
            Self::SECRET_KEY,
            Self::BUCKET,
        )
    }
}

/// Finds the program: `VERSITYGW_BIN`, else where make puts it, else on PATH.
pub fn find_versitygw() -> Result<PathBuf> {
    let named = env::var_os("VERSITYGW_BIN").map(PathBuf::from);
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/parts/bin/versitygw");
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|folder| folder.join("versitygw"));
    let found = named
        .into_iter()
        .chain([built])
        .chain(on_path)
        .find(|path| is_program(path));
    found.context("versitygw is missing: run 'make parts'")
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
