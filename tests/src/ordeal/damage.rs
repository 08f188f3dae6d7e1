//! Backups that something happened to in the bucket: a flipped byte, an end that is missing, an object that is another's.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::scene::{Scene, UNIT, Which};
use crate::world::Action;

const INVENTORY: &str = "inventory.json.gpg";
const MANIFEST: &str = "manifest.json";
/// In how many places a byte is flipped, beside those that are named.
const PLACES: usize = 64;
/// Where the key packet of a message begins, its key lies and it ends; and where the data begin behind it.
const HEAD: [usize; 4] = [0, 20, 47, 48];

/// What happened to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// The byte at this place has one bit flipped.
    Flipped(usize),
    /// A byte has one bit flipped, so many of the 64 parts into it.
    FlippedAt(usize),
    /// Its last byte has one bit flipped.
    FlippedLast,
    /// Its second half is missing.
    Halved,
    /// Its last byte is missing.
    Shortened,
    /// A byte too much follows it.
    Longer,
    /// It is empty.
    Emptied,
    /// It is not there.
    Missing,
    /// It lies under another name.
    Renamed,
    /// It is another object of its backup.
    Sibling(String),
    /// It is the same object of another backup of the same server, sealed with the same passphrase.
    Swapped,
}

/// A damaged object of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    object: String,
    damage: Damage,
}

impl Damaged {
    /// All kinds, each of every object of a backup, with bytes flipped at every so many of the 64 places.
    pub fn all(scene: &Scene, id: &str, every: usize) -> Result<Vec<Self>> {
        let objects = objects(scene, id)?;
        let mut all = Vec::new();
        for (at, object) in objects.iter().enumerate() {
            let sibling = objects[(at + 1) % objects.len()].clone();
            let places = (0..PLACES).step_by(every.max(1)).skip(1);
            let flipped = places.map(Damage::FlippedAt);
            let others = [
                Damage::FlippedLast,
                Damage::Halved,
                Damage::Shortened,
                Damage::Longer,
                Damage::Emptied,
                Damage::Missing,
                Damage::Renamed,
                Damage::Sibling(sibling),
                Damage::Swapped,
            ];
            let heads: &[usize] = match object.as_str() {
                MANIFEST => &HEAD[..1],
                _ => &HEAD,
            };
            let heads = heads.iter().copied().map(Damage::Flipped);
            let kinds = heads.chain(flipped).chain(others);
            all.extend(kinds.map(|damage| Self {
                object: object.clone(),
                damage,
            }));
        }
        Ok(all)
    }

    /// Whether it is a volume that is damaged, and not a document.
    pub fn is_of_a_volume(&self) -> bool {
        self.object.starts_with("volume-")
    }

    /// Damages a backup, has it verified and restored, and mends it again. Tells what the charm said.
    ///
    /// It has to be refused, with the server untouched and the object named. The sides' files count as laid down by hand
    /// from then on: of others the store keeps checksums, and is the first to find it.
    pub fn suffer(&self, scene: &Scene, id: &str) -> Result<String> {
        let done = self.go_through(scene, id);
        done.with_context(|| format!("with the {self}"))
    }

    fn go_through(&self, scene: &Scene, id: &str) -> Result<String> {
        let folder = scene.shelf().join(id);
        let path = folder.join(&self.object);
        let whole = fs::read(&path)?;
        let others = scene.shelf().join(scene.id(Which::After));
        let damaged = self.inflict(&whole, &folder, &others)?;
        ensure!(damaged.as_ref() != Some(&whole), "nothing is damaged");
        let elsewhere = folder.join(format!("x-{}", self.object));
        if self.damage == Damage::Renamed {
            scene.lay_down(&elsewhere, Some(&whole))?;
        }
        scene.lay_down(&path, damaged.as_deref())?;
        let at_once = self.is_seen_at_once(damaged.as_deref(), &whole);
        let told = self.is_refused(scene, id, at_once);
        scene.lay_down(&path, Some(&whole))?;
        scene.lay_down(&elsewhere, None)?;
        told
    }

