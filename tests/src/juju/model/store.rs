//! The model's directory.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Model;
use crate::juju::context::LogLine;
use crate::juju::unit::UnitName;

/// The door to a model's directory.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

/// One entry of the debug log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogEntry {
    /// When, in UTC.
    pub time: Timestamp,
    /// Whose agent logs, `unit-synapse-0`.
    pub entity: String,
    /// What is logged.
    #[serde(flatten)]
    pub line: LogLine,
}

impl Store {
    /// Opens a directory that holds a model.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self> {
        let dir = dir.into();
        anyhow::ensure!(
            dir.join("model.json").is_file(),
            "no model lies in {}",
            dir.display()
        );
        Ok(Store {
            dir: fs::canonicalize(dir)?,
        })
    }

    /// Makes a directory for a new model.
    pub fn create(dir: &Path, model: &Model) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("failed to make {}", dir.display()))?;
        let store = Store {
            dir: fs::canonicalize(dir)?,
        };
        for folder in ["charms", "tasks", "units"] {
            fs::create_dir_all(store.dir.join(folder))?;
        }
        write_whole(
            &store.dir.join("model.json"),
            &serde_json::to_vec_pretty(model)?,
        )?;
        Ok(store)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The model as it is now.
    pub fn read(&self) -> Result<Model> {
        let path = self.dir.join("model.json");
        let bytes =
            fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("failed to understand {}", path.display()))
    }

    /// Changes the model in one step; other programs wait.
    pub fn update<T>(&self, change: impl FnOnce(&mut Model) -> T) -> Result<T> {
        let lock = File::create(self.dir.join("lock"))?;
        lock.lock()?;
        let mut model = self.read()?;
        let answer = change(&mut model);
        write_whole(
            &self.dir.join("model.json"),
            &serde_json::to_vec_pretty(&model)?,
        )?;
        Ok(answer)
    }

    /// Changes the model in one step, or not at all when the change fails.
    pub fn try_update<T>(&self, change: impl FnOnce(&mut Model) -> Result<T>) -> Result<T> {
        self.update(|model| {
            let before = model.clone();
            change(model).inspect_err(|_| *model = before)
        })?
    }

    /// Where a unit's pod lies.
    pub fn unit_dir(&self, unit: &UnitName) -> PathBuf {
        self.dir.join("units").join(unit.pod())
    }

    /// Where an application's charm is kept.
    pub fn charm_path(&self, application: &str) -> PathBuf {
        self.dir.join("charms").join(format!("{application}.charm"))
    }

    /// Appends to the debug log.
    pub fn log(&self, unit: &UnitName, line: &LogLine) -> Result<()> {
        let entry = LogEntry {
            time: now(),
            entity: unit.tag(),
            line: line.clone(),
        };
        let mut text = serde_json::to_vec(&entry)?;
        text.push(b'\n');
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("debug.log"))?;
        file.write_all(&text)?;
        Ok(())
    }

    /// The debug log from its beginning.
    pub fn logged(&self) -> Result<Vec<LogEntry>> {
        let file = match File::open(self.dir.join("debug.log")) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let lines = BufReader::new(file).lines();
        lines
            .map(|line| Ok(serde_json::from_str(&line?)?))
            .collect()
    }
}

/// The time, to the second.
pub(in crate::juju) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Writes a file so that a reader sees the old one or the new one.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    fs::write(&draft, bytes)
        .and_then(|()| fs::rename(&draft, path))
        .with_context(|| format!("failed to write {}", path.display()))
}
