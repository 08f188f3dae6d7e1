//! What one run of the charm may see, and what it has brought about.
//!
//! The agent makes a [`Context`] from the model when a run begins. Hook tools read it and leave their
//! doings in [`Effects`]; what lands only at exit 0 stays pending there until the agent commits it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::port::Port;

/// Keys and values of one side of a relation.
pub type Bag = BTreeMap<String, String>;

/// Which Juju is simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flavour {
    /// Juju 3.6.
    #[default]
    #[serde(rename = "3.6")]
    V3,
    /// Juju 4.0.
    #[serde(rename = "4.0")]
    V4,
}

/// The world as one run sees it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Context {
    /// The unit's name, `synapse/0`.
    pub unit: String,
    /// Whether the unit leads its application.
    pub leader: bool,
    /// When not empty, nobody knows who leads, and this is why.
    pub leader_error: String,
    /// What is being run.
    pub run: Run,
    /// The application's configuration; null is unset.
    pub config: BTreeMap<String, serde_json::Value>,
    /// The unit's relations.
    pub relations: Vec<Relation>,
    /// The storage that is attached by now.
    pub storage: Vec<Storage>,
    /// Secrets, own and foreign.
    pub secrets: Vec<Secret>,
    /// What `state-set` stored earlier.
    pub state: BTreeMap<String, String>,
    /// Ports by endpoint, the empty name standing for all endpoints; `None` when nothing was ever opened.
    pub opened_ports: Option<BTreeMap<String, BTreeSet<Port>>>,
    /// The unit's status.
    pub unit_status: Status,
    /// The application's status.
    pub application_status: ApplicationStatus,
    /// Which Juju this is.
    #[serde(skip)]
    pub flavour: Flavour,
    /// What the tools did so far.
    #[serde(skip)]
    pub effects: Effects,
}

/// What is being run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Run {
    /// A plain hook: `install`, `config-changed`, and whatever unknown name a newer Juju may bring.
    Hook {
        /// The hook's name.
        name: String,
    },
    /// A relation's hook.
    Relation {
        /// The hook's full name, `backup-relation-changed`.
        name: String,
        /// The relation's number.
        relation: i64,
        /// The application at the other end.
        #[serde(default)]
        remote_app: String,
        /// The unit at the other end; empty when the hook is about the application.
        #[serde(default)]
        remote_unit: String,
        /// The unit that leaves, in `-departed`.
        #[serde(default)]
        departing_unit: String,
    },
    /// A storage's hook.
    Storage {
        /// The hook's full name, `data-storage-attached`.
        name: String,
        /// The storage's id, `data/0`.
        storage: String,
    },
    /// A workload container's hook.
    Workload {
        /// The hook's full name, `synapse-pebble-ready`.
        name: String,
        /// The container.
        workload: String,
        /// The notice it is about: id, type and key.
        #[serde(default)]
        notice: Option<(String, String, String)>,
        /// The check it is about.
        #[serde(default)]
        check: Option<String>,
    },
    /// A secret's hook.
    Secret {
        /// The hook's name, `secret-changed`.
        name: String,
        /// The secret's id.
        secret: String,
        /// The consumer's label.
        #[serde(default)]
        label: String,
    },
    /// An action.
    Action {
        /// The action's name.
        name: String,
        /// Its parameters, defaults inserted.
        params: serde_json::Map<String, serde_json::Value>,
        /// The task's number.
        #[serde(default)]
        task: u64,
    },
    /// A command of `juju exec`, for which nothing is dispatched.
    Exec {
        /// The command line.
        command: Vec<String>,
    },
}

impl Default for Run {
    fn default() -> Self {
        Run::Hook {
            name: String::new(),
        }
    }
}

impl Run {
    /// The hook's or action's name.
    pub fn name(&self) -> &str {
        match self {
            Run::Hook { name }
            | Run::Relation { name, .. }
            | Run::Storage { name, .. }
            | Run::Workload { name, .. }
            | Run::Secret { name, .. }
            | Run::Action { name, .. } => name,
            Run::Exec { .. } => "juju-exec",
        }
    }

    /// True for an action.
    pub fn is_action(&self) -> bool {
        matches!(self, Run::Action { .. })
    }
}

