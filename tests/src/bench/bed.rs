//! The test bed: a deployed unit with a bucket, whose hooks and actions are run here, each timed.

use std::cell::RefCell;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value};

use super::group::{Group, Seen};
use super::process::{self, Reading};
use super::servers::Place;
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
    place: RefCell<Place>,
}

/// One timed run of the charm.
pub(super) struct Timed {
    /// The process of the charm.
    pub(super) dispatch: Reading,
    /// Seconds of Pebble on the processors meanwhile.
    pub(super) pebble: f64,
    /// What the programs were seen to cost that it had Pebble start, and the memory of all.
    pub(super) seen: Seen,
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
    /// Deploys a server beside versitygw.
    pub(super) fn deploy() -> Result<Self> {
        let world = World::with_versitygw()?;
        let store = world.store();
        let place = Place {
            name: "versitygw",
            endpoint: store.fact("endpoint"),
            authority: None,
            process: store.process_id().context("the S3 server has no process")?,
            bucket: store.bucket(),
        };
        Story::new(&world, |_| ()).deploy()?;
        let [(_, model), _] = world.environment();
        let stopwatch = Stopwatch::new(world.pod(UNIT)?, world.path("reading.json"));
        let model = Store::open(model)?;
        Ok(Self {
            world,
            model,
            stopwatch,
            place: RefCell::new(place),
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

    /// Where backups go now.
    pub(super) fn place(&self) -> Place {
        self.place.borrow().clone()
    }

    /// Lets backups go to another server from now on.
    pub(super) fn switch(&self, place: &Place) -> Result<()> {
        let authority = place.authority.as_deref().unwrap_or_default();
        self.configure(
            "s3-integrator",
            &[
                &format!("endpoint={}", place.endpoint),
                &format!("bucket={}", Place::BUCKET),
                &format!("tls-ca-chain={authority}"),
            ],
        )?;
        *self.place.borrow_mut() = place.clone();
        Ok(())
    }

    /// Calls where backups go by another name, when nothing else of it has changed for the charm.
    pub(super) fn call(&self, name: &'static str) {
        self.place.borrow_mut().name = name;
    }

    /// Sets options of an application, and waits until the charm is at rest again.
    pub(super) fn configure(&self, application: &str, options: &[&str]) -> Result<()> {
        let words = [&["config", application], options].concat();
        self.world.juju_quietly(&words)?.success()?;
        self.world.wait_for_status(UNIT, "active", "")?;
        Ok(())
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
        self.shelf().join(id)
    }

    /// Where all objects of this server lie on this machine.
    pub(super) fn shelf(&self) -> PathBuf {
        self.place.borrow().bucket.join(demo::SERVER)
    }

    /// Runs a hook.
    pub(super) fn hook(&self, name: &str) -> Result<Timed> {
        let name = name.to_owned();
        self.run(Run::Hook { name }, false)
    }

    /// Runs an action.
    pub(super) fn action(&self, name: &str, params: &[(&str, &str)]) -> Result<Timed> {
        let params = params
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).into()));
        let run = Run::Action {
            name: name.to_owned(),
            params: params.collect(),
            task: 1,
        };
        self.run(run, true)
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
        self.run(Run::Exec { command }, false)
    }

    /// The process of Pebble in the workload.
    pub(super) fn pebble(&self) -> Result<u32> {
        let pebble = self.stopwatch.pod().workload();
        let pebble = pebble.context("the workload does not run")?;
        Ok(pebble.id().cast_unsigned())
    }

    /// A run of a few milliseconds is not looked at while it goes on.
    fn run(&self, run: Run, look: bool) -> Result<Timed> {
        let name = UnitName::parse(UNIT).context("a unit's name")?;
        let model = self.model.read()?;
        let jujuc = parts::program("jujuc")?;
        let agent = Agent::install(name.clone(), model.facts(), &self.stopwatch, &jujuc)?;
        let context = model
            .context(&name, run.clone())
            .context("the unit is gone")?;
        let (pebble, server) = (self.pebble()?, self.place.borrow().process);

        let before = (process::cpu(pebble), process::cpu(server));
        let group = look.then(|| Group::begin(pebble));
        let mut desk = Notes::default();
        let report = agent.run(context, &mut desk);
        let seen = group.map(Group::end).unwrap_or_default();
        let report = report?;
        let ended = Instant::now();
        judge(&run, &report)?;
        Ok(Timed {
            dispatch: self.stopwatch.reading()?,
            pebble: (process::cpu(pebble) - before.0).own,
            seen,
            server: (process::cpu(server) - before.1).own,
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
