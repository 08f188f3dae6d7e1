//! Why we were woken: every hook and action that Juju can start us for.

use std::fmt;

use super::context::{ContextError, Variables};
use super::databag::RelationId;

/// One reason for which the unit agent started us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The unit is new.
    Install,
    /// The unit starts, or its container restarted.
    Start,
    /// An option changed, or may have.
    ConfigChanged,
    /// The charm was refreshed, or the pod replaced.
    UpgradeCharm,
    /// The unit stops, for good or for an upgrade.
    Stop,
    /// The unit goes away.
    Remove,
    /// This unit leads now.
    LeaderElected,
    /// The leader changed its settings (Juju 3 only).
    LeaderSettingsChanged,
    /// The regular look, every few minutes.
    UpdateStatus,
    /// Something happened to a relation.
    Relation(RelationEvent),
    /// A storage came or goes.
    Storage(StorageEvent),
    /// Pebble answers in a workload container, after each start of it or of the agent.
    PebbleReady {
        /// The container's name.
        container: String,
    },
    /// A workload left a notice with Pebble.
    PebbleNotice {
        /// The container's name.
        container: String,
        /// The notice's id.
        id: String,
        /// The notice's key.
        key: String,
    },
    /// A check reached its threshold of failures.
    PebbleCheckFailed {
        /// The container's name.
        container: String,
        /// The check's name.
        check: String,
    },
    /// A failed check succeeds again.
    PebbleCheckRecovered {
        /// The container's name.
        container: String,
        /// The check's name.
        check: String,
    },
    /// A secret that we own or read wants attention.
    Secret(SecretEvent),
    /// An operator runs an action.
    Action(ActionRun),
    /// Started by hand under `juju exec`: there is a context, but no hook.
    Exec,
    /// A hook that we do not know, accepted as every hook must be.
    Unknown(String),
}

/// What happened to a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationEvent {
    /// What happened.
    pub kind: RelationKind,
    /// Our endpoint.
    pub endpoint: String,
    /// The relation.
    pub id: RelationId,
    /// The application at the other end.
    pub app: Option<String>,
    /// The unit at the other end; none for created and broken, and when the application's bag changed.
    pub unit: Option<String>,
}

/// The five things that happen to relations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// The relation was made.
    Created,
    /// A unit of the other side came.
    Joined,
    /// A bag of the other side changed.
    Changed,
    /// A unit left.
    Departed,
    /// The relation is gone; `relation-ids` no longer names it.
    Broken,
}

/// What happened to a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageEvent {
    /// What happened.
    pub kind: StorageKind,
    /// The storage's name in the charm's metadata.
    pub name: String,
    /// The instance, such as `data/0`.
    pub id: String,
}

/// The two things that happen to storages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageKind {
    /// It can be used.
    Attached,
    /// It is about to go.
    Detaching,
}

/// What happened to a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretEvent {
    /// What happened.
    pub kind: SecretKind,
    /// The secret's URI.
    pub id: String,
    /// Our label for it.
    pub label: Option<String>,
    /// The revision, where one is meant.
    pub revision: Option<u64>,
}

/// The four things that happen to secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// A secret that we read has a new revision.
    Changed,
    /// A secret that we own should be changed.
    Rotate,
    /// Nobody reads a revision any more.
    Remove,
    /// A revision has expired.
    Expired,
}

/// One run of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRun {
    /// The action's name.
    pub name: String,
    /// The task's number as `juju show-task` takes it.
    pub task: String,
}

impl Event {
    /// Finds out why we were woken.
    pub(super) fn read(variables: &Variables<'_>) -> Result<Self, ContextError> {
        let Some(path) = variables.optional("JUJU_DISPATCH_PATH") else {
            return Ok(Self::Exec);
        };
        match path.split_once('/') {
            Some(("actions", name)) => Ok(Self::Action(ActionRun {
                name: name.to_owned(),
                task: variables.text("JUJU_ACTION_UUID"),
            })),
            Some(("hooks", name)) => Self::hook(name, variables),
            _ => Ok(Self::Unknown(path)),
        }
    }

    fn hook(name: &str, variables: &Variables<'_>) -> Result<Self, ContextError> {
        Ok(match name {
            "install" => Self::Install,
            "start" => Self::Start,
            "config-changed" => Self::ConfigChanged,
            "upgrade-charm" => Self::UpgradeCharm,
            "stop" => Self::Stop,
            "remove" => Self::Remove,
            "leader-elected" => Self::LeaderElected,
            "leader-settings-changed" => Self::LeaderSettingsChanged,
            "update-status" => Self::UpdateStatus,
            "secret-changed" => SecretEvent::read(SecretKind::Changed, variables)?,
            "secret-rotate" => SecretEvent::read(SecretKind::Rotate, variables)?,
            "secret-remove" => SecretEvent::read(SecretKind::Remove, variables)?,
            "secret-expired" => SecretEvent::read(SecretKind::Expired, variables)?,
            _ => Self::prefixed_hook(name, variables)?,
        })
    }

