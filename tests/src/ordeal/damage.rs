//! Backups that something happened to in the bucket: a flipped byte, an end that is missing, an object that is another's.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::scene::{Scene, UNIT, Which};

/// The objects of a backup.
const OBJECTS: [&str; 3] = ["volume-0001.tar.gpg", "inventory.json.gpg", "manifest.json"];
/// In how many places a byte is flipped.
const PLACES: usize = 64;

/// What happened to one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// A byte has one bit flipped, so many of the 64 parts into it.
    Flipped(usize),
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
    /// It is the same object of another backup of the same server, sealed with the same passphrase.
    Swapped,
}

/// A damaged object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged {
    object: &'static str,
    damage: Damage,
}

impl Damaged {
    /// All kinds, each of every object, with bytes flipped at every so many of the 64 places.
    pub fn all(every: usize) -> Vec<Self> {
        let mut all = Vec::new();
        for object in OBJECTS {
            let flipped = (0..PLACES).step_by(every.max(1)).map(Damage::Flipped);
            let others = [
                Damage::Halved,
                Damage::Shortened,
                Damage::Longer,
                Damage::Emptied,
                Damage::Missing,
                Damage::Swapped,
            ];
            all.extend(flipped.chain(others).map(|damage| Self { object, damage }));
        }
        all
    }

    /// Damages this backup of what was before, has it verified and restored, and mends it again. Tells what the charm said,
    /// if it refused.
    ///
    /// The backup is best one that was laid down by hand: of others the store keeps checksums, and is the first to find it.
    ///
    /// The manifest is not protected, and what is damaged in it need not matter: then the restore goes well. Whatever
    /// else is damaged has to be refused, with the server untouched.
    pub fn suffer(&self, scene: &Scene, id: &str) -> Result<Option<String>> {
        self.go_through(scene, id)
            .with_context(|| format!("with the {self}"))
    }

    fn go_through(&self, scene: &Scene, id: &str) -> Result<Option<String>> {
        let path = scene.shelf().join(id).join(self.object);
        let whole = fs::read(&path)?;
        let others = scene.shelf().join(scene.id(Which::After)).join(self.object);
        self.inflict(&path, &whole, &others)?;
        let synapse = scene.world.synapse(UNIT)?;
        let backup = format!("backup-id={id}");
        let verified = scene.world.act(UNIT, &["verify-backup", &backup])?;
        let ended = scene.world.act(UNIT, &["restore-backup", &backup])?;
        ensure!(
            verified.status == ended.status,
            "{verified:?} when it was verified, and {ended:?} when it was restored"
        );
        lay_down(&path, Some(&whole))?;

        let which = scene.is_whole()?;
        if ended.status == "completed" {
            ensure!(self.may_pass(), "it was restored: {ended:?}");
            ensure!(
                which == Which::Before,
                "{ended:?}, but nothing was restored"
            );
            scene.restore(Which::After)?;
            return Ok(None);
        }
        ensure!(
            which == Which::After,
            "{ended:?}, but something was restored"
        );
        ensure!(
            scene.world.synapse(UNIT)? == synapse,
            "Synapse was restarted: {ended:?}"
        );
        let code = ended.result("error-code");
        ensure!(!code.is_empty() && !ended.message.is_empty(), "{ended:?}");
        Ok(Some(format!("{} [{code}]", ended.message)))
    }

    fn may_pass(&self) -> bool {
        let harmless = matches!(self.damage, Damage::Flipped(_) | Damage::Shortened);
        self.object == "manifest.json" && harmless
    }

    fn inflict(&self, path: &Path, whole: &[u8], others: &Path) -> Result<()> {
        let mut bytes = whole.to_vec();
        match self.damage {
            Damage::Flipped(part) => {
                let at = part * bytes.len() / PLACES;
                bytes[at] ^= 1;
            }
            Damage::Halved => bytes.truncate(whole.len() / 2),
            Damage::Shortened => bytes.truncate(whole.len() - 1),
            Damage::Longer => bytes.push(b'x'),
            Damage::Emptied => bytes.clear(),
            Damage::Swapped => bytes = fs::read(others)?,
            Damage::Missing => return lay_down(path, None),
        }
        lay_down(path, Some(&bytes))
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = self.object;
        match self.damage {
            Damage::Flipped(part) => write!(formatter, "{object} flipped at {part}/{PLACES}"),
            Damage::Halved => write!(formatter, "{object} without its second half"),
            Damage::Shortened => write!(formatter, "{object} without its last byte"),
            Damage::Longer => write!(formatter, "{object} with a byte more"),
            Damage::Emptied => write!(formatter, "{object} empty"),
            Damage::Missing => write!(formatter, "{object} missing"),
            Damage::Swapped => write!(formatter, "{object} of another backup"),
        }
    }
}

/// A new file in the place of the old one, or none.
fn lay_down(path: &Path, bytes: Option<&[u8]>) -> Result<()> {
    if path.exists() {
        fs::remove_file(path)?;
    }
    match bytes {
        Some(bytes) => fs::write(path, bytes).with_context(|| path.display().to_string()),
        None => Ok(()),
    }
}
