//! Getting a command to run.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;

use super::super::client::{Client, required};
use super::super::duration::Span;
use super::super::envelope::is_id;
use super::super::error::PebbleError;
use super::error::ExecError;
use super::inlet::Inlet;
use super::leash::Leash;
use super::messages::Messages;
use super::outlet::Outlet;
use super::process::Process;
use super::setup::Exec;
use super::shared::Passage;
use super::stderr;
use super::stdin::{Input, Stdin};
use super::stdout::{Source, Stdout};
use super::websocket::{self, Channel, Socket};

/// How long to wait for the reason when the websockets could not be connected: the daemon's 5 s and a little more.
const REASON: Duration = Duration::from_secs(7);

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
        let passage = self.passage(exec).await;
        self.begin(exec, passage).await
    }

    /// Starts a command whose bulk goes this way.
    pub(super) async fn begin(&self, exec: &Exec, passage: Passage) -> Result<Process, ExecError> {
        let target = "/v1/exec";
        let request = Request {
            command: passage.command().unwrap_or(&exec.command),
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
        let (to_stdin, from_stdout) = stdio.split();
        let (leash, hold) = Leash::new(control);
        let piped = passage.is_pipe();
        let (input, input_opened, output) = match passage {
            Passage::Daemon => (messages(to_stdin), always(), Source::Socket(from_stdout)),
            Passage::Output { fifo, receiver, .. } => {
                let outlet = Outlet::new(receiver, fifo, from_stdout);
                (messages(to_stdin), always(), Source::Pipe(outlet))
            }
            Passage::Input { fifo, .. } => {
                let (inlet, opened) = Inlet::new(fifo);
                end(to_stdin).await;
                (Input::Pipe(inlet), opened, Source::Socket(from_stdout))
            }
        };
        let (stdout, stdout_end) = Stdout::new(output, exec.stall_limit);
        let stdin = Stdin::new(input, hold, stdout_end.clone(), exec.stall_limit);
        tracing::debug!(command = %exec.name(), %change, piped, "command started");
        Ok(Process {
            stdin: Some(stdin),
            stdout: Some(stdout),
            client: self.clone(),
            command: exec.name(),
            timeout: exec.timeout,
            stall_limit: exec.stall_limit,
            change,
            leash,
            input_opened,
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

fn messages(socket: SplitSink<Socket, Message>) -> Input {
    Input::Messages(Messages::new(socket))
}

/// What needs no opening.
fn always() -> watch::Receiver<bool> {
    watch::channel(true).1
}

/// Ends a standard input that carries nothing. A command that is gone already needs no end.
async fn end(mut socket: SplitSink<Socket, Message>) {
    if let Err(error) = socket.send(websocket::end()).await {
        tracing::debug!(%error, "the end of an empty standard input");
    }
}
