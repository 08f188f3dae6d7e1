//! The unit agent: runs one hook or action of a unit, as Juju's would.
//!
//! One run at a time a unit. What lands and what is lost at the end of a run follows from how its
//! process ended; the model's side of that is behind [`Desk`].

mod end;
mod process;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::context::{Context, Effects, Immediate, LogLine, Run, Secret};
use super::environment::{self, ModelFacts};
use super::launcher::{Ending, Launcher};
use super::socket::Door;
use super::tools::{REFUSED, TOOLS};
use super::unit::UnitName;
use end::End;
use process::Pipe;

pub(super) use process::News;

/// The agent's door to the model.
pub trait Desk {
    /// Takes note of an effect that does not wait for the end of the run.
    fn immediate(&mut self, effect: &Immediate);

    /// Whether the run is to be ended before its time. Asked often.
    fn order(&mut self) -> Option<Order>;

    /// The way to the secrets as they are at the moment, for a model in which they may change during a run.
    fn secrets(&self) -> Option<Secrets> {
        None
    }

    /// Lands what was pending, all or nothing; an error makes the run fail.
    fn commit(&mut self, run: &Run, effects: &Effects) -> Result<(), String>;
}

/// Reads the secrets of a model as a unit sees them.
pub type Secrets = Box<dyn Fn() -> Vec<Secret> + Send + Sync>;

/// An order to end a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `juju cancel-task`: SIGKILL, to the direct child alone.
    Cancel,
    /// The pod goes: SIGTERM to the whole group, SIGKILL when the grace is over.
    Terminate {
        /// Thirty seconds in a real pod.
        grace: Duration,
    },
}

/// The agent of one unit.
pub struct Agent<'a> {
    unit: UnitName,
    model: ModelFacts,
    launcher: &'a dyn Launcher,
}

/// How a run went.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What became of it.
    pub verdict: Verdict,
    /// How its process ended; `None` when it could not be started.
    pub ending: Option<Ending>,
    /// What Juju says about it: an action's message, a hook's status message.
    pub message: String,
    /// An action's result tree, with `return-code`, and with output when there was any.
    pub results: serde_json::Map<String, serde_json::Value>,
    /// What the process wrote to standard output.
    pub stdout: Vec<u8>,
    /// What the process wrote to standard error.
    pub stderr: Vec<u8>,
    /// Hook tools that were called and that the simulation does not have: the run proves nothing then.
    pub refused: Vec<String>,
    /// How long the process ran.
    pub took: Duration,
    /// How long it ran from its first call of a hook tool: what it waited for before is no doing of the charm's.
    pub worked: Duration,
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Exit 0, flushed, and no `action-fail`.
    Completed,
    /// A hook in error or a failed action.
    Failed,
    /// An action that was cancelled.
    Aborted,
    /// A hook that was killed: to be run again from the start, no error.
    Requeued,
}

impl<'a> Agent<'a> {
    /// The agent of a unit. Lays out its directory and hook tools; `jujuc` is the tools' program.
    pub fn install(
        unit: UnitName,
        model: ModelFacts,
        launcher: &'a dyn Launcher,
        jujuc: &Path,
    ) -> io::Result<Self> {
        let tools = launcher.host_path(&unit.tools_dir(&launcher.data_dir()));
        let charm = launcher.host_path(&unit.charm_dir(&launcher.data_dir()));
        std::fs::create_dir_all(&tools)?;
        std::fs::create_dir_all(charm)?;
        lay_out_tools(&tools, jujuc)?;
        Ok(Agent {
            unit,
            model,
            launcher,
        })
    }

