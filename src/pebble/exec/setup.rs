//! What to run, and getting it to run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::super::client::{Client, required};
use super::super::duration::Span;
use super::super::envelope::is_id;
use super::super::error::PebbleError;
use super::error::ExecError;
use super::leash::Leash;
use super::process::Process;
use super::stderr;
use super::stdin::Stdin;
use super::stdout::Stdout;
use super::websocket::{self, Channel, Socket};

/// How long a stream may stand still unless said otherwise.
const STALL: Duration = Duration::from_secs(15 * 60);

/// How long to wait for the reason when the websockets could not be connected: the daemon's 5 s and a little more.
const REASON: Duration = Duration::from_secs(7);

/// A command to be run in the container, and how.
///
/// There is no shell unless the command names one. Signals, the time limit and the leash reach the command itself but
/// not its children, so a shell should `exec` what it is there for.
#[derive(Clone)]
pub struct Exec {
    /// The program, looked up in the daemon's PATH, and its arguments.
    pub command: Vec<String>,
    /// Variables laid over the daemon's own.
    pub environment: BTreeMap<String, String>,
    /// Where it runs; by default `/`. The daemon's own default fails for users whose home is missing.
    pub working_dir: String,
    /// The user; needs `group_id` when it has no passwd entry.
    pub user_id: Option<u32>,
    /// The group.
    pub group_id: Option<u32>,
    /// How long it may run before the daemon kills it.
    pub timeout: Option<Duration>,
    /// How long its input or output may stand still while somebody waits for it; by default a quarter of an hour.
    pub stall_limit: Duration,
}

impl Exec {
    /// A command and its arguments, with everything else at its default.
    pub fn new<S: Into<String>>(command: impl IntoIterator<Item = S>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            environment: BTreeMap::new(),
            working_dir: "/".to_owned(),
            user_id: None,
            group_id: None,
            timeout: None,
            stall_limit: STALL,
        }
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Sets where it runs.
    #[must_use]
    pub fn working_dir(mut self, path: impl Into<String>) -> Self {
        self.working_dir = path.into();
        self
    }

    /// Sets user and group.
    #[must_use]
    pub fn user(mut self, user_id: u32, group_id: u32) -> Self {
        self.user_id = Some(user_id);
        self.group_id = Some(group_id);
        self
    }

    /// Sets how long it may run.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Sets how long its streams may stand still.
    #[must_use]
    pub fn stall_limit(mut self, limit: Duration) -> Self {
        self.stall_limit = limit;
        self
    }

    /// The program's name, which is all that messages tell of the command.
    pub(super) fn name(&self) -> String {
        self.command.first().cloned().unwrap_or_default()
    }
}

impl fmt::Debug for Exec {
    /// Leaves out the values of variables, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exec")
            .field("command", &self.command)
            .field("environment", &self.environment.keys())
            .field("working_dir", &self.working_dir)
            .field("user_id", &self.user_id)
            .field("group_id", &self.group_id)
            .field("timeout", &self.timeout)
            .field("stall_limit", &self.stall_limit)
            .finish()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Request<'a> {
    command: &'a [String],
    environment: &'a BTreeMap<String, String>,
    working_dir: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<Span>,
    split_stderr: bool,
}

/// The reply. It holds the command's whole environment too, which is not even kept.
#[derive(Deserialize)]
struct Reply {
    #[serde(rename = "task-id")]
    task_id: String,
    #[serde(default, rename = "environment")]
    _environment: IgnoredAny,
}

impl Client {
    /// Starts a command. It runs when this returns, and is killed when the [`Process`] is dropped.
    pub async fn exec(&self, exec: &Exec) -> Result<Process, ExecError> {
        let target = "/v1/exec";
        let request = Request {
            command: &exec.command,
            environment: &exec.environment,
            working_dir: &exec.working_dir,
            user_id: exec.user_id,
            group_id: exec.group_id,
            timeout: exec.timeout.map(Span),
            split_stderr: true,
        };
        let (change, reply) = self.post_change::<Reply>(target, &request).await?;
        let task = required(target, reply)?.task_id;
        if !is_id(&task) {
            return Err(
                PebbleError::protocol(target, format_args!("{task:?} is no id of a task")).into(),
            );
        }
        let [control, stdio, stderr] = match self.connect(&task).await {
            Ok(sockets) => sockets,
            Err(error) => return Err(self.reason(&change, error).await.into()),
        };

        let stderr = stderr::read(stderr);
        let (input, output) = stdio.split();
        let (leash, hold) = Leash::new(control);
        let (stdout, stdout_end) = Stdout::new(output, exec.stall_limit);
        let stdin = Stdin::new(input, hold, stdout_end.clone(), exec.stall_limit);
        tracing::debug!(command = %exec.name(), %change, "command started");
        Ok(Process {
            stdin: Some(stdin),
            stdout: Some(stdout),
            client: self.clone(),
            command: exec.name(),
            timeout: exec.timeout,
            change,
            leash,
            stdout_end,
            stderr,
        })
    }

    /// Control first: from then on the command cannot outlive us, and a short one cannot be over before.
    async fn connect(&self, task: &str) -> Result<[Socket; 3], PebbleError> {
        let control = websocket::connect(self.socket(), task, Channel::Control).await?;
        let stdio = websocket::connect(self.socket(), task, Channel::Stdio).await?;
        let stderr = websocket::connect(self.socket(), task, Channel::Stderr).await?;
        Ok([control, stdio, stderr])
    }

    /// What the daemon says about a command that could not be connected to, if it says anything.
    async fn reason(&self, change: &str, error: PebbleError) -> PebbleError {
        if error.is_connection() {
            return error;
        }
        match self.wait_noting(change, REASON, |_| false).await {
            Ok(change) => change.check().err().unwrap_or(error),
            Err(_) => error,
        }
    }
}
