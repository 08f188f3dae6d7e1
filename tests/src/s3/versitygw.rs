//! The real server of the suite: versitygw over a directory.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::certificates::Certificate;

/// How long it may take to answer.
const START: Duration = Duration::from_secs(15);

/// A running versitygw with one bucket in a directory of its own; it is killed when dropped.
#[derive(Debug)]
pub struct Versitygw {
    process: Child,
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
        let address = free_address()?;
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
        let log = fs::File::create(directory.path().join("log"))?;
        command
            .arg("posix")
            .arg(&objects)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = command.spawn().context("cannot start versitygw")?;
        let mut server = Self {
            process,
            address,
            directory,
            tls: certificate.is_some(),
        };
        server.wait()?;
        Ok(server)
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

    fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            if answers(self.address, self.tls) {
                return Ok(());
            }
            let ended = self.process.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                bail!("versitygw does not answer at {}:\n{log}", self.address);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Versitygw {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
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

/// Whether somebody speaks there: any answer to HTTP, any accepted connection with TLS.
fn answers(address: SocketAddr, tls: bool) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else {
        return false;
    };
    if tls {
        return true;
    }
    let asked = stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .is_ok()
        && stream
            .write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .is_ok();
    asked && stream.read(&mut [0; 12]).is_ok_and(|count| count > 0)
}

/// A port that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
