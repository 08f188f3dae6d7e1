//! One exec from its first websocket to its exit code.

use std::io::{PipeReader, PipeWriter};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::duration::Span;
use super::faults::{self, Meter, Then, Way};
use super::log::say;
use super::process::{Process, Program, Streams, sentence};
use super::request::Object;
use super::server::Server;
use super::session::{Heard, Session, SharedSender, Socket, leave_open};
use super::signal;

/// How long a client may take to connect its websockets.
const CONNECT: Duration = Duration::from_secs(5);
/// As much as a pipe holds, and so the most that a message has.
const MESSAGE: usize = 64 << 10;

/// One exec.
pub(crate) struct Running {
    server: Arc<Server>,
    task: String,
    session: Arc<Session>,
    program: Program,
    timeout: Option<Span>,
    meter: Arc<Meter>,
}

/// The daemon's ends of a process's pipes.
struct Ends {
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
    stderr: Option<pipe::Receiver>,
}

impl Running {
    pub(crate) fn new(
        server: Arc<Server>,
        task: String,
        session: Arc<Session>,
        program: Program,
        timeout: Option<Span>,
        meter: Meter,
    ) -> Self {
        Self {
            server,
            task,
            session,
            program,
            timeout,
            meter: Arc::new(meter),
        }
    }

    /// Runs it to its end and notes how it ended.
    pub(crate) async fn run(self) {
        let Some(mut abort) = self.server.changes.start(&self.task) else {
            return;
        };
        let aborted = abort.wait_for(|aborted| *aborted);
        // Cancel safe: neither side loses anything but its place in a queue of waiters.
        let result = tokio::select! {
            () = self.session.connected() => None,
            _ = aborted => Some("context canceled".to_owned()),
            () = tokio::time::sleep(CONNECT) => Some(format!(
                "exec {}: timeout waiting for websocket connections: context deadline exceeded",
                self.task
            )),
        };
        let result = match result {
            Some(error) => Err(error),
            None => self.execute(abort).await,
        };
        // Whoever learns of the end must find that no websocket is to be had any more.
        self.server.sessions.lock().remove(&self.task);
        self.session.end();
        self.server.changes.finish(&self.task, result);
    }

    /// Starts the process, moves its streams, and waits for all of them.
    async fn execute(&self, mut abort: watch::Receiver<bool>) -> Result<(), String> {
        let begun = Instant::now();
        let Some(stdio) = self.session.take("stdio") else {
            return Err("stdio is not connected".to_owned());
        };
        let stderr = self.session.take("stderr");
        let started = self.start(stderr.is_some());
        let (mut process, ends) = match started {
            Ok(started) => started,
            Err(error) => {
                for socket in [Some(stdio), stderr].into_iter().flatten() {
                    let _gone = socket.sender.lock().await.end().await;
                    leave_open(socket);
                }
                self.set_exit_code(-1);
                return Err(error);
            }
        };
        let control = tokio::spawn(attend_control(Arc::clone(&self.session), process.clone()));
        let stdout = self.send_output(
            (ends.stdout, &process),
            &stdio.sender,
            Some(Way::FromProcess),
        );
        let errors = ends.stderr.zip(stderr).map(|(pipe, socket)| {
            let pump = self.send_output((pipe, &process), &socket.sender, None);
            (pump, socket)
        });
        let stdin = tokio::spawn(receive_input(stdio, ends.stdin, Arc::clone(&self.meter)));

        let code = self.wait(&mut process, &mut abort, begun).await;
        control.abort();
        let _aborted = control.await;
        drop(self.session.take("control"));
        let _ended = stdout.await;
        if let Some((pump, socket)) = errors {
            let _ended = pump.await;
            leave_open(socket);
        }
        stdin.abort();
        if let Some(timeout) = self
            .timeout
            .filter(|timeout| begun.elapsed() >= timeout.as_duration())
        {
            self.set_exit_code(-1);
            return Err(format!(
                "timed out after {timeout}: context deadline exceeded"
            ));
        }
        self.set_exit_code(code);
        Ok(())
    }

    fn start(&self, split_stderr: bool) -> Result<(Process, Ends), String> {
        let cannot = |error: std::io::Error| sentence(&error);
        let (input, stdin) = std::io::pipe().map_err(cannot)?;
        let (output, stdout) = std::io::pipe().map_err(cannot)?;
        let (errors, stderr) = if split_stderr {
            let (errors, stderr) = std::io::pipe().map_err(cannot)?;
            (Some(errors), stderr)
        } else {
            (None, stdout.try_clone().map_err(cannot)?)
        };
        let ends = Ends {
            stdin: writer(stdin).map_err(cannot)?,
            stdout: reader(output).map_err(cannot)?,
            stderr: errors.map(reader).transpose().map_err(cannot)?,
        };
        let process = self.program.start(Streams {
            stdin: Some(input),
            stdout,
            stderr,
        })?;
        Ok((process, ends))
    }

