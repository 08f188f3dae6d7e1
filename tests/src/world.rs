//! A world: a model with its pods, and an S3 server, made for one test or one demo and gone with it.
//!
//! All is done by typing commands, as a person does; only what has no command is reached by other ways. A world that is
//! finished leaves nothing behind. One that is dropped before keeps its files and prints where they are. In both cases nothing
//! of it runs on, not even when the test is killed: the pods have this process as their keeper.

mod action;
mod command;
mod content;
mod store;
mod trapped;
mod unit;
mod victims;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

pub use self::action::Action;
pub use self::command::CommandOutput;
pub use self::content::Content;
pub use self::store::Store;
pub use self::trapped::Trapped;
use crate::deadline::{Deadline, Look};
use crate::matrix::Homeserver;
use crate::parts;
use crate::pod::Pod;
use crate::postgres::{Admin, Server};

/// How long a unit may take to reach a status.
const SETTLE: Duration = Duration::from_secs(90);

/// A model and an S3 server.
#[derive(Debug)]
pub struct World {
    directory: Option<TempDir>,
    model: PathBuf,
    store: Store,
    postgres: Option<Server>,
    show: Option<fn(&str)>,
}

impl World {
    /// Makes a world without a model yet, with the S3 server of this process.
    pub fn new() -> Result<Self> {
        Self::with(|directory| Store::embedded(&directory.join("s3")))
    }

    /// Makes a world with versitygw.
    pub fn with_versitygw() -> Result<Self> {
        Self::with(|_| Store::versitygw())
    }

    /// Makes a world with the S3 server that `store` starts; it is given the world's directory.
    pub fn with(store: impl FnOnce(&Path) -> Result<Store>) -> Result<Self> {
        // Short, because sockets lie far below it and their paths have a limit.
        let directory = tempfile::Builder::new()
            .prefix("world-")
            .tempdir()
            .context("failed to make a directory")?;
        let store = store(directory.path())?;
        let model = directory.path().join("model");
        Ok(Self {
            directory: Some(directory),
            model,
            store,
            postgres: None,
            show: None,
        })
    }

    /// The same, with a PostgreSQL server for `juju deploy postgresql-k8s`.
    pub fn with_postgres(mut self) -> Result<Self> {
        self.postgres = Some(Server::start()?);
        Ok(self)
    }

    /// The superuser of its PostgreSQL server.
    pub fn postgres(&self) -> Result<&Admin> {
        let server = self.postgres.as_ref();
        server
            .map(Server::admin)
            .context("this world has no PostgreSQL")
    }

    /// The same, with each command and what it prints shown to `show`.
    #[must_use]
    pub fn shown_by(mut self, show: fn(&str)) -> Self {
        self.show = Some(show);
        self
    }

    /// The same, with nothing shown.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        self.show = None;
        self
    }

    /// Its S3 server.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A directory for whatever else the test keeps.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory
            .as_ref()
            .map(|directory| directory.path().join(name))
            .unwrap_or_default()
    }

    /// Types `juju` with these words.
    pub fn juju(&self, words: &[&str]) -> Result<CommandOutput> {
        let line = command::typed(&[&["juju"], words].concat());
        command::run(self.juju_command()?.args(words), &line, self.show)
    }

    /// The same, never shown.
    pub fn juju_quietly(&self, words: &[&str]) -> Result<CommandOutput> {
        let line = command::typed(&[&["juju"], words].concat());
        command::run(self.juju_command()?.args(words), &line, None)
    }

    /// Types a command of the machine in a directory.
    pub fn run(&self, directory: &Path, words: &[&str]) -> Result<CommandOutput> {
        let (program, rest) = words.split_first().context("no command")?;
        command::run(
            Command::new(program).args(rest).current_dir(directory),
            &command::typed(words),
            self.show,
        )
    }

    /// The look-alike, in this world's model, from the top of the sources.
    fn juju_command(&self) -> Result<Command> {
        let mut command = Command::new(parts::program("juju")?);
        command
            .current_dir(parts::workspace())
            .envs(self.environment())
            .envs(self.postgres.as_ref().map(Server::environment));
        Ok(command)
    }

    /// What a program needs in its environment to work on this world's model.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("JUJU_LOOKALIKE_DIR", self.model.display().to_string()),
            ("POD_KEEPER", std::process::id().to_string()),
        ]
    }

    /// The pod of a unit such as `synapse/0`.
    pub fn pod(&self, unit: &str) -> Result<Pod> {
        Pod::found(&self.model.join("units").join(unit.replace('/', "-")))
    }

    /// The homeserver of a unit, as a client reaches it.
    pub fn homeserver(&self, unit: &str) -> Result<Homeserver> {
        let homeserver = Homeserver::at(self.pod(unit)?.address());
        Ok(match self.show {
            Some(show) => homeserver.shown_by(show),
            None => homeserver,
        })
    }

    /// Waits until a unit has a status whose message contains a text, and returns the message.
    pub fn wait_for_status(&self, unit: &str, status: &str, message: &str) -> Result<String> {
        let awaited = format!("{unit} to be {status} {message:?}");
        Deadline::after(SETTLE).wait_for(&awaited, || {
            // Time passes for the model only when somebody says so.
            self.juju_quietly(&["lever", "settle"])?.success()?;
            let facts = self
                .juju_quietly(&["status", "--format", "json"])?
                .success()?;
            let facts: Value = serde_json::from_str(&facts).context("a status that is no JSON")?;
            let application = unit.split('/').next().unwrap_or_default();
            let shown = &facts["applications"][application]["units"][unit]["workload-status"];
            let text = shown["message"].as_str().unwrap_or_default();
            Ok(match shown["current"] == status && text.contains(message) {
                true => Look::Done(text.to_owned()),
                false => Look::NotYet(shown.to_string()),
            })
        })
    }

    /// Ends the world and leaves nothing behind.
    pub fn finish(mut self) -> Result<()> {
        self.end()?;
        match self.directory.take() {
            Some(directory) => directory
                .close()
                .context("failed to remove the world's directory"),
            None => Ok(()),
        }
    }

    /// Kills whatever runs in its pods.
    fn end(&self) -> Result<()> {
        let Ok(units) = std::fs::read_dir(self.model.join("units")) else {
            return Ok(());
        };
        for unit in units {
            let unit = unit?.path();
            if unit.join("pod.json").is_file() {
                Pod::found(&unit)?.kill_all()?;
            }
        }
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let Some(directory) = self.directory.take() else {
            return;
        };
        if let Err(error) = self.end() {
            eprintln!("failed to end a world: {error:#}");
        }
        eprintln!("kept for a look: {}", directory.keep().display());
    }
}
