//! A daemon for one test: found, started, waited for, and cleaned up after.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fmt};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal};

use crate::parts;

/// How long a daemon may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(5);
/// How many lines of its log are told when something fails.
const TAIL: usize = 20;

/// Which Pebble there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The real daemon.
    Real {
        /// Where the program lies.
        path: PathBuf,
        /// What it says of itself, such as `v1.26.0`.
        version: String,
    },
    /// The stand-in of this package.
    StandIn {
        /// Where the program lies.
        path: PathBuf,
    },
}

impl Which {
    /// The program itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Real { path, .. } | Self::StandIn { path } => path,
        }
    }

    /// The stand-in, whatever else there is.
    ///
    /// # Errors
    /// When it was not built.
    pub fn stand_in() -> anyhow::Result<Self> {
        let path = parts::program("pebble-stand-in")?;
        Ok(Self::StandIn { path })
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real { path, version } => {
                write!(f, "real Pebble {version} at {}", path.display())
            }
            Self::StandIn { .. } => f.write_str("Pebble stand-in"),
        }
    }
}

/// A daemon that runs. When this is dropped, the daemon is killed with all that it has left running.
#[derive(Debug)]
pub struct Daemon {
    directory: PathBuf,
    child: Child,
}

impl Daemon {
    /// Finds a Pebble: what `PEBBLE_BIN` names, else `pebble` on PATH, else the stand-in.
    ///
    /// # Errors
    /// When `PEBBLE_BIN` names no Pebble, or the stand-in was not built.
    pub fn find() -> anyhow::Result<Which> {
        if let Some(named) = env::var_os("PEBBLE_BIN").filter(|named| !named.is_empty()) {
            let path = PathBuf::from(named);
            let version = version(&path)
                .with_context(|| format!("PEBBLE_BIN names {}, no Pebble", path.display()))?;
            return Ok(Which::Real { path, version });
        }
        let path = env::var_os("PATH").unwrap_or_default();
        // Debian has another program of this name, which answers otherwise.
        let real = env::split_paths(&path)
            .map(|place| place.join("pebble"))
            .find_map(|path| Some((version(&path)?, path)));
        match real {
            Some((version, path)) => Ok(Which::Real { path, version }),
            None => Which::stand_in(),
        }
    }

    /// Starts a daemon that keeps everything in a directory, and waits until it answers. It starts no service by itself.
    ///
    /// # Errors
    /// When it ends at once or does not answer; the message has the last lines of its log.
    pub fn start(which: &Which, directory: impl Into<PathBuf>) -> anyhow::Result<Self> {
        Self::start_with(which, directory, &[])
    }

    /// The same with more variables in the daemon's environment.
    ///
    /// # Errors
    /// As for [`Daemon::start`].
    pub fn start_with(
        which: &Which,
        directory: impl Into<PathBuf>,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(directory.join("daemon.log"))?;
        let mut command = Command::new(which.path());
        command
            .args(["run", "--create-dirs", "--hold"])
            .env("PEBBLE", &directory)
            .env_remove("PEBBLE_SOCKET");
        command.envs(environment.iter().copied());
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start the {which}"))?;
        let mut daemon = Self { directory, child };
        let begun = Instant::now();
        while UnixStream::connect(daemon.socket()).is_err() {
            if let Some(status) = daemon.child.try_wait()? {
                bail!(
                    "the {which} ended at once ({status}); its last words:\n{}",
                    daemon.log_tail()
                );
            }
            if begun.elapsed() > PATIENCE {
                bail!(
                    "the {which} does not answer after {PATIENCE:?}; its last words:\n{}",
                    daemon.log_tail()
                );
            }
            thread::sleep(LOOK);
        }
        Ok(daemon)
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join(".pebble.socket")
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The last lines that it has said.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = fs::read(self.directory.join("daemon.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }

    /// Ends it as a pod that stops does: SIGTERM, and a while to stop what it runs.
    ///
    /// # Errors
    /// When it goes on; it is killed then.
    pub fn stop(mut self) -> anyhow::Result<()> {
        signal(self.child.id(), Signal::TERM);
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                bail!(
                    "the daemon goes on {PATIENCE:?} after SIGTERM; its last words:\n{}",
                    self.log_tail()
                );
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Kills it as a crash does, with nothing said or saved. What it ran runs on, until this is dropped.
    ///
    /// # Errors
    /// When the system says so.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the system says so.
    pub fn is_running(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Kills whatever carries this daemon's `PEBBLE`, as all that it starts does.
    fn sweep(&self) {
        let mark = [b"PEBBLE=", self.directory.as_os_str().as_bytes()].concat();
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let number = process
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            let (Some(number), Ok(environment)) =
                (number, fs::read(process.path().join("environ")))
            else {
                continue;
            };
            if environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == mark)
            {
                signal(number, Signal::KILL);
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
        self.sweep();
    }
}

fn signal(process: u32, signal: Signal) {
    if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        let _gone = rustix::process::kill_process(process, signal);
    }
}

/// What a program says of its version, if it is Pebble.
fn version(path: &Path) -> Option<String> {
    let said = Command::new(path)
        .args(["version", "--client"])
        // It reads settings of the user's, of which there need be none.
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let said = OsString::from_vec(said.stdout).into_string().ok()?;
    let version = said.trim();
    (version.starts_with('v') && version.contains('.')).then(|| version.to_owned())
}
