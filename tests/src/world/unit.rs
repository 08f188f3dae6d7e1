//! What a test sees of a unit from outside: its status, its Synapse, the files of its pod.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::World;
use crate::pod::Process;

impl World {
    /// A unit's status as one line, as in `blocked: set server_name`.
    pub fn status(&self, unit: &str) -> Result<String> {
        let facts = self
            .juju_quietly(&["status", "--format", "json"])?
            .success()?;
        let facts: Value = serde_json::from_str(&facts).context("a status that is no JSON")?;
        let application = unit.split('/').next().unwrap_or_default();
        let shown = &facts["applications"][application]["units"][unit]["workload-status"];
        let word = shown["current"].as_str().context("no such unit")?;
        let message = shown["message"].as_str().unwrap_or_default();
        Ok(match message {
            "" => word.to_owned(),
            message => format!("{word}: {message}"),
        })
    }

    /// The Synapse that runs in a unit's workload: there is exactly one.
    pub fn synapse(&self, unit: &str) -> Result<Process> {
        let workload = self
            .pod(unit)?
            .workload()
            .context("the workload does not run")?;
        let found = processes_in(workload, |line| line.contains("synapse.app.homeserver"))?;
        ensure!(found.len() == 1, "{} processes of Synapse run", found.len());
        Process::of(found[0])
    }

    /// The data volume of a unit, as the machine sees it.
    pub fn data(&self, unit: &str) -> Result<PathBuf> {
        Ok(self.pod(unit)?.workload_host_path(Path::new("/data")))
    }
}

/// The processes in a container whose command line, a zero byte after each word, is a certain one.
pub(super) fn processes_in(first: Process, wanted: impl Fn(&str) -> bool) -> Result<Vec<i32>> {
    let space = |id: &str| {
        let facts = fs::metadata(format!("/proc/{id}/ns/pid"));
        facts.map(|facts| facts.ino()).ok()
    };
    let inside = space(&first.id().to_string()).context("the workload has ended")?;
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let line = fs::read(format!("/proc/{name}/cmdline")).unwrap_or_default();
        if wanted(&String::from_utf8_lossy(&line))
            && space(&name) == Some(inside)
            && let Ok(id) = name.parse()
        {
            found.push(id);
        }
    }
    Ok(found)
}