    /// Hooks whose names begin with an endpoint, a storage or a container; those may hold hyphens themselves.
    fn prefixed_hook(name: &str, variables: &Variables<'_>) -> Result<Self, ContextError> {
        let relations = [
            ("-relation-created", RelationKind::Created),
            ("-relation-joined", RelationKind::Joined),
            ("-relation-changed", RelationKind::Changed),
            ("-relation-departed", RelationKind::Departed),
            ("-relation-broken", RelationKind::Broken),
        ];
        for (suffix, kind) in relations {
            if let Some(endpoint) = before(name, suffix) {
                return RelationEvent::read(kind, endpoint, variables);
            }
        }
        let storages = [
            ("-storage-attached", StorageKind::Attached),
            ("-storage-detaching", StorageKind::Detaching),
        ];
        for (suffix, kind) in storages {
            if let Some(storage) = before(name, suffix) {
                return Ok(Self::Storage(StorageEvent {
                    kind,
                    name: storage,
                    id: variables.required("JUJU_STORAGE_ID")?,
                }));
            }
        }
        Ok(if let Some(container) = before(name, "-pebble-ready") {
            Self::PebbleReady { container }
        } else if let Some(container) = before(name, "-pebble-custom-notice") {
            Self::PebbleNotice {
                container,
                id: variables.required("JUJU_NOTICE_ID")?,
                key: variables.text("JUJU_NOTICE_KEY"),
            }
        } else if let Some(container) = before(name, "-pebble-check-failed") {
            let check = variables.required("JUJU_PEBBLE_CHECK_NAME")?;
            Self::PebbleCheckFailed { container, check }
        } else if let Some(container) = before(name, "-pebble-check-recovered") {
            let check = variables.required("JUJU_PEBBLE_CHECK_NAME")?;
            Self::PebbleCheckRecovered { container, check }
        } else {
            Self::Unknown(name.to_owned())
        })
    }
}

impl RelationEvent {
    fn read(
        kind: RelationKind,
        endpoint: String,
        variables: &Variables<'_>,
    ) -> Result<Event, ContextError> {
        Ok(Event::Relation(Self {
            kind,
            endpoint,
            id: variables.parsed("JUJU_RELATION_ID", "a relation id", RelationId::parse)?,
            app: variables.optional("JUJU_REMOTE_APP"),
            unit: variables.optional("JUJU_REMOTE_UNIT"),
        }))
    }
}

impl SecretEvent {
    fn read(kind: SecretKind, variables: &Variables<'_>) -> Result<Event, ContextError> {
        Ok(Event::Secret(Self {
            kind,
            id: variables.required("JUJU_SECRET_ID")?,
            label: variables.optional("JUJU_SECRET_LABEL"),
            revision: variables
                .optional("JUJU_SECRET_REVISION")
                .and_then(|revision| revision.parse().ok()),
        }))
    }
}

fn before(name: &str, suffix: &str) -> Option<String> {
    let prefix = name.strip_suffix(suffix)?;
    (!prefix.is_empty()).then(|| prefix.to_owned())
}

impl fmt::Display for Event {
    /// Writes the name that Juju has for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Install => f.write_str("install"),
            Self::Start => f.write_str("start"),
            Self::ConfigChanged => f.write_str("config-changed"),
            Self::UpgradeCharm => f.write_str("upgrade-charm"),
            Self::Stop => f.write_str("stop"),
            Self::Remove => f.write_str("remove"),
            Self::LeaderElected => f.write_str("leader-elected"),
            Self::LeaderSettingsChanged => f.write_str("leader-settings-changed"),
            Self::UpdateStatus => f.write_str("update-status"),
            Self::Relation(event) => write!(f, "{}-relation-{}", event.endpoint, event.kind),
            Self::Storage(event) => write!(f, "{}-storage-{}", event.name, event.kind),
            Self::PebbleReady { container } => write!(f, "{container}-pebble-ready"),
            Self::PebbleNotice { container, .. } => write!(f, "{container}-pebble-custom-notice"),
            Self::PebbleCheckFailed { container, .. } => {
                write!(f, "{container}-pebble-check-failed")
            }
            Self::PebbleCheckRecovered { container, .. } => {
                write!(f, "{container}-pebble-check-recovered")
            }
            Self::Secret(event) => write!(f, "secret-{}", event.kind),
            Self::Action(run) => f.write_str(&run.name),
            Self::Exec => f.write_str("juju-exec"),
            Self::Unknown(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for RelationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Joined => "joined",
            Self::Changed => "changed",
            Self::Departed => "departed",
            Self::Broken => "broken",
        })
    }
}

impl fmt::Display for StorageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attached => "attached",
            Self::Detaching => "detaching",
        })
    }
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "changed",
            Self::Rotate => "rotate",
            Self::Remove => "remove",
            Self::Expired => "expired",
        })
    }
}

#[cfg(test)]
mod tests;
