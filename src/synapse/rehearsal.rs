//! A rehearsal: a second Synapse is started on a copy of the data, works for a moment, and is stopped.
//!
//! It is the only proof that Synapse takes the data. That Synapse talks to nobody: it listens on the loopback, is
//! configured to send nothing and to ask nobody, and its way out leads nowhere. It writes to the copy, which is brought to
//! the program's schema: the copy is good for nothing else afterwards.

mod stage;

use std::pin::pin;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::time::timeout;

use super::data::{AskError, CheckError, Checked, ask, check};
use super::{DATABASE, GID, ServerName, UID, secrets};
use crate::pebble::{self, ExecError, PebbleError, Process, Signal, Stdout, WriteOptions};

pub use stage::homeserver_yaml;

const PROBE: &str = include_str!("rehearsal/probe.py");
/// The configuration's name, beside the one that came with the data.
const CONFIG: &str = "rehearsal.yaml";
/// How long it may take to find a free port.
const QUICK: Duration = Duration::from_secs(30);
/// How long Synapse may take to stop, and a stopped one to be gone.
const STOP: Duration = Duration::from_secs(30);

/// A Synapse that worked on the data.
#[derive(Debug, Clone, PartialEq)]
pub struct Rehearsed {
    /// Seconds from its start to its answers.
    pub seconds: f64,
    /// Its version, such as `1.163.2`.
    pub version: String,
    /// The database after it, checked once more: its rows, and the schema that it was brought to.
    pub database: Checked,
    /// Files that the data lacked and that were made up for it, such as a signing key.
    pub made_up: Vec<String>,
}

