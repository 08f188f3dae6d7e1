//! The note in the unit's directory by which the next run of the charm comes to its trap.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::order::Trap;
use crate::parts;

const NOTE: &str = "trap.json";
/// The same once a run has walked under it.
const TAKEN: &str = "trap.taken.json";

/// Sets a trap for the next run of a unit's charm; the directory is the pod's.
pub fn set(directory: &Path, trap: &Trap) -> Result<()> {
    trap.words()?;
    able()?;
    for old in [directory.join(TAKEN), log_of(directory)] {
        if let Err(error) = fs::remove_file(&old)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error).with_context(|| format!("failed to remove {}", old.display()));
        }
    }
    fs::write(directory.join(NOTE), serde_json::to_vec(trap)?).context("failed to set a trap")
}

/// Takes a trap away that no run has walked under.
pub fn unset(directory: &Path) -> Result<()> {
    match fs::remove_file(directory.join(NOTE)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).context("failed to take a trap away")
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Where the calls are written down.
pub fn log_of(directory: &Path) -> PathBuf {
    directory.join("trap.log")
}

/// The trap that the last trapped run walked under.
pub(crate) fn order_of(directory: &Path) -> Result<Option<Trap>> {
    match fs::read(directory.join(TAKEN)) {
        Ok(note) => Ok(Some(serde_json::from_slice(&note)?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("failed to read a trap"),
    }
}

/// The command, under the trap that is set in this directory, if one is. It is used up by that.
pub(crate) fn around(directory: &Path, command: Command) -> Command {
    let taken = directory.join(TAKEN);
    if fs::rename(directory.join(NOTE), &taken).is_err() {
        return command;
    }
    let words = order_of(directory)
        .ok()
        .flatten()
        .and_then(|trap| trap.words().ok());
    let mut strace = Command::new(parts::on_path("strace").unwrap_or_else(|| "strace".into()));
    strace
        // A tracer in a process group of its own, that leaves the process to its parent; threads and children too.
        .args(["-DD", "-f"])
        // Names of open files, texts at some length, no padding.
        .args(["-y", "-s", "400", "-a", "1", "-o"])
        .arg(log_of(directory))
        // Without words strace says how it is used, and the run fails.
        .args(words.unwrap_or_else(|| vec!["--a-trap-that-cannot-be-read".to_owned()]))
        .arg("--")
        .arg(command.get_program())
        .args(command.get_args());
    strace
}

/// Makes sure that processes can be traced here.
fn able() -> Result<()> {
    let strace = parts::machine_program("strace", "strace")?;
    let tried = Command::new(strace)
        .args(["-DD", "-f", "-o", "/dev/null", "true"])
        .stdin(Stdio::null())
        .output()
        .context("failed to start strace")?;
    ensure!(
        tried.status.success(),
        "strace may not trace a process here ({}): allow it (in a container: --cap-add SYS_PTRACE, and a seccomp profile that lets ptrace pass)",
        String::from_utf8_lossy(&tried.stderr).trim()
    );
    Ok(())
}
