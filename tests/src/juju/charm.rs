//! A charm as Juju knows it: what its metadata, options and actions say, and its files.
//!
//! Read from a `.charm` archive or from an unpacked directory when it is deployed.

mod options;
mod parameters;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use parameters::{ParameterError, parse_cli};

/// What a charm declares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Charm {
    /// Its name.
    pub name: String,
    /// Its options by name.
    pub options: BTreeMap<String, CharmOption>,
    /// Its actions by name.
    pub actions: BTreeMap<String, ActionSpec>,
    /// Its storages by name.
    pub storage: BTreeMap<String, StorageSpec>,
    /// Its workload containers.
    pub containers: Vec<String>,
    /// Its endpoints by name.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Its resources.
    pub resources: Vec<String>,
}

/// One option.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CharmOption {
    /// `string`, `int`, `float`, `boolean` or `secret`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is for.
    pub description: String,
    /// Its default; null when there is none.
    pub default: Value,
}

/// One action: its description and the JSON schema of its parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ActionSpec {
    /// What it does.
    pub description: String,
    /// The schema, an object.
    pub schema: Value,
}

/// One storage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageSpec {
    /// `filesystem` or `block`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it is mounted; `None` leaves it to Juju.
    pub location: Option<String>,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Which end it is.
    pub role: Role,
    /// What is spoken there.
    pub interface: String,
    /// How many relations it takes.
    pub limit: Option<u32>,
}

/// The end of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It provides.
    Provider,
    /// It requires.
    Requirer,
    /// It speaks with its like.
    Peer,
}

impl Charm {
    /// Reads an archive or a directory.
    pub fn read(source: &Path) -> Result<Self> {
        let metadata = member(source, "metadata.yaml")?.context("metadata.yaml is missing")?;
        let mut charm = Charm {
            name: text(&metadata["name"]),
            ..Charm::default()
        };
        if charm.name.is_empty() {
            bail!("metadata.yaml names no charm");
        }
        for (section, role) in [
            ("provides", Role::Provider),
            ("requires", Role::Requirer),
            ("peers", Role::Peer),
        ] {
            for (name, spec) in entries(&metadata[section]) {
                let interface = if spec.is_string() {
                    text(spec)
                } else {
                    text(&spec["interface"])
                };
                let limit = spec["limit"]
                    .as_u64()
                    .and_then(|limit| limit.try_into().ok());
                charm.endpoints.insert(
                    name.clone(),
                    Endpoint {
                        role,
                        interface,
                        limit,
                    },
                );
            }
        }
        charm.storage = parse(&metadata["storage"]).context("metadata.yaml, storage")?;
        charm.containers = entries(&metadata["containers"])
            .map(|(name, _)| name.clone())
            .collect();
        charm.resources = entries(&metadata["resources"])
            .map(|(name, _)| name.clone())
            .collect();
        if let Some(config) = member(source, "config.yaml")? {
            charm.options = parse(&config["options"]).context("config.yaml")?;
        }
        for option in charm
            .options
            .values_mut()
            .filter(|option| option.kind.is_empty())
        {
            option.kind = "string".to_owned();
        }
        if let Some(actions) = member(source, "actions.yaml")? {
            for (name, spec) in entries(&actions) {
                let description = text(&spec["description"]);
                let schema = parameters::schema(name, spec).map_err(anyhow::Error::msg)?;
                charm.actions.insert(
                    name.clone(),
                    ActionSpec {
                        description,
                        schema,
                    },
                );
            }
        }
        Ok(charm)
    }

    /// Puts the charm's files into an empty directory, with their modes.
    pub fn unpack(source: &Path, into: &Path) -> Result<()> {
        if into.exists() {
            fs::remove_dir_all(into)?;
        }
        fs::create_dir_all(into)?;
        if source.is_dir() {
            return copy_tree(source, into);
        }
        let mut archive = zip::ZipArchive::new(File::open(source)?)?;
        archive
            .extract(into)
            .with_context(|| format!("failed to unpack {}", source.display()))
    }
}

/// A member's YAML, `None` when it is not there.
fn member(source: &Path, name: &str) -> Result<Option<Value>> {
    let mut bytes = Vec::new();
    if source.is_dir() {
        let path = source.join(name);
        if !path.exists() {
            return Ok(None);
        }
        bytes = fs::read(path)?;
    } else {
        let file =
            File::open(source).with_context(|| format!("failed to open {}", source.display()))?;
        let mut archive = zip::ZipArchive::new(file)
            .with_context(|| format!("{} is no charm", source.display()))?;
        match archive.by_name(name) {
            Ok(mut member) => member.read_to_end(&mut bytes)?,
            Err(zip::result::ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
    }
    serde_yaml::from_slice(&bytes)
        .map(Some)
        .with_context(|| format!("failed to read {name}"))
}

fn copy_tree(from: &Path, into: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = into.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

fn parse<T: Default + for<'de> Deserialize<'de>>(value: &Value) -> Result<T> {
    if value.is_null() {
        return Ok(T::default());
    }
    Ok(T::deserialize(value)?)
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().trim_end().to_owned()
}