/// One relation as the unit sees it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Relation {
    /// Its number.
    pub id: i64,
    /// The own endpoint.
    pub endpoint: String,
    /// The application at the other end; the own one in a peer relation.
    pub remote_app: String,
    /// True for a relation among the application's own units.
    pub peer: bool,
    /// The units at the other end.
    pub remote_units: Vec<String>,
    /// Bags by unit or application.
    pub bags: BTreeMap<String, Bag>,
    /// True while its `-broken` hook runs.
    pub broken: bool,
}

impl Relation {
    /// Its full id, `backup:7`.
    pub fn full_id(&self) -> String {
        format!("{}:{}", self.endpoint, self.id)
    }
}

/// One storage instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Storage {
    /// Its id, `data/0`.
    pub id: String,
    /// `filesystem` or `block`.
    pub kind: String,
    /// Where it is mounted in the charm's container.
    pub location: String,
}

/// One secret as far as the unit may know of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Secret {
    /// Twenty characters.
    pub id: String,
    /// `application`, `unit`, or a foreign owner's name.
    pub owner: String,
    /// The owner's label, or for a foreign secret the consumer's.
    pub label: String,
    /// The revision that the unit is pinned to, base64 by key.
    pub content: Bag,
    /// The newest revision, when it is not the pinned one.
    pub newest: Option<Bag>,
    /// True when there is no grant.
    pub denied: bool,
}

/// A status with its message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// `maintenance`, `blocked`, `waiting`, `active`.
    pub status: String,
    /// Its message.
    pub message: String,
    /// Its data.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub data: serde_json::Map<String, serde_json::Value>,
}

/// An application's status with those of its units.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ApplicationStatus {
    /// The application's own.
    #[serde(flatten)]
    pub own: Status,
    /// The units'.
    pub units: BTreeMap<String, Status>,
}

/// What the tools of one run have done.
///
/// The first group lands only when the run ends with exit 0; the second was done at once; the third is
/// held back by the agent and kept however the run ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Whole pending unit bags by relation; an empty value deletes its key.
    pub unit_settings: BTreeMap<i64, Bag>,
    /// Whole pending application bags by relation.
    pub application_settings: BTreeMap<i64, Bag>,
    /// The whole charm state, when it changed.
    pub state: Option<BTreeMap<String, String>>,
    /// Ports to open, by endpoint.
    pub ports_to_open: BTreeMap<String, BTreeSet<Port>>,
    /// Ports to close, by endpoint.
    pub ports_to_close: BTreeMap<String, BTreeSet<Port>>,

    /// What was done at once, in order.
    pub immediate: Vec<Immediate>,

    /// What `action-set` has set: texts and maps of texts.
    pub results: serde_json::Map<String, serde_json::Value>,
    /// The message of `action-fail`, once it was called.
    pub failure: Option<String>,

    /// Every call of a tool, in order.
    pub called: Vec<String>,

    /// Tools that were called and that this agent does not have.
    pub refused: Vec<String>,
}

/// An effect that does not wait for the end of the run.
#[derive(Clone, Debug, PartialEq)]
pub enum Immediate {
    /// `status-set`.
    UnitStatus(Status),
    /// `status-set --application`.
    ApplicationStatus(Status),
    /// `application-version-set`.
    WorkloadVersion(String),
    /// `action-log`.
    Progress(String),
    /// `juju-log`, and what the agent itself logs.
    Log(LogLine),
    /// `secret-get` went to the back end.
    SecretRead {
        /// The URI, when one was given or found.
        uri: Option<String>,
        /// The label that was asked for or is to be attached.
        label: String,
        /// `--peek`.
        peek: bool,
        /// `--refresh`.
        refresh: bool,
    },
}

/// One line of the debug log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// `TRACE` to `CRITICAL`.
    pub level: String,
    /// Who logs, `unit.synapse/0.juju-log`.
    pub module: String,
    /// What is logged.
    pub message: String,
}

impl Context {
    /// Takes note of newer revisions of secrets, and of those that it did not know.
    pub fn renew_secrets(&mut self, secrets: Vec<Secret>) {
        for now in secrets {
            let latest = now.newest.as_ref().unwrap_or(&now.content).clone();
            match self.secrets.iter_mut().find(|known| known.id == now.id) {
                Some(known) => {
                    known.newest = (known.content != latest).then_some(latest);
                    known.denied = now.denied;
                }
                None => self.secrets.push(now),
            }
        }
    }
}