    /// Waits for the process, and kills it when its time is over or the change is aborted.
    async fn wait(
        &self,
        process: &mut Process,
        abort: &mut watch::Receiver<bool>,
        begun: Instant,
    ) -> i32 {
        let time_is_over = async {
            match self.timeout {
                Some(timeout) => {
                    tokio::time::sleep_until((begun + timeout.as_duration()).into()).await
                }
                None => std::future::pending().await,
            }
        };
        // Cancel safe: the process's end is remembered, and each of the others ends the waiting.
        tokio::select! {
            code = process.ended() => return code,
            () = time_is_over => {}
            _ = abort.wait_for(|aborted| *aborted) => {}
        }
        let _gone = process.signal(Signal::KILL);
        process.ended().await
    }

    fn send_output(
        &self,
        (pipe, process): (pipe::Receiver, &Process),
        sender: &SharedSender,
        way: Option<Way>,
    ) -> JoinHandle<()> {
        tokio::spawn(send_output(
            (pipe, process.clone()),
            Arc::clone(sender),
            way,
            Arc::clone(&self.meter),
        ))
    }

    fn set_exit_code(&self, code: i32) {
        if !self.meter.faults().hides_exit_code() {
            self.server
                .changes
                .set_data(&self.task, json!({"exit-code": code}));
        }
    }
}

fn reader(end: PipeReader) -> std::io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd(end.into())
}

fn writer(end: PipeWriter) -> std::io::Result<pipe::Sender> {
    pipe::Sender::from_owned_fd(end.into())
}

/// Sends what a process writes, each read as one message, and in the end says so: when the process is gone, too.
async fn send_output(
    (mut pipe, mut process): (pipe::Receiver, Process),
    sender: SharedSender,
    way: Option<Way>,
    meter: Arc<Meter>,
) {
    let mut buffer = vec![0; MESSAGE];
    loop {
        let count = match pipe.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        let (count, then) = way.map_or((count, Then::Go), |way| meter.pass(way, count));
        if count > 0 && sender.lock().await.bytes(&buffer[..count]).await.is_err() {
            // With the pipe goes the reader of what the process writes next.
            return;
        }
        match then {
            Then::Go => {}
            Then::Drop => return sender.lock().await.drop_it(),
            Then::Stall => std::future::pending().await,
            Then::Crash => faults::crash(),
        }
    }
    process.ended().await;
    if !meter.faults().hides_end() {
        let _gone = sender.lock().await.end().await;
    }
    leave_open(sender);
}

/// Hands what a client sends to the process, until either has had enough.
async fn receive_input(mut stdio: Socket, mut stdin: pipe::Sender, meter: Arc<Meter>) {
    loop {
        let bytes = match stdio.hear().await {
            Ok(Heard::Bytes(bytes)) => bytes,
            Ok(Heard::Text(text)) if is_end(&text) => break,
            Ok(Heard::Text(_)) => continue,
            Ok(Heard::Closed) | Err(_) => break,
        };
        let (count, then) = meter.pass(Way::ToProcess, bytes.len());
        if stdin.write_all(&bytes[..count]).await.is_err() {
            break;
        }
        match then {
            Then::Go => {}
            Then::Drop => {
                stdio.sender.lock().await.drop_it();
                break;
            }
            Then::Stall => std::future::pending().await,
            Then::Crash => faults::crash(),
        }
    }
    drop(stdin);
    // What comes now is not read, but the connection stays as long as the output needs it.
    std::future::pending::<()>().await;
    drop(stdio);
}

fn is_end(text: &[u8]) -> bool {
    let command = Object::decode(text).and_then(|message| message.field::<String>("command"));
    command.is_ok_and(|command| command == "end")
}

/// Obeys control while the process lives. When it breaks off without Close the process is killed.
async fn attend_control(session: Arc<Session>, process: Process) {
    session.control_connected().await;
    let Some(mut control) = session.take("control") else {
        return;
    };
    loop {
        match control.hear().await {
            Ok(Heard::Text(text)) => obey(&text, &process),
            Ok(Heard::Bytes(_)) => {}
            Ok(Heard::Closed) => break,
            Err(error) => {
                // A connection reset is another matter to the real daemon: that one does not kill.
                if error.kind() == std::io::ErrorKind::UnexpectedEof {
                    let _gone = process.signal(Signal::KILL);
                }
                break;
            }
        }
    }
    std::future::pending::<()>().await;
    drop(control);
}

fn obey(text: &[u8], process: &Process) {
    let read = |text: &[u8]| -> Result<(String, String), String> {
        let message = Object::decode(text)?;
        let signal: serde_json::Map<_, _> = message.field("signal")?;
        Ok((
            message.field("command")?,
            Object::from(signal).field("name")?,
        ))
    };
    match read(text) {
        Ok((command, name)) if command == "signal" => match signal::by_name(&name) {
            Some(signal) => drop(process.signal(signal)),
            None => say(&format!("invalid signal name {name:?} on control")),
        },
        Ok((command, _)) => say(&format!("invalid control command {command:?}")),
        Err(error) => say(&format!("cannot decode control command: {error}")),
    }
}
