//! What of a bucket's content a sweep may remove; pure.

use jiff::{SignedDuration, Timestamp};

use crate::backup::BackupId;
use crate::backup::catalogue::{
    FAILED, INVENTORY, MANIFEST, PROOF, Part, RUN_LOG, parse, volume_number,
};
use crate::s3::{Object, OpenUpload};

/// What a listing shows of a backup's folder.
#[derive(Debug, Default)]
pub(super) struct Folder {
    pub(super) manifest: bool,
    failed: bool,
    /// What may go: keys, sizes.
    objects: Vec<(String, u64)>,
    /// When the youngest object was written; nothing when the store does not tell of one.
    youngest: Option<Timestamp>,
    timeless: bool,
}

/// What may be swept now.
pub(super) struct Terms {
    /// What is younger stays.
    pub(super) before: Timestamp,
    /// What somebody is at work on.
    pub(super) live: Option<BackupId>,
}

impl Folder {
    pub(super) fn see(&mut self, part: &Part<'_>, object: &Object) {
        let name = match part {
            // A backup of the Python charm is one object, and whole.
            Part::Flat => {
                self.manifest = true;
                return;
            }
            Part::Named(name) => *name,
        };
        self.manifest |= name == MANIFEST;
        self.failed |= name == FAILED;
        self.youngest = self.youngest.max(object.modified);
        self.timeless |= object.modified.is_none();
        if matches!(name, INVENTORY | PROOF | RUN_LOG) || volume_number(name).is_some() {
            self.objects.push((object.key.clone(), object.size));
        }
    }

    /// What may go: a failed run's own words stay.
    pub(super) fn leftovers(&self) -> Vec<&(String, u64)> {
        let log = format!("/{RUN_LOG}");
        let objects = self.objects.iter();
        objects
            .filter(|(key, _)| !(self.failed && key.ends_with(&log)))
            .collect()
    }
}

impl Terms {
    pub(super) fn may_empty(&self, id: &BackupId, folder: &Folder) -> bool {
        let old = folder.youngest.is_some_and(|at| at < self.before);
        !folder.manifest && !folder.timeless && old && self.live.as_ref() != Some(id)
    }

    pub(super) fn may_abort(&self, upload: &OpenUpload) -> bool {
        let old = upload.initiated.is_some_and(|at| at < self.before);
        old && own(&upload.key).is_some_and(|id| self.live.as_ref() != Some(&id))
    }
}

/// The backup that a key is of, if it is one that we upload.
pub(super) fn own(key: &str) -> Option<BackupId> {
    match parse(key)? {
        (id, Part::Named(name)) if name == INVENTORY || volume_number(name).is_some() => Some(id),
        (_, Part::Named(_) | Part::Flat) => None,
    }
}

pub(super) fn earlier(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.checked_sub(by).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const ID: &str = "backup-20261121120405000678";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn terms(live: Option<&str>) -> Terms {
        Terms {
            before: at(1000),
            live: live.map(|id| BackupId::parse(id).unwrap()),
        }
    }

    fn folder(objects: &[(&str, Option<i64>)]) -> Folder {
        let mut folder = Folder::default();
        for (name, modified) in objects {
            let key = format!("{ID}/{name}");
            let object = Object {
                key: key.clone(),
                size: 7,
                etag: None,
                modified: modified.map(at),
            };
            folder.see(&Part::Named(name), &object);
        }
        folder
    }

    fn swept(objects: &[(&str, Option<i64>)], live: Option<&str>) -> Vec<String> {
        let folder = folder(objects);
        if !terms(live).may_empty(&BackupId::parse(ID).unwrap(), &folder) {
            return Vec::new();
        }
        let names = folder.leftovers().into_iter();
        names
            .map(|(key, _)| key.replace(&format!("{ID}/"), ""))
            .collect()
    }

    #[test]
    fn only_old_objects_of_unfinished_backups_that_nobody_makes_are_swept() {
        let volume = ("volume-0001.tar.gpg", Some(999));
        let inventory = ("inventory.json.gpg", Some(10));
        let log = ("run.log", Some(10));
        let both = ["volume-0001.tar.gpg", "inventory.json.gpg"];
        assert_eq!(swept(&[volume, inventory], None), both);
        assert_eq!(
            swept(&[volume, log], None),
            ["volume-0001.tar.gpg", "run.log"]
        );
        // What a failed run has to say stays.
        assert_eq!(
            swept(&[volume, log, ("failed.json", Some(10))], None),
            ["volume-0001.tar.gpg"]
        );
        let other = "backup-20261121120405000679";
        assert_eq!(swept(&[volume, inventory], Some(other)), both);
        for (objects, live) in [
            (vec![volume, inventory], Some(ID)),
            (vec![volume, ("manifest.json", Some(10))], None),
            (vec![volume, ("inventory.json.gpg", Some(1000))], None),
            (vec![volume, ("inventory.json.gpg", None)], None),
            (
                vec![("notes.txt", Some(10)), ("volume-1.tar.gpg", Some(10))],
                None,
            ),
        ] {
            assert!(swept(&objects, live).is_empty(), "{objects:?}");
        }
    }

    #[test]
    fn only_old_uploads_of_our_own_keys_are_aborted() {
        let upload = |key: &str, initiated: Option<i64>| OpenUpload {
            key: key.to_owned(),
            id: "x".to_owned(),
            initiated: initiated.map(at),
        };
        let own = format!("{ID}/volume-0001.tar.gpg");
        assert!(terms(None).may_abort(&upload(&own, Some(999))));
        assert!(!terms(None).may_abort(&upload(&own, Some(1000))));
        assert!(!terms(None).may_abort(&upload(&own, None)));
        assert!(!terms(Some(ID)).may_abort(&upload(&own, Some(10))));
        for key in [
            format!("{ID}/manifest.json"),
            format!("{ID}/sub/volume-0001.tar.gpg"),
            format!("x/{ID}/volume-0001.tar.gpg"),
            format!("{ID}-2/volume-0001.tar.gpg"),
            ID.to_owned(),
            "check-0123456789abcdef/multipart".to_owned(),
            "volume-0001.tar.gpg".to_owned(),
        ] {
            assert!(!terms(None).may_abort(&upload(&key, Some(10))), "{key}");
        }
    }
}
