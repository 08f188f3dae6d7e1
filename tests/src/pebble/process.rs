//! Processes: started as whoever, in a group or session of their own, signalled only while they live.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;

use process_wrap::std::{CommandWrap, CommandWrapper, ProcessSession};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::sync::watch;

use super::guarded::Guarded;
use super::users::Owner;

/// The stack of a thread that does nothing but wait for one process.
const WAITER_STACK: usize = 64 << 10;

/// What to start.
pub(crate) struct Program {
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) owner: Option<Owner>,
    /// Whether it leads a session of its own, rather than only a process group.
    pub(crate) session: bool,
}

/// The three streams of a process that is about to start.
pub(crate) struct Streams {
    pub(crate) stdin: Option<PipeReader>,
    pub(crate) stdout: PipeWriter,
    pub(crate) stderr: PipeWriter,
}

/// A process that was started, and that is waited for by a thread of its own.
#[derive(Clone)]
pub(crate) struct Process {
    pid: Pid,
    living: Arc<Guarded<bool>>,
    exit: watch::Receiver<Option<i32>>,
}

impl Program {
    /// Starts it; the error is the sentence that Go says of a failed start.
    pub(crate) fn start(&self, streams: Streams) -> Result<Process, String> {
        let name = self.arguments.first().map_or("", String::as_str);
        let path = look_up(name).ok_or_else(|| missing(name))?;
        let failed =
            |error: io::Error| format!("fork/exec {}: {}", path.display(), sentence(&error));
        if !has_magic(&path) {
            return Err(format!("fork/exec {}: exec format error", path.display()));
        }
        let mut command = Command::new(&path);
        command
            .arg0(name)
            .args(&self.arguments[1..])
            .env_clear()
            .envs(&self.environment);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        if let Some(owner) = self.owner.filter(|owner| *owner != Owner::own()) {
            command.uid(owner.user_id).gid(owner.group_id);
        }
        if self.session {
            // The wrapper's own ways of waiting and killing concern whole groups; only its set-up is wanted.
            ProcessSession
                .pre_spawn(&mut command, &CommandWrap::with_new("", |_| {}))
                .map_err(failed)?;
        } else {
            command.process_group(0);
        }
        command.stdin(streams.stdin.map_or_else(Stdio::null, Stdio::from));
        command.stdout(streams.stdout).stderr(streams.stderr);
        let child = command.spawn().map_err(failed)?;
        Process::watch(child).map_err(failed)
    }
}

impl Process {
    fn watch(mut child: Child) -> io::Result<Self> {
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or(io::ErrorKind::InvalidData)?;
        let living = Arc::new(Guarded::new(true));
        let (tell, exit) = watch::channel(None);
        let mine = Arc::clone(&living);
        thread::Builder::new()
            .name("waiter".to_owned())
            .stack_size(WAITER_STACK)
            .spawn(move || {
                // Its number is only given back, by wait, once nobody will signal it any more.
                while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(
                    WaitId::Pid(pid),
                    WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
                ) {}
                let mut living = mine.lock();
                *living = false;
                let code = child.wait().map_or(-1, exit_code);
                drop(living);
                tell.send_replace(Some(code));
            })?;
        Ok(Self { pid, living, exit })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal to the process itself.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), String> {
        let living = self.living.lock();
        if !*living {
            return Err("os: process already finished".to_owned());
        }
        rustix::process::kill_process(self.pid, signal).map_err(|error| sentence(&error.into()))
    }

    /// Sends a signal to its whole process group, of which members may outlive it.
    pub(crate) fn signal_group(&self, signal: Signal) {
        let _gone = rustix::process::kill_process_group(self.pid, signal);
    }

    /// Waits until it has ended; its exit code, or 128 and the number of the signal that ended it.
    pub(crate) async fn ended(&mut self) -> i32 {
        match self.exit.wait_for(Option::is_some).await {
            Ok(code) => code.unwrap_or(-1),
            Err(_) => -1,
        }
    }
}

/// Where the program of that name lies, as found in this process's own PATH.
pub(crate) fn look_up(name: &str) -> Option<PathBuf> {
    if name.is_empty() {
        return None;
    }
    if name.contains('/') {
        return is_executable(Path::new(name)).then(|| PathBuf::from(name));
    }
    let path = super::environment::own().remove("PATH").unwrap_or_default();
    path.split(':')
        .map(|directory| Path::new(directory).join(name))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

fn missing(name: &str) -> String {
    if name.contains('/') {
        format!("fork/exec {name}: no such file or directory")
    } else {
        format!("exec: {name:?}: executable file not found in $PATH")
    }
}

/// Whether a file begins as a program does. The C library would hand anything else to a shell; Go does not.
fn has_magic(path: &Path) -> bool {
    let mut magic = [0; 2];
    match File::open(path).and_then(|mut file| file.read_exact(&mut magic)) {
        Ok(()) => magic == *b"#!" || magic == *b"\x7fE",
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1)
}

/// The words for an error of the system as Go and the C library have them: lower case and nothing else.
pub(crate) fn sentence(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}
