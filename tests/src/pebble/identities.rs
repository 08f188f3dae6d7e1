//! Identities: who else may do what.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::guarded::Guarded;
use super::request::Object;

const ACCESS: &str = "\"admin\", \"read\", \"metrics\", or \"untrusted\"";

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Admin,
    Read,
    Metrics,
    Untrusted,
}

/// The identities of a daemon's life, by name; they are not kept beyond it.
#[derive(Default)]
pub(crate) struct Identities(Guarded<BTreeMap<String, Identity>>);

#[derive(Clone)]
struct Identity {
    access: Access,
    user_id: Option<u32>,
    /// Whether there is a password, which is never shown.
    basic: bool,
}

impl Identities {
    /// What a user of that number may do, if an identity says so.
    pub(crate) fn access(&self, user_id: u32) -> Option<Access> {
        self.0
            .lock()
            .values()
            .find(|identity| identity.user_id == Some(user_id))
            .map(|identity| identity.access)
    }

    /// All of them, without secrets.
    pub(crate) fn list(&self) -> Value {
        let list = self.0.lock();
        list.iter()
            .map(|(name, identity)| (name.clone(), identity.to_json()))
            .collect::<Map<_, _>>()
            .into()
    }

    /// Changes them as a request asks; the error is the sentence that refuses.
    pub(crate) fn change(&self, request: &Object) -> Result<(), String> {
        let wrong = |error: String| format!("cannot decode request body: {error}");
        let action: String = request.field("action").map_err(wrong)?;
        let asked: Map<String, Value> = request.field("identities").map_err(wrong)?;
        let mut given = BTreeMap::new();
        for (name, value) in asked {
            given.insert(name, Identity::read(value).map_err(wrong)?);
        }
        let mut list = self.0.lock();
        let mut next = list.clone();
        let fitting = |there: bool| {
            given
                .keys()
                .filter(|name| next.contains_key(*name) == there)
                .cloned()
                .collect()
        };
        let (known, unknown): (Vec<String>, Vec<String>) = (fitting(true), fitting(false));
        match action.as_str() {
            "add" if !known.is_empty() => {
                return Err(format!("identities already exist: {}", known.join(", ")));
            }
            "update" | "remove" if !unknown.is_empty() => {
                return Err(format!("identities do not exist: {}", unknown.join(", ")));
            }
            "remove" => next.retain(|name, _| !given.contains_key(name)),
            "add" | "update" | "replace" => {
                for (name, identity) in given {
                    match identity {
                        Some(identity) => drop(next.insert(name, identity)),
                        None if action == "replace" => drop(next.remove(&name)),
                        None => {
                            return Err(format!(
                                "identity value for {name:?} must not be null for {action} operation"
                            ));
                        }
                    }
                }
            }
            _ => {
                let all = "\"add\", \"update\", \"replace\", or \"remove\"";
                return Err(format!("invalid action {action:?}, must be {all}"));
            }
        }
        let mut users: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        for (name, identity) in &next {
            if let Some(user_id) = identity.user_id {
                users.entry(user_id).or_default().push(name);
            }
        }
        if let Some((user_id, names)) = users.into_iter().find(|(_, names)| names.len() > 1) {
            return Err(format!(
                "cannot have multiple identities with user ID {user_id} ({})",
                names.join(", ")
            ));
        }
        *list = next;
        Ok(())
    }
}

impl Identity {
    fn read(value: Value) -> Result<Option<Self>, String> {
        let map = match value {
            Value::Null => return Ok(None),
            Value::Object(map) => Object::from(map),
            _ => return Err("json: an identity must be an object".to_owned()),
        };
        let local: Map<String, Value> = map.field("local")?;
        let basic: Map<String, Value> = map.field("basic")?;
        let access: String = map.field("access")?;
        let access = match access.as_str() {
            "admin" => Access::Admin,
            "read" => Access::Read,
            "metrics" => Access::Metrics,
            "untrusted" => Access::Untrusted,
            "" => return Err(format!("access value must be specified ({ACCESS})")),
            other => return Err(format!("invalid access value {other:?}, must be {ACCESS}")),
        };
        if local.is_empty() && basic.is_empty() {
            return Err(
                "identity must have at least one type (\"local\", \"basic\", or \"cert\")"
                    .to_owned(),
            );
        }
        Ok(Some(Self {
            access,
            user_id: Object::from(local).field("user-id")?,
            basic: !basic.is_empty(),
        }))
    }

    fn to_json(&self) -> Value {
        let access = match self.access {
            Access::Admin => "admin",
            Access::Read => "read",
            Access::Metrics => "metrics",
            Access::Untrusted => "untrusted",
        };
        let mut shown = json!({"access": access});
        if let Some(user_id) = self.user_id {
            shown["local"] = json!({"user-id": user_id});
        }
        if self.basic {
            shown["basic"] = json!({"password": "*****"});
        }
        shown
    }
}
