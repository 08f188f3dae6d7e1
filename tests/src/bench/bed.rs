//! The test bed: a deployed unit with a bucket, whose hooks and actions are run here, each timed.

use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value};

use super::process::{self, Lookout, Reading};
use super::stopwatch::Stopwatch;
use crate::demo::{self, Story};
use crate::juju::agent::{Agent, Desk, Order, Report, Verdict};
use crate::juju::context::{Effects, Immediate, Run};
use crate::juju::model::Store;
use crate::juju::unit::UnitName;
use crate::parts;
use crate::world::World;

const UNIT: &str = "synapse/0";

/// How long Synapse may take to answer.
const START: Duration = Duration::from_secs(60);

/// A unit that is deployed and settled.
pub(super) struct Bed {
    world: World,
    model: Store,
    stopwatch: Stopwatch,
    server: u32,
}

/// One timed run of the charm.
pub(super) struct Timed {
    /// The process of the charm.
    pub(super) dispatch: Reading,
    /// Seconds of Pebble on the processors meanwhile.
    pub(super) pebble: f64,
    /// Seconds of `tar` in the workload.
    pub(super) tar: f64,
    /// Seconds of the S3 server.
    pub(super) server: f64,
    /// The hook tools that it called.
    pub(super) called: Vec<String>,
    /// An action's results.
    pub(super) results: Map<String, Value>,
    /// An action's phases and how long each took.
    pub(super) phases: Vec<(String, f64)>,
}

impl Timed {
    /// A text among the results.
    pub(super) fn text(&self, key: &str) -> Result<&str> {
        let value = self.results.get(key).and_then(Value::as_str);
        value.with_context(|| format!("no {key} among the results"))
    }

    /// The phases and their seconds on one line.
    pub(super) fn lengths(&self) -> String {
        let phases = self.phases.iter();
        let told = phases.map(|(phase, length)| format!("{phase} {length:.1}"));
        told.collect::<Vec<_>>().join(", ")
    }
}

impl Bed {
    /// What its backups are sealed with.
    pub(super) const PASSPHRASE: &str = demo::PASSPHRASE;

    /// Deploys a server beside versitygw.
    pub(super) fn deploy() -> Result<Self> {
        let world = World::with_versitygw()?;
        let server = world
            .store()
            .process_id()
            .context("the S3 server has no process")?;
        Story::new(&world, |_| ()).deploy()?;
        let [(_, model), _] = world.environment();
        let stopwatch = Stopwatch::new(world.pod(UNIT)?, world.path("reading.json"));
        let model = Store::open(model)?;
        Ok(Self {
            world,
            model,
            stopwatch,
            server,
        })
    }

    /// Tells the charm of the bucket.
    pub(super) fn connect(&self) -> Result<()> {
        Story::new(&self.world, |_| ()).connect()
    }

    /// The world it lies in.
    pub(super) fn world(&self) -> &World {
        &self.world
    }

    /// The number of the S3 server's process.
    pub(super) fn server(&self) -> u32 {
        self.server
    }

    /// The unit's data directory on this machine.
    pub(super) fn data(&self) -> PathBuf {
        self.stopwatch.pod().workload_host_path(Path::new("/data"))
    }

    /// A command in the workload's container.
    pub(super) fn workload(&self, words: &[&str]) -> std::process::Command {
        self.stopwatch.pod().workload_command(words)
    }

    /// Where a backup's objects lie on this machine.
    pub(super) fn backup(&self, id: &str) -> PathBuf {
        self.world.store().bucket().join(demo::SERVER).join(id)
    }

    /// Runs a hook.
    pub(super) fn hook(&self, name: &str) -> Result<Timed> {
        let name = name.to_owned();
        self.run(Run::Hook { name })
    }

