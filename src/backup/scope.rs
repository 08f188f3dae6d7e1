//! Which parts of a data directory a backup, a restore or a swap is about.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Parts of a data directory, as words such as `media`; what each word means knows whoever owns the directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(Vec<String>);

impl Scope {
    /// The words.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

impl FromIterator<String> for Scope {
    fn from_iter<I: IntoIterator<Item = String>>(words: I) -> Self {
        Self(words.into_iter().collect())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(", "))
    }
}
