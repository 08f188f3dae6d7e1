//! A unit's name and what follows from it.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A unit's name, `synapse/0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName {
    application: String,
    number: u32,
}

impl UnitName {
    /// The unit of an application.
    pub fn new(application: &str, number: u32) -> Self {
        UnitName {
            application: application.to_owned(),
            number,
        }
    }

    /// Reads `synapse/0`.
    pub fn parse(text: &str) -> Option<Self> {
        let (application, number) = text.split_once('/')?;
        let good = super::tools::is_application(application) && super::tools::is_number(number);
        good.then(|| {
            number
                .parse()
                .ok()
                .map(|number| UnitName::new(application, number))
        })
        .flatten()
    }

    /// Its application.
    pub fn application(&self) -> &str {
        &self.application
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// `unit-synapse-0`, as paths name it.
    pub fn tag(&self) -> String {
        format!("unit-{}-{}", self.application, self.number)
    }

    /// `synapse-0`, as its pod is called.
    pub fn pod(&self) -> String {
        format!("{}-{}", self.application, self.number)
    }

    /// The agent's directory below a data directory.
    pub fn agent_dir(&self, data_dir: &Path) -> PathBuf {
        data_dir.join("agents").join(self.tag())
    }

    /// The charm's directory below a data directory.
    pub fn charm_dir(&self, data_dir: &Path) -> PathBuf {
        self.agent_dir(data_dir).join("charm")
    }

    /// The hook tools' directory below a data directory.
    pub fn tools_dir(&self, data_dir: &Path) -> PathBuf {
        data_dir.join("tools").join(self.tag())
    }

    /// The agent's socket below a data directory.
    pub fn socket(&self, data_dir: &Path) -> PathBuf {
        self.agent_dir(data_dir).join("agent.socket")
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.application, self.number)
    }
}

impl TryFrom<String> for UnitName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        UnitName::parse(&text).ok_or_else(|| format!("invalid unit name {text:?}"))
    }
}

impl From<UnitName> for String {
    fn from(unit: UnitName) -> Self {
        unit.to_string()
    }
}