    /// Runs an action.
    pub(super) fn action(&self, name: &str, params: &[(&str, &str)]) -> Result<Timed> {
        let params = params
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).into()));
        self.run(Run::Action {
            name: name.to_owned(),
            params: params.collect(),
            task: 1,
        })
    }

    /// Restores a backup and lets go of what that has replaced, so that no more than one copy ever waits for an undo.
    pub(super) fn restore(&self, id: &str) -> Result<Timed> {
        let restored = self.action("restore-backup", &[("backup-id", id)])?;
        self.action("confirm-restore", &[])?;
        Ok(restored)
    }

    /// Restarts Synapse by Pebble alone, and waits until it answers.
    pub(super) fn restart(&self) -> Result<()> {
        let line = "/charm/bin/pebble restart synapse";
        let words = ["ssh", "--container", "synapse", UNIT, line];
        self.world.juju_quietly(&words)?.success()?;
        self.world.homeserver(UNIT)?.wait_healthy(START)
    }

    /// Where clients reach Synapse.
    pub(super) fn address(&self) -> SocketAddrV4 {
        self.stopwatch.pod().address()
    }

    /// Runs a command line in the charm's container, and tells its wall time and the calls that it made.
    pub(super) fn shell(&self, line: &str) -> Result<Timed> {
        let command = vec![line.to_owned()];
        self.run(Run::Exec { command })
    }

    fn run(&self, run: Run) -> Result<Timed> {
        let name = UnitName::parse(UNIT).context("a unit's name")?;
        let model = self.model.read()?;
        let jujuc = parts::program("jujuc")?;
        let agent = Agent::install(name.clone(), model.facts(), &self.stopwatch, &jujuc)?;
        let context = model
            .context(&name, run.clone())
            .context("the unit is gone")?;
        let pebble = self
            .stopwatch
            .pod()
            .workload()
            .context("the workload does not run")?;
        let pebble = pebble.id().cast_unsigned();

        let before = (process::cpu(pebble), process::cpu(self.server));
        let tars = Lookout::begin(pebble, "tar");
        let mut desk = Notes::default();
        let report = agent.run(context, &mut desk);
        let tar = tars.end();
        let report = report?;
        let ended = Instant::now();
        judge(&run, &report)?;
        Ok(Timed {
            dispatch: self.stopwatch.reading()?,
            pebble: (process::cpu(pebble) - before.0).own,
            tar,
            server: (process::cpu(self.server) - before.1).own,
            called: desk.called,
            results: report.results,
            phases: lengths(&desk.phases, ended),
        })
    }

    /// Ends it and leaves nothing behind.
    pub(super) fn finish(self) -> Result<()> {
        self.world.finish()
    }
}

fn judge(run: &Run, report: &Report) -> Result<()> {
    let name = run.name();
    if report.verdict != Verdict::Completed {
        bail!(
            "{name} failed: {} {}",
            report.message,
            String::from_utf8_lossy(&report.stderr)
        );
    }
    ensure!(
        report.refused.is_empty(),
        "{name} called tools that are not simulated: {:?}",
        report.refused
    );
    Ok(())
}

/// What a run did, noted and not passed on: the model stays as it was deployed.
#[derive(Default)]
struct Notes {
    called: Vec<String>,
    phases: Vec<(String, Instant)>,
}

impl Desk for Notes {
    fn immediate(&mut self, effect: &Immediate) {
        let Immediate::Progress(line) = effect else {
            return;
        };
        let phase = line.split(':').next().unwrap_or_default();
        if self.phases.last().is_none_or(|(last, _)| last != phase) {
            self.phases.push((phase.to_owned(), Instant::now()));
        }
    }

    fn order(&mut self) -> Option<Order> {
        None
    }

    fn commit(&mut self, _: &Run, effects: &Effects) -> Result<(), String> {
        self.called = effects.called.clone();
        Ok(())
    }
}

fn lengths(phases: &[(String, Instant)], ended: Instant) -> Vec<(String, f64)> {
    let ends = phases
        .iter()
        .skip(1)
        .map(|(_, began)| *began)
        .chain([ended]);
    let lengths = phases.iter().zip(ends);
    lengths
        .map(|((phase, began), end)| (phase.clone(), (end - *began).as_secs_f64()))
        .collect()
}
