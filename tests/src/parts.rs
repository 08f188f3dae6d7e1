//! Where the real parts lie that the harness starts: what `make parts` installed, what the machine has, our own programs.
//!
//! A part that is missing is an error of one sentence that says how to get it, never a test that passes in silence.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

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

/// The version of a part that lies there, as its stamp tells it.
pub fn version(part: &str) -> Result<String> {
    let stamp = std::fs::read_to_string(directory().join(format!("{part}.stamp")));
    let stamp = stamp.with_context(|| {
        format!(
            "{part} is missing: run `make parts`, and for `make contract` `make parts-contract`"
        )
    })?;
    Ok(stamp.trim().trim_start_matches('v').to_owned())
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
