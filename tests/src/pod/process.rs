//! A process that outlives its starter: found again by its number, ended by whoever comes later.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A running process, told from a later one with the same number by the moment it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    id: i32,
    started: u64,
}

impl Process {
    /// Takes note of a process that runs now.
    pub fn of(id: i32) -> Result<Self> {
        let started = started(id).with_context(|| format!("process {id} is gone"))?;
        Ok(Self { id, started })
    }

    /// Reads a note that [`Process::note`] wrote; `None` when there is none or the process has ended.
    pub fn noted(file: &Path) -> Option<Self> {
        let process: Self = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        process.is_alive().then_some(process)
    }

    /// Writes the note, for a later program.
    pub fn note(&self, file: &Path) -> Result<()> {
        fs::write(file, serde_json::to_vec(self)?)
            .with_context(|| format!("failed to write {}", file.display()))
    }

    /// Its number, as this program sees it.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// Tells whether it still runs.
    pub fn is_alive(&self) -> bool {
        started(self.id).is_some_and(|started| started == self.started)
    }

    /// Sends a signal, if it still runs.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if let Some(handle) = self.handle()? {
            match pidfd_send_signal(handle, signal) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("failed to signal process {}", self.id));
                }
            }
        }
        Ok(())
    }

    /// Waits for its end; false when it still runs after `limit`.
    pub fn wait(&self, limit: Duration) -> Result<bool> {
        let Some(handle) = self.handle()? else {
            return Ok(true);
        };
        let limit = Timespec::try_from(limit).context("a limit too long")?;
        let mut handles = [PollFd::new(&handle, PollFlags::IN)];
        loop {
            match poll(&mut handles, Some(&limit)) {
                Ok(ready) => return Ok(ready > 0),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context("failed to wait for a process"),
            }
        }
    }

    /// A handle that stays with this very process; `None` when it has ended.
    pub(crate) fn handle(&self) -> Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.id) else {
            return Ok(None);
        };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("failed to look at process {}", self.id));
            }
        };
        // Looked at after the handle was taken: from here on the number cannot pass to another.
        Ok(self.is_alive().then_some(handle))
    }
}

/// Waits until one of these processes has ended, for ever, and tells which.
pub(crate) fn first_to_end(handles: &[OwnedFd]) -> io::Result<usize> {
    let mut polled: Vec<_> = handles
        .iter()
        .map(|handle| PollFd::from_borrowed_fd(handle.as_fd(), PollFlags::IN))
        .collect();
    loop {
        match poll(&mut polled, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(first) = polled
            .iter()
            .position(|handle| !handle.revents().is_empty())
        {
            return Ok(first);
        }
    }
}

/// When a process was started, in clock ticks since the machine was; `None` when it has ended (a zombie has).
fn started(id: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows it is numbers.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?.parse().ok()?;
    (state != "Z" && state != "X").then_some(started)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_process_is_signalled_and_its_end_is_seen() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let process = Process::of(child.id().cast_signed()).unwrap();
        assert!(process.is_alive());
        assert!(!process.wait(Duration::ZERO).unwrap());

        process.signal(Signal::KILL).unwrap();
        assert!(process.wait(Duration::from_secs(5)).unwrap());
        assert!(!process.is_alive(), "a zombie counts as ended");
        child.wait().unwrap();
        process.signal(Signal::KILL).unwrap();
    }

    #[test]
    fn a_number_that_passed_to_another_process_is_not_taken_for_the_old_one() {
        let own = Process::of(std::process::id().cast_signed()).unwrap();
        let stale = Process {
            started: own.started - 1,
            ..own
        };
        assert!(!stale.is_alive());
        assert!(stale.wait(Duration::ZERO).unwrap());
    }
}
