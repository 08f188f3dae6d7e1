//! A model, kept in a directory: applications, units, relations, secrets, tasks, the debug log.
//!
//! ```text
//! model.json           all facts; written whole, by rename
//! debug.log            one JSON line an entry
//! charms/<app>.charm   what was deployed
//! tasks/<n>.json       one task, written by whoever runs it; <n>.cancel asks for its end
//! units/<app>-<n>/     the unit's pod
//! ```
//!
//! Nothing runs in the background for the model itself: each command reads, changes and writes it.

mod bags;
mod facts;
mod secret;
mod store;
mod task;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use secret::UserSecret;
pub(super) use store::now;
pub use store::{LogEntry, Store};
pub use task::{Task, TaskStatus};

use super::charm::{Charm, Role};
use super::context::{Bag, Flavour, Run, Status};
use super::environment::ModelFacts;
use super::port::Port;
use super::unit::UnitName;

/// Everything about a model.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// Which Juju it is.
    pub flavour: Flavour,
    /// Where its units live.
    pub ground: Ground,
    /// Its configuration: the `juju-*-proxy` keys are told to charms.
    pub config: BTreeMap<String, String>,
    /// Its applications.
    pub applications: BTreeMap<String, Application>,
    /// Its relations.
    pub relations: Vec<Link>,
    /// Secrets that a user added.
    pub secrets: Vec<UserSecret>,
    /// The next relation's number.
    pub next_relation: i64,
    /// The next number of an operation or task.
    pub next_task: u64,
    /// The next storage's number.
    pub next_storage: u32,
}

/// Where units live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ground {
    /// In pods.
    #[default]
    Pods,
    /// On the bare machine, without a workload: for charms that are scripts.
    Bare,
}

/// One application.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Application {
    /// What its charm declares.
    pub charm: Charm,
    /// Who plays its units.
    pub player: Player,
    /// `local:synapse-0` and the like.
    pub charm_url: String,
    /// What the user set.
    pub settings: BTreeMap<String, Value>,
    /// What the charm set, if it did.
    pub status: Option<Status>,
    /// When that was.
    pub since: String,
    /// What the charm says of its workload.
    pub version: String,
    /// The leading unit's number.
    pub leader: Option<u32>,
    /// Its units by number.
    pub units: BTreeMap<u32, Unit>,
    /// Resources by name.
    pub resources: BTreeMap<String, String>,
    /// Whether it may use the cluster's credentials.
    pub trusted: bool,
}

/// Who plays an application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Player {
    /// A charm, started by the agent.
    #[default]
    Charm,
    /// A simulated charm inside the look-alike, known by its charm's name.
    Integrator,
}

/// One unit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Unit {
    /// Its workload status.
    pub status: Status,
    /// When that was set.
    pub since: String,
    /// Hooks that are due, in order.
    pub queue: VecDeque<Run>,
    /// The message of a hook in error.
    pub error: Option<String>,
    /// Storage instances: the mounted ones are known to the charm.
    pub storage: Vec<Mount>,
    /// What `state-set` stored.
    pub state: Bag,
    /// Ports by endpoint.
    pub ports: BTreeMap<String, BTreeSet<Port>>,
    /// Whether the `start` hook has run.
    pub started: bool,
    /// The boot of the workload that the charm was told of.
    pub boot: Option<String>,
    /// What the next flush is to fail with: a lever for tests.
    pub fail_flush: Option<String>,
}

/// A storage instance of a unit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Mount {
    /// `data/0`.
    pub id: String,
    /// `filesystem`.
    pub kind: String,
    /// Where the charm's container has it.
    pub location: String,
    /// Whether `storage-attached` has begun.
    pub attached: bool,
}

/// One relation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Link {
    /// Its number.
    pub id: i64,
    /// Its ends: one among peers, else provider and requirer.
    pub ends: Vec<End>,
    /// Bags by unit or application.
    pub bags: BTreeMap<String, Bag>,
    /// Units that are in it.
    pub units: BTreeSet<String>,
    /// Whether it is being removed.
    pub dying: bool,
}

/// One end of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The application.
    pub application: String,
    /// Its endpoint.
    pub endpoint: String,
}

impl Model {
    /// The unit, if there is one.
    pub fn unit(&self, name: &UnitName) -> Option<&Unit> {
        self.applications
            .get(name.application())?
            .units
            .get(&name.number())
    }

    /// The unit to be changed, if there is one.
    pub fn unit_mut(&mut self, name: &UnitName) -> Option<&mut Unit> {
        self.applications
            .get_mut(name.application())?
            .units
            .get_mut(&name.number())
    }

    /// All units of all applications that a charm plays.
    pub fn charm_units(&self) -> Vec<UnitName> {
        let played = self
            .applications
            .iter()
            .filter(|(_, application)| application.player == Player::Charm);
        played
            .flat_map(|(name, application)| {
                application
                    .units
                    .keys()
                    .map(|number| UnitName::new(name, *number))
            })
            .collect()
    }

    /// Whether the unit leads.
    pub fn is_leader(&self, name: &UnitName) -> bool {
        self.applications
            .get(name.application())
            .is_some_and(|application| application.leader == Some(name.number()))
    }

    /// Queues a hook, unless the same is queued already.
    pub fn queue(&mut self, unit: &UnitName, run: Run) {
        let played = self
            .applications
            .get(unit.application())
            .is_some_and(|app| app.player == Player::Charm);
        match self.unit_mut(unit) {
            Some(unit) if played && !unit.queue.contains(&run) => unit.queue.push_back(run),
            _ => {}
        }
    }

    /// Queues a plain hook.
    pub fn queue_hook(&mut self, unit: &UnitName, name: &str) {
        self.queue(
            unit,
            Run::Hook {
                name: name.to_owned(),
            },
        );
    }

    /// A fresh number for an operation or task.
    pub fn take_number(&mut self) -> u64 {
        self.next_task += 1;
        self.next_task
    }

    /// What is told to every run.
    pub fn facts(&self) -> ModelFacts {
        let proxy = |kind: &str| {
            self.config
                .get(&format!("juju-{kind}-proxy"))
                .cloned()
                .unwrap_or_default()
        };
        ModelFacts {
            name: self.name.clone(),
            uuid: self.uuid.clone(),
            proxies: [proxy("http"), proxy("https"), proxy("ftp"), proxy("no")],
        }
    }
}

impl Application {
    /// The names of its units.
    pub fn unit_names(&self, application: &str) -> Vec<UnitName> {
        self.units
            .keys()
            .map(|number| UnitName::new(application, *number))
            .collect()
    }
}

impl Link {
    /// The application's own end.
    pub fn end_of(&self, application: &str) -> Option<&End> {
        self.ends.iter().find(|end| end.application == application)
    }

    /// The other end, which among peers is the own one.
    pub fn other_end(&self, application: &str) -> Option<&End> {
        self.ends
            .iter()
            .find(|end| end.application != application)
            .or_else(|| self.end_of(application))
    }

    /// Whether it is a relation among peers.
    pub fn is_peer(&self) -> bool {
        self.ends.len() == 1
    }
}

impl Role {
    /// Whether two ends fit.
    pub fn fits(self, other: Role) -> bool {
        matches!(
            (self, other),
            (Role::Provider, Role::Requirer) | (Role::Requirer, Role::Provider)
        )
    }
}
