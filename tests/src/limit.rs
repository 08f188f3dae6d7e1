//! A unit whose charm may take only so much memory, and how much each of its runs took.
//!
//! ```text
//! agent (here) > sh: notes its number, sets the limit > ... becomes dispatch
//! ```
//!
//! The limit is one of the address space (`ulimit -v`), which anybody may set and which counts all that is mapped: the
//! program, the stacks of its threads, what was only reserved. Who keeps to it keeps to any limit of a container that
//! is as large. What the system takes for the process itself (sockets, the page cache) is not in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value};

use crate::juju::agent::{Agent, Desk, Order, Verdict};
use crate::juju::context::{Effects, Immediate, Run};
use crate::juju::launcher::Launcher;
use crate::juju::model::Store;
use crate::juju::unit::UnitName;
use crate::parts;
use crate::pod::Pod;
use crate::world::World;

/// How often a process is looked at: what it took at its very end may be missed.
const LOOK: Duration = Duration::from_millis(5);

/// Notes its number, and goes on as the rest of its words within a limit in KiB.
const WITHIN: &str = r#"echo $$ > "$1"; ulimit -v "$2" || exit 97; shift 2; exec "$@""#;

/// A unit with a limit.
pub struct Limited {
    unit: String,
    pod: Pod,
    model: Store,
    note: PathBuf,
    bytes: u64,
}

/// How a run went.
#[derive(Debug, Clone)]
pub struct Spent {
    /// The action's results.
    pub results: Map<String, Value>,
    /// Its resident memory at its highest, in bytes.
    pub resident: u64,
    /// Its address space at its highest, in bytes.
    pub mapped: u64,
    /// How long it took from its first call of a hook tool.
    pub took: Duration,
}

impl Limited {
    /// Lets the charm of a deployed unit take so many bytes from now on.
    pub fn new(world: &World, unit: &str, bytes: u64) -> Result<Self> {
        Ok(Self {
            unit: unit.to_owned(),
            pod: world.pod(unit)?,
            model: Store::open(world.directory_of_model())?,
            note: world.path("limited.pid"),
            bytes,
        })
    }

    /// Runs an action and tells what it took; one that fails is an error.
    pub fn action(&self, name: &str, params: &[(&str, &str)]) -> Result<Spent> {
        let params = params.iter();
        let typed = |value: &str| match value {
            "true" => Value::Bool(true),
            value => Value::from(value),
        };
        let params = params.map(|(key, value)| ((*key).to_owned(), typed(value)));
        let run = Run::Action {
            name: name.to_owned(),
            params: params.collect(),
            task: 1,
        };
        let unit = UnitName::parse(&self.unit).context("a unit's name")?;
        let model = self.model.read()?;
        let jujuc = parts::program("jujuc")?;
        let agent = Agent::install(unit.clone(), model.facts(), self, &jujuc)?;
        let context = model.context(&unit, run).context("the unit is gone")?;
        let _ = fs::remove_file(&self.note);
        let over = Arc::new(AtomicBool::new(false));
        let (until, note) = (Arc::clone(&over), self.note.clone());
        let watch = thread::spawn(move || watch(&note, &until));
        let report = agent.run(context, &mut Deaf);
        over.store(true, Ordering::Relaxed);
        let (resident, mapped) = watch.join().unwrap_or_default();
        let report = report?;
        if report.verdict != Verdict::Completed {
            bail!(
                "{name} failed: {} {}",
                report.message,
                String::from_utf8_lossy(&report.stderr)
            );
        }
        ensure!(resident > 0, "{name} was not looked at");
        Ok(Spent {
            took: report.worked,
            results: report.results,
            resident,
            mapped,
        })
    }
}

impl Spent {
    /// A text among the results.
    pub fn text(&self, key: &str) -> Result<&str> {
        let value = self.results.get(key).and_then(Value::as_str);
        value.with_context(|| format!("no {key} among the results"))
    }
}

impl Launcher for Limited {
    fn command(&self, program: &Path, environment: &BTreeMap<String, String>) -> Command {
        let inner = self.pod.command(program, environment);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WITHIN, "sh"]).arg(&self.note);
        command.arg((self.bytes >> 10).to_string());
        command.arg(inner.get_program()).args(inner.get_args());
        command.env_clear().envs(environment);
        command
    }

    fn host_path(&self, inside: &Path) -> PathBuf {
        self.pod.host_path(inside)
    }
}

/// Follows a process to its end; its resident memory and its address space at their highest.
fn watch(note: &Path, over: &AtomicBool) -> (u64, u64) {
    let mut most = (0, 0);
    while !over.load(Ordering::Relaxed) {
        let id = fs::read_to_string(note).unwrap_or_default();
        let id = id.trim();
        let status = match id.is_empty() {
            true => String::new(),
            false => fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default(),
        };
        // On the way it is other programs.
        if status.starts_with("Name:\tdispatch\n") {
            most.0 = most.0.max(told(&status, "VmHWM:"));
            most.1 = most.1.max(told(&status, "VmPeak:"));
        }
        thread::sleep(LOOK);
    }
    most
}

fn told(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.map(|line| line.trim().trim_end_matches("kB").trim());
    number
        .and_then(|number| number.parse::<u64>().ok())
        .unwrap_or_default()
        << 10
}

/// Takes note of nothing: the model stays as it was deployed.
struct Deaf;

impl Desk for Deaf {
    fn immediate(&mut self, _: &Immediate) {}

    fn order(&mut self) -> Option<Order> {
        None
    }

    fn commit(&mut self, _: &Run, _: &Effects) -> Result<(), String> {
        Ok(())
    }
}
