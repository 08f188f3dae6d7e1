//! The keys that a server no longer signs with.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{KeyId, PublicKey, VerifyKey};

/// The keys of `old_signing_keys` in `homeserver.yaml`, by name and in the order of names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OldSigningKeys(BTreeMap<KeyId, OldSigningKey>);

/// A key that a server no longer signs with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldSigningKey {
    /// The public key.
    pub key: PublicKey,
    /// Until when the server signed with it, in whole milliseconds.
    #[serde(
        rename = "expired_ts",
        serialize_with = "write",
        deserialize_with = "read"
    )]
    pub expired: Timestamp,
}

impl OldSigningKeys {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Looks one up.
    pub fn get(&self, id: &KeyId) -> Option<&OldSigningKey> {
        self.0.get(id)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyId, &OldSigningKey)> {
        self.0.iter()
    }

    /// Adds those of another configuration of the same server; what is here already stays as it is.
    #[must_use]
    pub fn joined_with(mut self, others: Self) -> Self {
        for (id, old) in others.0 {
            self.0.entry(id).or_insert(old);
        }
        self
    }
}

/// Tells which keys are old after some were replaced by those in use: what was old, and what was replaced at `at`,
/// without what is in use.
///
/// What was old already keeps its time, so doing it twice is doing it once. The names in use win: when an old key has
/// such a name but is another key, it is left out, because servers cache keys by name and one name must not mean two.
/// [`clashes`] names those.
#[must_use]
pub fn retire(
    kept: OldSigningKeys,
    replaced: &[VerifyKey],
    in_use: &[VerifyKey],
    at: Timestamp,
) -> OldSigningKeys {
    let OldSigningKeys(mut old) = kept;
    for VerifyKey { id, key } in replaced {
        old.entry(id.clone()).or_insert_with(|| OldSigningKey {
            key: key.clone(),
            expired: whole_milliseconds(at),
        });
    }
    for VerifyKey { id, .. } in in_use {
        old.remove(id);
    }
    OldSigningKeys(old)
}

/// Names those that stand for more than one key: of each, [`retire`] publishes the key in use, else the one that was old
/// already, and the others are lost to other servers.
pub fn clashes(
    kept: &OldSigningKeys,
    replaced: &[VerifyKey],
    in_use: &[VerifyKey],
) -> BTreeSet<KeyId> {
    let mut keys: BTreeMap<&KeyId, BTreeSet<&PublicKey>> = BTreeMap::new();
    for (id, old) in kept.iter() {
        keys.entry(id).or_default().insert(&old.key);
    }
    for VerifyKey { id, key } in replaced.iter().chain(in_use) {
        keys.entry(id).or_default().insert(key);
    }
    keys.into_iter()
        .filter(|(_, keys)| keys.len() > 1)
        .map(|(id, _)| id.clone())
        .collect()
}

/// Drops what the configuration has no room for, so that a key reads back as it was written.
fn whole_milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

fn write<S: Serializer>(expired: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(expired.as_millisecond())
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let milliseconds = i64::deserialize(deserializer)?;
    Timestamp::from_millisecond(milliseconds).map_err(serde::de::Error::custom)
}
