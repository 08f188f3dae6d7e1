//! What a listing of the bucket shows of each backup, before anything of it is read.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    BackupId, Catalogue, CatalogueError, FAILED, INVENTORY, MANIFEST, PROOF, PROTECTED, RUN_LOG,
    store, volume_name,
};
use crate::s3::{Object, S3Error};

/// What every key of a backup begins with, so that a listing passes over what lies beside the backups.
const PREFIX: &str = "backup-";
/// The most backups that are looked at, the newest ones.
const BACKUPS: usize = 10_000;
/// The most volumes that are remembered, of all backups together: a few bytes each.
const VOLUMES: usize = 1_000_000;

/// What the listing shows of one backup: a few bytes, and a few more for each of its volumes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) manifest: bool,
    pub(super) inventory: bool,
    pub(super) proof: bool,
    pub(super) failed: bool,
    pub(super) protected: bool,
    pub(super) log: bool,
    /// Sizes of the volumes, by number.
    pub(super) volumes: BTreeMap<u32, u64>,
    /// An object of the backup's very name: its size, and when it was written.
    pub(super) flat: Option<(u64, Option<Timestamp>)>,
    /// Objects in the backup's folder.
    pub(super) objects: u64,
    /// Bytes of them.
    pub(super) size: u64,
    /// Bytes of those that are read to judge it.
    pub(super) documents: u64,
    /// When the last of them was written.
    pub(super) last: Option<Timestamp>,
}

/// All backups of a listing, by name and so by time.
#[derive(Debug, Default)]
pub(super) struct Sights {
    pub(super) backups: BTreeMap<BackupId, Sight>,
    volumes: usize,
    /// Whether older backups were left out.
    pub(super) cut: bool,
}

/// The part of a backup that a key names.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::backup) enum Part<'a> {
    /// The whole: an object of the backup's very name.
    Flat,
    /// An object in its folder.
    Named(&'a str),
}

impl Sights {
    /// Notes one object of a listing; one that is none of a backup is passed over.
    fn see(&mut self, object: &Object) -> Result<(), S3Error> {
        let Some((id, part)) = parse(&object.key) else {
            return Ok(());
        };
        let sight = self.backups.entry(id).or_default();
        let before = sight.volumes.len();
        sight.see(&part, object);
        self.volumes += sight.volumes.len() - before;
        if self.volumes > VOLUMES {
            return Err(S3Error::Refused {
                task: "list the bucket".to_owned(),
                status: 200,
                code: "TooManyKeys".to_owned(),
                message: format!("there are more than {VOLUMES} volumes below this path"),
            });
        }
        if self.backups.len() > BACKUPS
            && let Some((_, dropped)) = self.backups.pop_first()
        {
            self.volumes -= dropped.volumes.len();
            self.cut = true;
        }
        Ok(())
    }

    /// The size of the volume of this key, if the listing shows it; `own` is what is known of one backup by now.
    pub(super) fn size_of(&self, own: (&BackupId, &Sight), key: &str) -> Option<u64> {
        let (id, Part::Named(name)) = parse(key)? else {
            return None;
        };
        let sight = match id == *own.0 {
            true => own.1,
            false => self.backups.get(&id)?,
        };
        sight.volumes.get(&volume_number(name)?).copied()
    }
}

impl Sight {
    fn see(&mut self, part: &Part<'_>, object: &Object) {
        let name = match part {
            Part::Flat => {
                self.flat = Some((object.size, object.modified));
                return;
            }
            Part::Named(name) => *name,
        };
        self.objects += 1;
        self.size = self.size.saturating_add(object.size);
        self.last = self.last.max(object.modified);
        if [MANIFEST, PROOF, FAILED].contains(&name) {
            self.documents = self.documents.saturating_add(object.size);
        }
        match name {
            MANIFEST => self.manifest = true,
            INVENTORY => self.inventory = true,
            PROOF => self.proof = true,
            FAILED => self.failed = true,
            PROTECTED => self.protected = true,
            RUN_LOG => self.log = true,
            name => {
                if let Some(number) = volume_number(name) {
                    self.volumes.insert(number, object.size);
                }
            }
        }
    }
}

impl Catalogue {
    /// Lists all backups.
    pub(super) async fn sights(&self) -> Result<Sights, CatalogueError> {
        let failed = store("list the bucket");
        let mut sights = Sights::default();
        let mut listing = self.bucket().list(PREFIX);
        while let Some(page) = listing.page().await.map_err(&failed)? {
            for object in &page.objects {
                sights.see(object).map_err(&failed)?;
            }
        }
        Ok(sights)
    }

