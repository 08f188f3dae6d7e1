//! Where the real parts lie that the harness starts: what `make parts` installed, what the machine has, our own programs.
//!
//! A part that is missing is an error of one sentence that says how to get it, never a test that passes in silence.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The Pebble daemon that the workloads run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pebble {
    /// Canonical's daemon, with the version it tells.
    Real {
        /// Where it lies.
        program: PathBuf,
        /// As in `v1.26.0`.
        version: String,
    },
    /// Our stand-in, held to the real one by recorded transcripts.
    StandIn {
        /// Where it lies.
        program: PathBuf,
    },
}

impl Pebble {
    /// Finds the daemon: the one that `PEBBLE_BIN` names, else `pebble` on PATH, else the stand-in.
    pub fn find() -> Result<Self> {
        if let Some(program) = env::var_os("PEBBLE_BIN") {
            let program = PathBuf::from(program);
            let version = pebble_version(&program).with_context(|| {
                format!("PEBBLE_BIN names {}, which is no Pebble", program.display())
            })?;
            return Ok(Self::Real { program, version });
        }
        // Debian has an ACME server of the same name, hence the look at the version.
        if let Some(program) = on_path("pebble")
            && let Some(version) = pebble_version(&program)
        {
            return Ok(Self::Real { program, version });
        }
        Ok(Self::StandIn {
            program: program("pebble-stand-in")?,
        })
    }

    /// Where the daemon lies.
    pub fn program(&self) -> &Path {
        match self {
            Self::Real { program, .. } | Self::StandIn { program } => program,
        }
    }
}

impl fmt::Display for Pebble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real { program, version } => {
                write!(f, "the real Pebble {version} ({})", program.display())
            }
            Self::StandIn { .. } => write!(f, "the Pebble stand-in"),
        }
    }
}

fn pebble_version(program: &Path) -> Option<String> {
    // It reads settings of the user's, of which there need be none.
    let output = Command::new(program)
        .args(["version", "--client"])
        .env("HOME", "/nonexistent")
        .output()
        .ok()?;
    let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && version.starts_with('v')).then_some(version)
}

/// The directory into which `make parts` installs.
pub fn directory() -> PathBuf {
    workspace().join("target/parts")
}

/// The top of the source tree.
pub fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// The packed charm, as `make charm` leaves it.
pub fn charm_archive() -> Result<PathBuf> {
    let archive = workspace().join("target/charm/synapse.charm");
    if !archive.is_file() {
        bail!("the packed charm is missing: run `make charm`");
    }
    Ok(archive)
}

/// The Python environment that holds Synapse.
pub fn synapse() -> Result<PathBuf> {
    let environment = directory().join("venv");
    if !directory().join("synapse.stamp").is_file() || !environment.join("bin/python3").exists() {
        bail!("Synapse is not installed: run `make parts`");
    }
    Ok(environment)
}

/// The S3 server versitygw.
pub fn versitygw() -> Result<PathBuf> {
    let program = directory().join("bin/versitygw");
    if !program.is_file() {
        bail!("versitygw is not installed: run `make parts`");
    }
    Ok(program)
}

/// A program of this package, built beside the one that asks.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = env::current_exe().context("failed to learn where this program lies")?;
    own.ancestors()
        .skip(1)
        .take(2) // tests lie one directory deeper, in deps/
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
        .with_context(|| format!("the program {name} is not built: run `make programs`"))
}

/// A program of the machine, wherever PATH has it; the error says which Debian package to install.
pub fn machine_program(name: &str, package: &str) -> Result<PathBuf> {
    on_path(name).with_context(|| {
        format!("{name} is missing: run `make parts`, or install it (on Debian and Ubuntu: sudo apt-get install {package})")
    })
}

/// Looks a program up as a shell would, and in the directories of a superuser besides.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|program| is_executable(program))
}

fn is_executable(program: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    program
        .metadata()
        .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}