    /// Waits for the unit's turn: one run at a time a unit, whoever starts it.
    pub fn turn(&self) -> io::Result<Turn<'_>> {
        let data_dir = self.launcher.data_dir();
        let agent_dir = self.launcher.host_path(&self.unit.agent_dir(&data_dir));
        let lock = File::create(agent_dir.join("run.lock"))?;
        lock.lock()?;
        Ok(Turn {
            agent: self,
            _lock: lock,
        })
    }

    /// Runs what the context says, when it is the unit's turn.
    pub fn run(&self, context: Context, desk: &mut dyn Desk) -> io::Result<Report> {
        self.turn()?.run(context, desk)
    }
    /// The process to be, or why there can be none.
    fn prepare(
        &self,
        run: &Run,
        environment: &BTreeMap<String, String>,
    ) -> Result<Command, String> {
        let charm = self.unit.charm_dir(&self.launcher.data_dir());
        let on_host = self.launcher.host_path(&charm);
        if !on_host.join("metadata.yaml").is_file() {
            return Err("charm missing from disk".to_owned());
        }
        let mut process = match run {
            Run::Exec { command } => {
                let mut process = self.launcher.command(Path::new("/bin/sh"), environment);
                process.arg("-c").arg(command.join(" "));
                process
            }
            _ => {
                let dispatch = charm.join("dispatch");
                let mode = std::fs::metadata(on_host.join("dispatch"))
                    .map(|file| file.permissions().mode());
                match mode {
                    Err(error) => return Err(format!("fork/exec {}: {error}", dispatch.display())),
                    Ok(mode) if mode & 0o111 == 0 => {
                        return Err(format!(
                            "fork/exec {}: permission denied",
                            dispatch.display()
                        ));
                    }
                    Ok(_) => self.launcher.command(&dispatch, environment),
                }
            }
        };
        // In a pod the group is the agent's own. Ours must not be hit by the signals we send.
        process
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        Ok(process)
    }

    fn not_started(&self, run: &Run, text: &str, desk: &mut dyn Desk) -> Report {
        let message = match run.is_action() {
            true => text.to_owned(),
            false => format!("hook failed: {:?}", run.name()),
        };
        self.log(run, "ERROR", text, desk);
        Report {
            verdict: Verdict::Failed,
            ending: None,
            message,
            results: serde_json::Map::new(),
            stdout: Vec::new(),
            stderr: Vec::new(),
            refused: Vec::new(),
            took: Duration::ZERO,
            worked: Duration::ZERO,
        }
    }

    fn log_output(&self, run: &Run, stdout: &[u8], stderr: &[u8], desk: &mut dyn Desk) {
        for (level, output) in [("DEBUG", stdout), ("WARNING", stderr)] {
            for line in String::from_utf8_lossy(output).lines() {
                self.log(run, level, line, desk);
            }
        }
    }

    fn log(&self, run: &Run, level: &str, message: &str, desk: &mut dyn Desk) {
        desk.immediate(&Immediate::Log(LogLine {
            level: level.to_owned(),
            module: format!("unit.{}.{}", self.unit, run.name()),
            message: message.to_owned(),
        }));
    }
}

/// A unit's turn: nothing else of the unit runs as long as this lives.
pub struct Turn<'a> {
    agent: &'a Agent<'a>,
    _lock: File,
}

impl Turn<'_> {
    /// Runs what the context says. An error is a fault of the harness, not of the charm.
    pub fn run(&self, context: Context, desk: &mut dyn Desk) -> io::Result<Report> {
        let agent = self.agent;
        let data_dir = agent.launcher.data_dir();
        let run = context.run.clone();
        let id = format!("{}-{}-{}", agent.unit, run.name(), random_hex()?);
        let environment = environment::of_run(&agent.unit, &data_dir, &id, &agent.model, &context);
        let mut process = match agent.prepare(&run, &environment) {
            Ok(process) => process,
            Err(text) => return Ok(agent.not_started(&run, &text, desk)),
        };
        let (sender, news) = mpsc::sync_channel(1024);
        let socket = agent.launcher.host_path(&agent.unit.socket(&data_dir));
        let door = Door::open(&socket, id, context, desk.secrets(), sender.clone())?;
        let started = Instant::now();
        let mut child = match spawn(&mut process) {
            Ok(child) => child,
            Err(error) => return Ok(agent.not_started(&run, &error.to_string(), desk)),
        };
        let stdout = Pipe::read(child.stdout.take(), sender.clone());
        let stderr = Pipe::read(child.stderr.take(), sender);
        let (status, cancelled) = process::watch(&mut child, &news, desk)?;
        let took = started.elapsed();
        let worked = door
            .first_call()
            .map_or(Duration::ZERO, |call| call.elapsed());
        let (stdout, stderr) = Pipe::both(stdout, stderr);
        let context = door.close();
        for news in news.try_iter() {
            news.tell(desk);
        }
        agent.log_output(&run, &stdout, &stderr, desk);
        let end = End {
            ending: Ending::of(status),
            cancelled,
            stdout,
            stderr,
            took,
            worked,
        };
        Ok(end.judge(&run, &context.effects, desk))
    }
}

/// One program under many names, on the charm's PATH.
fn lay_out_tools(folder: &Path, jujuc: &Path) -> io::Result<()> {
    let program = folder.join("jujuc");
    let same = |there: fs::Metadata, given: fs::Metadata| {
        there.len() == given.len() && there.modified().ok() >= given.modified().ok()
    };
    let fresh = fs::metadata(&program)
        .and_then(|there| Ok(same(there, fs::metadata(jujuc)?)))
        .unwrap_or(false);
    if !fresh {
        let draft = folder.join(format!("jujuc.{}", random_hex()?));
        copy_program(jujuc, &draft)?;
        fs::rename(draft, &program)?;
    }
    for name in TOOLS
        .iter()
        .map(|tool| tool.name)
        .chain(REFUSED.iter().copied())
    {
        match std::os::unix::fs::symlink("jujuc", folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Copies by a process of its own. A file that we held open for writing would for a moment be open in
/// whatever another thread starts just then, and a program that is open for writing cannot be run.
fn copy_program(from: &Path, to: &Path) -> io::Result<()> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    match Command::new("cp").arg(from).arg(to).status()?.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "cp {} {} failed",
            from.display(),
            to.display()
        ))),
    }
}

/// Starts a process; waits a little when its file is still held open by somebody who is about to let go.
fn spawn(command: &mut Command) -> io::Result<Child> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match command.spawn() {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            done => return done,
        }
    }
}

fn random_hex() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
