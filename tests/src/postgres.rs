//! A real PostgreSQL server of a world: its own data, one socket, gone with it.
//!
//! It listens on a socket in a directory and nowhere else. A socket with a path can be reached from every network, so a
//! bridge in the workload's network makes it `127.0.0.1:5432` there; see [`crate::pod::Outward`]. Synapse has to log in
//! with its password; only the superuser, who is the look-alike of PostgreSQL's charm, does not.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::deadline::{Deadline, Look};
use crate::parts;

/// Names the directory of the socket to programs of this package.
pub const VARIABLE: &str = "LOOKALIKE_POSTGRES";
/// The port by which the socket is called, and under which workloads reach it.
pub const PORT: u16 = 5432;

/// How long the server may take to answer, or to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Who may do everything.
const SUPERUSER: &str = "postgres";
/// Only the superuser is let in without a password.
const ACCESS: &str =
    "local all postgres trust\nlocal all all scram-sha-256\nlocal replication all reject\n";

/// A running server; it is stopped when dropped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    directory: TempDir,
    admin: Admin,
}

/// The superuser of a server.
#[derive(Debug, Clone)]
pub struct Admin {
    sockets: PathBuf,
    programs: PathBuf,
}

impl Server {
    /// Makes an empty server, with the locale that the PostgreSQL charm's image has, and waits until it answers.
    pub fn start() -> Result<Self> {
        let programs = programs()?;
        let directory = tempfile::Builder::new().prefix("pg-").tempdir()?;
        let (data, sockets) = (directory.path().join("data"), directory.path().join("s"));
        for place in [directory.path(), &data, &sockets] {
            fs::create_dir_all(place)?;
            fs::set_permissions(place, fs::Permissions::from_mode(0o755))?;
        }
        if let Some((user, group)) = other_user()? {
            chown(&data, Some(user), Some(group))?;
            chown(&sockets, Some(user), Some(group))?;
        }
        let log = fs::File::create(directory.path().join("log"))?;
        let made = unprivileged(&programs.join("initdb"))?
            .arg("-D")
            .arg(&data)
            .args(["-U", SUPERUSER, "--auth=trust", "--encoding=UTF8"])
            .args(["--locale=C.UTF-8", "--no-sync"])
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .status()?;
        ensure!(made.success(), "initdb failed: {}", tail(directory.path()));
        fs::write(data.join("pg_hba.conf"), ACCESS)?;
        let mut process = unprivileged(&programs.join("postgres"))?
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&sockets)
            .args(["-p", &PORT.to_string(), "-c", "listen_addresses="])
            .args(["-c", "fsync=off", "-c", "shared_buffers=16MB"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("failed to start PostgreSQL")?;
        let admin = Admin { sockets, programs };
        Deadline::after(PATIENCE).wait_for("PostgreSQL to answer", || {
            if let Some(status) = process.try_wait()? {
                bail!("PostgreSQL ended with {status}: {}", tail(directory.path()));
            }
            Ok(match admin.sql("postgres", "SELECT 1") {
                Ok(_) => Look::Done(()),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })?;
        Ok(Self {
            process,
            directory,
            admin,
        })
    }

    /// Its superuser.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// What a program needs in its environment to find the server.
    pub fn environment(&self) -> (&'static str, PathBuf) {
        (VARIABLE, self.admin.sockets.clone())
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // At once: nobody will read this data again.
        if let Some(process) = Pid::from_raw(self.process.id().cast_signed()) {
            let _ = kill_process(process, Signal::QUIT);
        }
        let _ = self.process.wait();
    }
}

impl Admin {
    /// The superuser of the server that the environment names.
    pub fn from_environment() -> Result<Self> {
        let sockets = std::env::var_os(VARIABLE)
            .context("this world has no PostgreSQL: make it with World::with_postgres")?;
        Ok(Self {
            sockets: sockets.into(),
            programs: programs()?,
        })
    }

    /// Runs statements in a database; the rows, a line each, columns divided by `|`.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String> {
        let mut psql = self.program("psql", database);
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            statements,
        ]);
        let output = ran(&mut psql)?;
        Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned())
    }

    /// Writes a database into a file, as of one moment.
    pub fn dump(&self, database: &str, file: &Path) -> Result<()> {
        let mut dump = self.program("pg_dump", database);
        ran(dump.arg("-Fc").arg("-f").arg(file)).map(drop)
    }

    /// Throws a database away, whoever uses it, and puts in its place what is in the file.
    pub fn restore(&self, database: &str, file: &Path) -> Result<()> {
        let owner = self.sql(
            "postgres",
            &format!(
                "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{database}'"
            ),
        )?;
        self.sql(
            "postgres",
            &format!("DROP DATABASE \"{database}\" WITH (FORCE)"),
        )?;
        self.sql(
            "postgres",
            &format!("CREATE DATABASE \"{database}\" OWNER \"{owner}\""),
        )?;
        let mut restore = self.program("pg_restore", database);
        ran(restore.arg(file)).map(drop)
    }

    fn program(&self, name: &str, database: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command
            .arg("-h")
            .arg(&self.sockets)
            .args(["-p", &PORT.to_string(), "-U", SUPERUSER, "-d", database])
            .env_clear()
            .stdin(Stdio::null());
        command
    }
}

/// Where the programs of PostgreSQL lie: the newest that Debian has installed, else beside `postgres` on the path.
fn programs() -> Result<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|programs| programs.join("postgres").is_file())
        .collect();
    found.sort();
    if let Some(newest) = found.pop() {
        return Ok(newest);
    }
    let postgres = parts::machine_program("postgres", "postgresql")?;
    let postgres = fs::canonicalize(postgres)?;
    Ok(postgres.parent().unwrap_or(Path::new("/")).to_owned())
}

/// A command that is never run as root, which PostgreSQL refuses, and that ends with us.
fn unprivileged(program: &Path) -> Result<Command> {
    let mut command = Command::new(parts::machine_program("setpriv", "util-linux")?);
    if let Some((user, group)) = other_user()? {
        command.args([format!("--reuid={user}"), format!("--regid={group}")]);
        command.arg("--clear-groups");
    }
    command.args(["--pdeathsig", "QUIT", "--"]).arg(program);
    command.current_dir("/").env("LC_ALL", "C.UTF-8");
    Ok(command)
}

/// Who runs the server when we are root: its own user where Debian has made one, else one that owns nothing.
fn other_user() -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").context("failed to read /etc/passwd")?;
    let number = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let found = number("postgres").or_else(|| number("nobody"));
    found
        .context("this machine has neither a user postgres nor a user nobody")
        .map(Some)
}

fn ran(command: &mut Command) -> Result<Output> {
    let output = command
        .output()
        .with_context(|| format!("failed to run {}", command.get_program().display()))?;
    ensure!(
        output.status.success(),
        "{} failed: {}",
        command.get_program().display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(output)
}

fn tail(directory: &Path) -> String {
    let text = fs::read_to_string(directory.join("log")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}