    /// Lists one backup anew.
    pub(super) async fn sight(&self, id: &BackupId) -> Result<Sight, CatalogueError> {
        let failed = store("list the backup");
        let mut sights = Sights::default();
        let flat = self.bucket().stat(id.as_str()).await.map_err(&failed)?;
        let mut listing = self.bucket().list_level(&format!("{id}/"));
        while let Some(page) = listing.page().await.map_err(&failed)? {
            for object in page.objects.iter().chain(&flat) {
                sights.see(object).map_err(&failed)?;
            }
        }
        Ok(sights.backups.remove(id).unwrap_or_default())
    }
}

/// The backup that a key is of, and which part of it; nothing when it is somebody else's.
pub(in crate::backup) fn parse(key: &str) -> Option<(BackupId, Part<'_>)> {
    let Some((id, name)) = key.split_once('/') else {
        return Some((BackupId::parse(key).ok()?, Part::Flat));
    };
    let id = BackupId::parse(id).ok()?;
    (!name.is_empty() && !name.contains('/')).then_some((id, Part::Named(name)))
}

/// Whether a key is one of a backup.
#[cfg(any(test, fuzzing))]
pub(in crate::backup) fn is_ours(key: &str) -> bool {
    parse(key).is_some()
}

/// The number in a volume's name.
pub(in crate::backup) fn volume_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("volume-")?.strip_suffix(".tar.gpg")?;
    let number: u32 = digits.parse().ok()?;
    (name == volume_name(usize::try_from(number).ok()?)).then_some(number)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const ID: &str = "backup-20261121120405000678";

    fn seen(keys: impl IntoIterator<Item = String>) -> Sights {
        let mut sights = Sights::default();
        for key in keys {
            let object = Object {
                key,
                size: 10,
                etag: None,
                modified: Timestamp::from_second(1).ok(),
            };
            sights.see(&object).unwrap();
        }
        sights
    }

    #[test]
    fn only_what_lies_in_the_place_of_a_backup_is_of_one() {
        let foreign = [
            format!("{ID}/x/manifest.json"),
            format!("x/{ID}/manifest.json"),
            format!("{ID}-staging/manifest.json"),
            format!("{ID}-staging"),
            format!("{ID}/"),
            "backup-1/manifest.json".to_owned(),
            "manifest.json".to_owned(),
            "lease.json".to_owned(),
        ];
        assert!(seen(foreign).backups.is_empty());
        let names = ["volume-0001.tar.gpg", "inventory.json.gpg", "manifest.json"];
        let sights = seen(names.map(|name| format!("{ID}/{name}")));
        let sight = &sights.backups[&BackupId::parse(ID).unwrap()];
        assert!(sight.manifest && sight.inventory && !sight.failed && sight.flat.is_none());
        assert_eq!((sight.objects, sight.size), (3, 30));
        let other = BackupId::parse("backup-20261121120405000679").unwrap();
        let none = Sight::default();
        let size = |name: &str| sights.size_of((&other, &none), &format!("{ID}/{name}"));
        assert_eq!(size("volume-0001.tar.gpg"), Some(10));
        assert_eq!(size("volume-0002.tar.gpg"), None);
        assert!(
            seen([ID.to_owned()])
                .backups
                .values()
                .next()
                .unwrap()
                .flat
                .is_some()
        );
    }

    #[test]
    fn volume_has_one_name_for_each_number() {
        for (name, number) in [
            ("volume-0001.tar.gpg", Some(1)),
            ("volume-9999.tar.gpg", Some(9999)),
            ("volume-10000.tar.gpg", Some(10_000)),
            ("volume-00001.tar.gpg", None),
            ("volume-1.tar.gpg", None),
            ("volume-+001.tar.gpg", None),
            ("volume-0001.tar.gpg.gpg", None),
            ("volume-99999999999.tar.gpg", None),
        ] {
            assert_eq!(volume_number(name), number, "{name}");
        }
    }

    #[test]
    fn hostile_listing_keeps_the_newest_and_little_memory() {
        let keys = (0..150_000).map(|number| format!("backup-20261121120405{number:06}/a"));
        let foreign = (0..150_000).map(|number| format!("backup-x/{number}"));
        let sights = seen(keys.chain(foreign));
        assert_eq!(sights.backups.len(), BACKUPS);
        assert!(sights.cut);
        let newest = sights.backups.last_key_value().unwrap().0;
        assert_eq!(newest.as_str(), "backup-20261121120405149999");
    }
}
