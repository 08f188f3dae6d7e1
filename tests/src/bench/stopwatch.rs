//! A process between the agent and the charm's, which tells how that one lived.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::process::{self, Reading};
use crate::juju::launcher::Launcher;
use crate::pod::{Pod, Process};

/// The word by which the bench's program knows that it is to stand between.
const WORD: &str = "stopwatch";

/// A pod whose charm processes are timed.
pub(super) struct Stopwatch {
    pod: Pod,
    readings: PathBuf,
}

impl Stopwatch {
    /// Times the processes of a pod; the last reading is kept in this file.
    pub(super) fn new(pod: Pod, readings: PathBuf) -> Self {
        Self { pod, readings }
    }

    /// The pod.
    pub(super) fn pod(&self) -> &Pod {
        &self.pod
    }

    /// How the last process lived.
    pub(super) fn reading(&self) -> Result<Reading> {
        let text = fs::read(&self.readings).context("the charm's process was not timed")?;
        Ok(serde_json::from_slice(&text)?)
    }
}

impl Launcher for Stopwatch {
    fn command(&self, program: &Path, environment: &BTreeMap<String, String>) -> Command {
        let inner = self.pod.command(program, environment);
        // When our own path is unknown, the command fails when it is run.
        let own = std::env::current_exe().unwrap_or_else(|_| "bench".into());
        let name = program.file_name().unwrap_or(program.as_os_str());
        let mut command = Command::new(own);
        command.arg(WORD).arg(&self.readings).arg(name);
        command.arg(inner.get_program()).args(inner.get_args());
        command.env_clear().envs(environment);
        command
    }

    fn host_path(&self, inside: &Path) -> PathBuf {
        self.pod.host_path(inside)
    }
}

/// Does the work between, when these words ask for it: file of readings, name of the program, and the command.
pub fn stand_between(words: &[String]) -> Option<Result<ExitCode>> {
    match words {
        [word, readings, name, program, arguments @ ..] if word == WORD => {
            Some(time(readings.as_ref(), name, program, arguments))
        }
        _ => None,
    }
}

fn time(readings: &Path, name: &str, program: &str, arguments: &[String]) -> Result<ExitCode> {
    let mut child = Command::new(program)
        .args(arguments)
        .spawn()
        .with_context(|| format!("failed to start {program}"))?;
    let id = child.id();
    let mut reading = Reading::default();
    // The way into the container goes over other programs. The clock starts when the process has become the charm's.
    while process::name(id).is_some_and(|now| now != name) && child.try_wait()?.is_none() {
        thread::sleep(Duration::from_micros(50));
    }
    let began = Instant::now();
    if let Ok(process) = Process::of(id.cast_signed()) {
        while !process.wait(Duration::from_millis(20))? {
            reading.peak = reading.peak.max(process::peak(id).unwrap_or_default());
        }
    }
    reading.wall = began.elapsed().as_secs_f64();
    reading.cpu = process::cpu(id);
    let status = child.wait()?;
    fs::write(readings, serde_json::to_vec(&reading)?).context("failed to keep the reading")?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}