/// Why it is not known that Synapse works on the data.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// There is no SQLite database, so Synapse would work on an empty one.
    #[error("there is no database to rehearse with")]
    NoDatabase,
    /// The container did not do what it was asked to.
    #[error("failed to prepare a rehearsal")]
    Prepare(#[source] PebbleError),
    /// The container has no free port, or its Python does not run.
    #[error("failed to find a port for a rehearsal")]
    Port(#[source] AskError),
    /// There is no chance for the files that are made up.
    #[error("failed to make up what the data lacks")]
    Random(#[source] getrandom::Error),
    /// The configuration could not be written down.
    #[error("failed to write the configuration of a rehearsal")]
    Configuration(#[source] serde_yaml::Error),
    /// Synapse could not be started, or ended by itself; its last words come along.
    #[error("synapse does not run on the data")]
    Died(#[source] ExecError),
    /// Synapse ended by itself as if it were told to.
    #[error("synapse ended at once; its last words: {0}")]
    Left(String),
    /// Synapse runs and does not answer as it should.
    #[error("synapse does not work on the data; its last words: {last_words}")]
    Silent {
        /// The end of its log.
        last_words: String,
        /// What was seen of it.
        source: AskError,
    },
    /// The database is not whole after Synapse has worked on it.
    #[error("the database is not whole after synapse has worked on it")]
    Database(#[source] CheckError),
}

impl RehearsalError {
    /// Whether this says something about the data, and not only about the container that the rehearsal was in.
    pub fn is_about_the_data(&self) -> bool {
        match self {
            Self::Died(error) => ended_by_itself(error),
            Self::Silent { source, .. } => match source {
                AskError::Run(error) => ended_by_itself(error),
                AskError::Answer(_) => true,
            },
            Self::NoDatabase | Self::Left(_) | Self::Database(CheckError::Damaged(_)) => true,
            Self::Prepare(_)
            | Self::Port(_)
            | Self::Random(_)
            | Self::Configuration(_)
            | Self::Database(CheckError::Ask(_)) => false,
        }
    }
}

/// Whether a command came to its own end, which no signal was.
fn ended_by_itself(error: &ExecError) -> bool {
    matches!(error, ExecError::Exit { signal: None, .. })
}

/// Starts Synapse on a staged data directory, given by its absolute path in the workload, and stops it again.
///
/// `deadline` is how long it may take until it answers, with the migration of an old database. It is killed when that
/// has passed, when this is dropped, and when this process dies. The directory is changed and has to be thrown away.
pub async fn rehearse(
    client: &pebble::Client,
    staged: &str,
    server_name: &ServerName,
    deadline: Duration,
) -> Result<Rehearsed, RehearsalError> {
    let database = stage::below(staged, DATABASE);
    let found = client.stat(&database).await;
    if found.map_err(RehearsalError::Prepare)?.is_none() {
        return Err(RehearsalError::NoDatabase);
    }
    let made_up = make_up(client, staged, server_name).await?;
    let Port { port } = ask(client, PROBE, &["port"], QUICK)
        .await
        .map_err(RehearsalError::Port)?;
    let yaml = homeserver_yaml(staged, server_name, port).map_err(RehearsalError::Configuration)?;
    let configuration = format!("{staged}/{CONFIG}");
    write(client, &configuration, &yaml).await?;

    let begun = Instant::now();
    let command = ["python3", "-m", "synapse.app.homeserver", "--config-path"];
    let command = command.into_iter().chain([configuration.as_str()]);
    let mut exec = pebble::Exec::new(command)
        .user(UID, GID)
        .timeout(deadline + 2 * STOP)
        .stall_limit(deadline + 2 * STOP);
    for (name, value) in stage::environment() {
        exec = exec.env(name, value);
    }
    let mut synapse = client.exec(&exec).await.map_err(RehearsalError::Died)?;
    let output = synapse.stdout.take();
    let mut ended = pin!(drain(output));
    let (port, seconds) = (port.to_string(), deadline.as_secs().to_string());
    let question = ["ask", &port, &seconds];
    // Either may lose: a server that has died is not asked on, and of one that answers the output goes on being read.
    let answered: Result<Answer, AskError> = tokio::select! {
        answered = ask(client, PROBE, &question, deadline + STOP) => answered,
        () = &mut ended => return Err(died(synapse).await),
    };
    let seconds = begun.elapsed().as_secs_f64();
    let last_words = synapse.stderr_tail();
    let stopped = stop(synapse, ended).await;
    let Answer { version } =
        answered.map_err(|source| RehearsalError::Silent { last_words, source })?;
    stopped.map_err(RehearsalError::Prepare)?;
    let database = check(client, &database)
        .await
        .map_err(RehearsalError::Database)?;
    Ok(Rehearsed {
        seconds,
        version,
        database,
        made_up,
    })
}

#[derive(Deserialize)]
struct Port {
    port: u16,
}

#[derive(Deserialize)]
struct Answer {
    version: String,
}

/// Makes up the secrets that a backup of another kind does not hold, so that Synapse starts; gives their names.
async fn make_up(
    client: &pebble::Client,
    staged: &str,
    server_name: &ServerName,
) -> Result<Vec<String>, RehearsalError> {
    let listed = client.list(staged).await.map_err(RehearsalError::Prepare)?;
    let listed = listed.unwrap_or_default();
    let existing: Vec<&str> = listed
        .iter()
        .filter(|file| file.size.is_some_and(|size| size > 0))
        .map(|file| file.name.as_str())
        .collect();
    let missing = secrets::missing(server_name, &existing, getrandom::fill);
    let mut made_up = Vec::new();
    for file in missing.map_err(RehearsalError::Random)? {
        use secrecy::ExposeSecret as _;
        let path = stage::below(staged, &file.path);
        write(client, &path, file.contents.expose_secret()).await?;
        made_up.push(super::below_data(&file.path).to_owned());
    }
    Ok(made_up)
}

async fn write(client: &pebble::Client, path: &str, text: &str) -> Result<(), RehearsalError> {
    let options = WriteOptions {
        mode: secrets::MODE,
        user_id: Some(UID),
        group_id: Some(GID),
        make_dirs: false,
    };
    client
        .write(path, text.as_bytes(), &options)
        .await
        .map_err(RehearsalError::Prepare)
}

/// Reads what nobody needs, until there is no more: then the command has ended.
async fn drain(output: Option<Stdout>) {
    if let Some(mut output) = output {
        while let Ok(Some(_)) = output.chunk().await {}
    }
}

/// Why a Synapse that has ended by itself did so.
async fn died(synapse: Process) -> RehearsalError {
    match synapse.wait(STOP).await {
        Ok(exited) => RehearsalError::Left(exited.stderr),
        Err(error) => RehearsalError::Died(error),
    }
}

/// Stops Synapse in order, and kills it when it takes too long; afterwards it is gone.
async fn stop(synapse: Process, ended: impl Future<Output = ()>) -> Result<(), PebbleError> {
    synapse.signal(Signal::Term).await;
    match timeout(STOP, ended).await {
        // How it ended is of no concern: the check of its database tells what counts.
        Ok(()) => drop(synapse.wait(STOP).await),
        Err(_) => synapse.kill().await?,
    }
    Ok(())
}