    fn is_refused(&self, scene: &Scene, id: &str, at_once: bool) -> Result<String> {
        let before = scene.footprint()?;
        let backup = format!("backup-id={id}");
        if at_once {
            let quick = ["verify-backup", &backup, "level=quick"];
            self.is_named(&scene.world.act(UNIT, &quick)?)?;
        }
        let verified = scene.world.act(UNIT, &["verify-backup", &backup])?;
        let code = self.is_named(&verified)?;
        let restored = scene.world.act(UNIT, &["restore-backup", &backup])?;
        self.is_named(&restored)?;
        let after = scene.footprint()?;
        ensure!(after == before, "something was changed: {restored:?}");
        Ok(format!("{} [{code}]", verified.message))
    }

    /// The object as it is now; `None` when it is not there any more.
    fn inflict(&self, whole: &[u8], folder: &Path, others: &Path) -> Result<Option<Vec<u8>>> {
        let mut bytes = whole.to_vec();
        let last = whole.len() - 1;
        match &self.damage {
            Damage::Flipped(at) => bytes[*at] ^= 1,
            Damage::FlippedAt(part) => bytes[part * whole.len() / PLACES] ^= 1,
            Damage::FlippedLast => bytes[last] ^= 1,
            Damage::Halved => bytes.truncate(whole.len() / 2),
            Damage::Shortened => bytes.truncate(last),
            Damage::Longer => bytes.push(b'x'),
            Damage::Emptied => bytes.clear(),
            Damage::Sibling(sibling) => bytes = fs::read(folder.join(sibling))?,
            Damage::Swapped => bytes = fs::read(others.join(&self.object))?,
            Damage::Missing | Damage::Renamed => return Ok(None),
        }
        Ok(Some(bytes))
    }

    /// Whether it shows without reading volumes: whatever is wrong with a document, and another size of a volume.
    fn is_seen_at_once(&self, damaged: Option<&[u8]>, whole: &[u8]) -> bool {
        !self.is_of_a_volume() || damaged.map(<[u8]>::len) != Some(whole.len())
    }

    /// An action that has failed and says what is wrong with which object; gives its code.
    fn is_named(&self, ended: &Action) -> Result<String> {
        ensure!(ended.status == "failed", "it was not found: {ended:?}");
        let code = ended.result("error-code");
        let name = match self.object.as_str() {
            // A backup without its manifest is none.
            MANIFEST if code == "backup-not-found" => "backup-",
            MANIFEST => "manifest",
            INVENTORY => "inventory",
            volume => volume,
        };
        ensure!(
            !code.is_empty() && ended.message.to_lowercase().contains(name),
            "{name} is not named: {ended:?}"
        );
        Ok(code.to_owned())
    }
}

/// The objects of a backup, in the order of its manifest.
pub(super) fn objects(scene: &Scene, id: &str) -> Result<Vec<String>> {
    let manifest = fs::read(scene.shelf().join(id).join(MANIFEST))?;
    let manifest: Value = serde_json::from_slice(&manifest)?;
    let volumes = manifest["volumes"].as_array().context("no volumes")?;
    let keys = volumes.iter().filter_map(|volume| volume["key"].as_str());
    let names = keys.filter_map(|key| Some(key.split_once('/')?.1.to_owned()));
    let documents = [INVENTORY, MANIFEST].map(str::to_owned);
    Ok(names.chain(documents).collect())
}

impl fmt::Display for Damaged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = &self.object;
        match &self.damage {
            Damage::Flipped(at) => write!(formatter, "{object} flipped at {at}"),
            Damage::FlippedAt(part) => write!(formatter, "{object} flipped at {part}/{PLACES}"),
            Damage::FlippedLast => write!(formatter, "{object} flipped at its end"),
            Damage::Halved => write!(formatter, "{object} without its second half"),
            Damage::Shortened => write!(formatter, "{object} without its last byte"),
            Damage::Longer => write!(formatter, "{object} with a byte more"),
            Damage::Emptied => write!(formatter, "{object} empty"),
            Damage::Missing => write!(formatter, "{object} missing"),
            Damage::Renamed => write!(formatter, "{object} under another name"),
            Damage::Sibling(sibling) => write!(formatter, "{object} replaced by {sibling}"),
            Damage::Swapped => write!(formatter, "{object} of another backup"),
        }
    }
}
