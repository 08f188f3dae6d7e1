//! Secrets that a user added, and which unit has read which of their revisions.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Model;
use crate::juju::context::{Bag, Run, Secret};
use crate::juju::unit::UnitName;

/// A secret that a user added.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UserSecret {
    /// Twenty characters.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its newest content, base64 by key.
    pub content: Bag,
    /// Applications it was granted to.
    pub granted: BTreeSet<String>,
    /// Units that have read it.
    pub readers: BTreeMap<String, Reader>,
}

/// What a unit has read of a secret.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reader {
    /// The revision that it is pinned to.
    pub content: Bag,
    /// Its label for the secret.
    pub label: String,
}

impl UserSecret {
    /// The secret as a unit sees it.
    pub(super) fn seen_by(&self, unit: &UnitName) -> Secret {
        let reader = self.readers.get(&unit.to_string());
        let pinned = reader.map(|reader| &reader.content);
        Secret {
            id: self.id.clone(),
            owner: "model".to_owned(),
            label: reader
                .map(|reader| reader.label.clone())
                .unwrap_or_default(),
            content: pinned.unwrap_or(&self.content).clone(),
            newest: pinned
                .filter(|pinned| **pinned != self.content)
                .map(|_| self.content.clone()),
            denied: !self.granted.contains(unit.application()),
        }
    }

    /// Takes a grant back, and with it what Juju knew of the application's reading.
    pub fn revoke(&mut self, application: &str) {
        self.granted.remove(application);
        let prefix = format!("{application}/");
        self.readers.retain(|unit, _| !unit.starts_with(&prefix));
    }
}

impl Model {
    /// All secrets as a unit sees them.
    pub fn secrets_seen_by(&self, unit: &UnitName) -> Vec<Secret> {
        let secrets = self.secrets.iter();
        secrets.map(|secret| secret.seen_by(unit)).collect()
    }

    /// Takes note that a unit has read a secret, which pins it to the newest revision at first and with every refresh.
    pub fn note_reading(&mut self, unit: &UnitName, uri: Option<&str>, label: &str, refresh: bool) {
        let reader = unit.to_string();
        let id = uri.map(|uri| uri.rsplit([':', '/']).next().unwrap_or(uri));
        let found = self.secrets.iter_mut().find(|secret| match id {
            Some(id) => secret.id == id,
            None => secret
                .readers
                .get(&reader)
                .is_some_and(|read| read.label == label),
        });
        let Some(secret) = found.filter(|secret| secret.granted.contains(unit.application()))
        else {
            return;
        };
        let newest = secret.content.clone();
        let known = secret.readers.contains_key(&reader);
        let reading = secret.readers.entry(reader).or_default();
        if refresh || !known {
            reading.content = newest;
        }
        if !label.is_empty() {
            reading.label = label.to_owned();
        }
    }

    /// Wakes the units that have read an older revision of a secret.
    pub fn tell_of_secret(&mut self, id: &str) {
        let Some(secret) = self.secrets.iter().find(|secret| secret.id == id) else {
            return;
        };
        let behind = secret
            .readers
            .iter()
            .filter(|(_, read)| read.content != secret.content);
        let behind: Vec<(String, String)> = behind
            .map(|(unit, read)| (unit.clone(), read.label.clone()))
            .collect();
        let units = self.charm_units();
        for (unit, label) in behind {
            let run = Run::Secret {
                name: "secret-changed".to_owned(),
                secret: id.to_owned(),
                label,
            };
            if let Some(unit) = units.iter().find(|name| name.to_string() == unit) {
                self.queue(unit, run);
            }
        }
    }
}
