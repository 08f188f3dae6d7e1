//! What a trap waits for, and what it does then.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// The calls that a recording notes: those that change what lies on a disk, those by which processes are told apart, and
/// those in which the charm waits for what happens next, which are its clock.
const NOTED: &str = "execve,rename,renameat,renameat2,mkdir,mkdirat,rmdir,unlink,unlinkat,link,linkat,symlink,symlinkat,\
                     open,openat,creat,fsync,fdatasync,syncfs,sync,ftruncate,truncate,chmod,fchmod,fchmodat,chown,fchown,fchownat,\
                     lchown,write,pwrite64,epoll_wait,epoll_pwait";

/// A kind of call that changes what lies on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Gives a file or directory another name.
    Rename,
    /// Makes a directory.
    Mkdir,
    /// Removes a file.
    Unlink,
    /// Makes sure that a file or directory is on the disk.
    Fsync,
    /// Makes sure that a whole file system is on the disk.
    Syncfs,
    /// Opens a file, also to read it.
    Open,
    /// Changes a mode.
    Chmod,
    /// Changes an owner.
    Chown,
}

impl Call {
    fn names(self) -> &'static str {
        match self {
            Self::Rename => "rename,renameat,renameat2",
            Self::Mkdir => "mkdir,mkdirat",
            Self::Unlink => "unlink,unlinkat,rmdir",
            Self::Fsync => "fsync,fdatasync",
            Self::Syncfs => "syncfs,sync",
            Self::Open => "open,openat,creat",
            Self::Chmod => "chmod,fchmod,fchmodat",
            Self::Chown => "chown,fchown,fchownat,lchown",
        }
    }
}

/// What becomes of a process that walks into a trap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// SIGKILL; the call is not made.
    Kill,
    /// SIGSTOP; the call is made before.
    Stop,
    /// SIGTERM; the call is made before.
    Terminate,
    /// The call is not made and gives this error, as in `ENOSPC`.
    Fail(String),
    /// Nothing: its calls are written down.
    Record,
}

impl What {
    /// The signal by which it comes about.
    pub(super) fn signal(&self) -> Option<&'static str> {
        match self {
            Self::Kill => Some("SIGKILL"),
            Self::Stop => Some("SIGSTOP"),
            Self::Terminate => Some("SIGTERM"),
            Self::Fail(_) | Self::Record => None,
        }
    }
}

/// A trap for one run of the charm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trap {
    what: What,
    /// The calls, as strace takes them.
    calls: String,
    nth: usize,
    /// Whether all calls from there on are struck.
    onwards: bool,
}

impl Trap {
    /// Kills at the n-th such call of a thread, before it is made.
    pub fn kill(call: Call, nth: usize) -> Self {
        Self::at(What::Kill, call.names(), nth)
    }

    /// Stops after the n-th such call of a thread was made.
    pub fn stop(call: Call, nth: usize) -> Self {
        Self::at(What::Stop, call.names(), nth)
    }

    /// Asks to end after the n-th such call of a thread was made.
    pub fn terminate(call: Call, nth: usize) -> Self {
        Self::at(What::Terminate, call.names(), nth)
    }

    /// Lets the n-th such call of a thread fail with an error, as in `ENOSPC`.
    pub fn fail(call: Call, nth: usize, error: &str) -> Self {
        Self::at(What::Fail(error.to_owned()), call.names(), nth)
    }

    /// Does nothing but note the calls of the run.
    pub fn record() -> Self {
        Self::at(What::Record, "", 0)
    }

    /// A trap at calls by the kernel's own names.
    pub(super) fn at(what: What, calls: &str, nth: usize) -> Self {
        Self {
            what,
            calls: calls.to_owned(),
            nth,
            onwards: false,
        }
    }

    /// The same for this call and all that follow.
    #[must_use]
    pub fn onwards(self) -> Self {
        Self {
            onwards: true,
            ..self
        }
    }

    /// What happens.
    pub fn what(&self) -> &What {
        &self.what
    }

    /// Whether a call is one that it waits for.
    pub(super) fn counts(&self, call: &str, nth: usize) -> bool {
        self.nth == nth && self.calls.split(',').any(|name| name == call)
    }

    /// What strace is told.
    pub(super) fn words(&self) -> Result<Vec<String>> {
        let mut words = vec!["-e".to_owned(), format!("trace={NOTED}")];
        let effect = match (&self.what, self.what.signal()) {
            (What::Record, _) => return Ok(words),
            (What::Fail(error), _) => format!("error={error}"),
            (_, Some(signal)) => format!("signal={signal}"),
            (_, None) => bail!("{self:?} does nothing"),
        };
        if self.nth == 0 {
            bail!("calls are counted from 1");
        }
        let (calls, nth) = (&self.calls, self.nth);
        let onwards = if self.onwards { "+" } else { "" };
        words.extend([
            "-e".to_owned(),
            format!("inject={calls}:{effect}:when={nth}{onwards}"),
        ]);
        Ok(words)
    }
}
