//! A unit on the bare machine, and a model that takes everything down.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use harness::juju::agent::{Agent, Desk, Order, Report};
use harness::juju::context::{Context, Effects, Immediate, Relation, Run, Storage};
use harness::juju::environment::ModelFacts;
use harness::juju::launcher::Bare;
use harness::juju::unit::UnitName;
use serde_json::json;

/// A unit on the bare machine whose charm is a shell script.
pub(super) struct House {
    pub(super) dir: tempfile::TempDir,
    pub(super) unit: UnitName,
}

impl House {
    pub(super) fn new(script: &str) -> Self {
        let house = House {
            dir: tempfile::tempdir().unwrap(),
            unit: UnitName::new("synapse", 0),
        };
        fs::create_dir_all(house.charm()).unwrap();
        fs::write(house.charm().join("metadata.yaml"), "name: synapse\n").unwrap();
        house.write_dispatch(script);
        house
    }

    pub(super) fn write_dispatch(&self, script: &str) {
        let dispatch = self.charm().join("dispatch");
        fs::write(&dispatch, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&dispatch, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    pub(super) fn charm(&self) -> PathBuf {
        self.unit.charm_dir(self.dir.path())
    }

    pub(super) fn run(&self, context: Context, desk: &mut Notes) -> Report {
        let launcher = Bare::new(self.dir.path(), &self.unit);
        let jujuc = Path::new(env!("CARGO_BIN_EXE_jujuc"));
        let agent =
            Agent::install(self.unit.clone(), ModelFacts::default(), &launcher, jujuc).unwrap();
        agent.run(context, desk).unwrap()
    }

    /// Runs and forgets what was noted.
    pub(super) fn simply(&self, context: Context) -> Report {
        self.run(context, &mut Notes::default())
    }

    /// What the script wrote into its charm directory.
    pub(super) fn wrote(&self, name: &str) -> String {
        fs::read_to_string(self.charm().join(name)).unwrap_or_default()
    }
}

/// A model that takes everything down.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) immediate: Vec<Immediate>,
    pub(super) committed: Vec<Effects>,
    pub(super) refuse: Option<String>,
    /// The order to give once this line of progress was seen.
    pub(super) on_progress: Option<(&'static str, Order)>,
    pub(super) due: Option<Order>,
}

impl Desk for Notes {
    fn immediate(&mut self, effect: &Immediate) {
        if let (Immediate::Progress(line), Some((awaited, order))) = (effect, self.on_progress)
            && line == awaited
        {
            self.due = Some(order);
        }
        self.immediate.push(effect.clone());
    }

    fn order(&mut self) -> Option<Order> {
        self.due.take()
    }

    fn commit(&mut self, _: &Run, effects: &Effects) -> Result<(), String> {
        match &self.refuse {
            Some(text) => Err(text.clone()),
            None => {
                self.committed.push(effects.clone());
                Ok(())
            }
        }
    }
}

impl Notes {
    pub(super) fn logged(&self, level: &str) -> Vec<&str> {
        let lines = self.immediate.iter().filter_map(|effect| match effect {
            Immediate::Log(line) if line.level == level => Some(line.message.as_str()),
            _ => None,
        });
        lines.collect()
    }
}

pub(super) fn context(run: Run) -> Context {
    let bag = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let backup = Relation {
        id: 7,
        endpoint: "backup".to_owned(),
        remote_app: "s3-integrator".to_owned(),
        remote_units: vec!["s3-integrator/0".to_owned()],
        bags: BTreeMap::from([("s3-integrator".to_owned(), bag("bucket", "backups"))]),
        ..Relation::default()
    };
    let data = Storage {
        id: "data/0".to_owned(),
        kind: "filesystem".to_owned(),
        location: "/data".to_owned(),
    };
    Context {
        unit: "synapse/0".to_owned(),
        leader: true,
        run,
        config: BTreeMap::from([("server_name".to_owned(), json!("example.org"))]),
        relations: vec![backup],
        storage: vec![data],
        ..Context::default()
    }
}

pub(super) fn hook(name: &str) -> Context {
    context(Run::Hook {
        name: name.to_owned(),
    })
}

pub(super) fn action(params: serde_json::Value) -> Context {
    let params = params.as_object().unwrap().clone();
    context(Run::Action {
        name: "create-backup".to_owned(),
        params,
        task: 2,
    })
}
