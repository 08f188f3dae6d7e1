#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::recheck::Difference;
use super::*;
use crate::archive::Kind;
use crate::backup::BackupId;
use crate::backup::format::Volume;

const ONE: &str = "volume-0001.tar.gpg";
const TWO: &str = "volume-0002.tar.gpg";

/// What the two volumes hold, as their inventory lists it. A name that ends in a slash is a directory's.
const FILES: [&[(&str, &str)]; 2] = [
    &[
        ("data/homeserver.db", "schema and rows"),
        ("data/media/local_content/", ""),
        ("data/media/local_content/aa", "a picture"),
    ],
    &[
        ("data/media/local_content/bb", "a larger picture"),
        ("data/media/local_thumbnails/", ""),
        ("data/media/local_thumbnails/empty", ""),
    ],
];

/// A data volume, and a ledger of the staging directory on it.
struct Scene {
    top: tempfile::TempDir,
    ledger: Ledger,
}

impl Scene {
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        let ledger = ledger(top.path(), "backup-20261121120405000678", 2);
        Self { top, ledger }
    }

    /// Unpacks these volumes, as `tar` would, and notes them as whole.
    fn with(volumes: &[usize]) -> Self {
        let scene = Self::new();
        scene.ledger.begin().unwrap();
        for volume in volumes {
            scene.unpack(*volume).unwrap();
        }
        scene
    }

    fn unpack(&self, number: usize) -> Result<(), RestoreError> {
        let volume = &volumes()[number];
        let there = self.ledger.prepare(volume).unwrap();
        assert_eq!(there, format!("/data/.private/staging/{}", volume.name()));
        for (name, content) in FILES[number] {
            let path = self.path(volume.name()).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if name.ends_with('/') {
                fs::create_dir(&path).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(0o2750)).unwrap();
            } else {
                fs::write(&path, content).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
            }
        }
        let files = members(number)
            .into_iter()
            .filter(|member| member.kind == Kind::File);
        self.ledger.finish(volume, files.count() as u64)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(".private/staging").join(name)
    }

    /// What a recheck makes of it.
    fn recheck(&self) -> Result<Members, Difference> {
        let (progress, _) = mpsc::channel(REPORTS);
        let mut recheck = Recheck::new(self.ledger.clone(), progress);
        for member in members(0).iter().chain(&members(1)) {
            recheck.member(member);
        }
        recheck.finish().map(MemberDigest::finish)
    }

    fn is_empty(&self) -> bool {
        !self.path("").exists()
    }
}

fn ledger(here: &Path, backup: &str, manifest: u8) -> Ledger {
    let owner = fs::metadata(here).unwrap();
    let place = Place {
        here: here.to_owned(),
        there: "/data".to_owned(),
        private: ".private",
        user_id: owner.uid(),
        group_id: owner.gid(),
        staging: "staging",
        replaced: |_, _| Ok(Vec::new()),
        permitted: |_, _| true,
        service: "synapse".to_owned(),
    };
    let inventory = Inventory {
        id: BackupId::parse(backup).unwrap(),
        server_name: "example.org".to_owned(),
        synapse_version: None,
        database: None,
        places: Scope::default(),
        members: MemberDigest::default().finish(),
        volumes: volumes(),
        notes: Vec::new(),
        media: None,
        manifest: Sha256Hex::from_digest(&[manifest; 32]),
    };
    Ledger::new(&place, &inventory, &Wanted::all(&inventory))
}

fn volumes() -> Vec<Volume> {
    let volume = |(number, name): (usize, &str)| Volume {
        key: format!("backup-20261121120405000678/{name}"),
        size: 4096,
        key_packet: 48,
        sha256: Sha256Hex::from_digest(&[1; 32]),
        members: FILES[number].len() as u64,
        content: members(number).iter().map(|member| member.size).sum(),
    };
    [ONE, TWO].into_iter().enumerate().map(volume).collect()
}

fn members(number: usize) -> Vec<Member> {
    let member = |(name, content): &(&str, &str)| {
        let directory = name.strip_suffix('/');
        let digest = Sha256Hex::from_digest(&Sha256::digest(content));
        Member {
            path: directory.unwrap_or(name).to_owned(),
            kind: match directory {
                Some(_) => Kind::Directory,
                None => Kind::File,
            },
            size: content.len() as u64,
            mode: if directory.is_some() { 0o750 } else { 0o640 },
            uid: 991,
            gid: 991,
            mtime: 0,
            sha256: directory.is_none().then_some(digest),
        }
    };
    FILES[number].iter().map(member).collect()
}

fn digest(numbers: &[usize]) -> Members {
    let mut digest = MemberDigest::default();
    for number in numbers {
        for member in members(*number) {
            digest.add(&member).unwrap();
        }
    }
    digest.finish()
}

#[test]
fn volumes_that_are_whole_are_taken_again() {
    assert!(Scene::new().ledger.whole().is_empty());
    for (number, unpacked) in [&[][..], &[0], &[0, 1]].into_iter().enumerate() {
        let scene = Scene::with(unpacked);
        assert_eq!(scene.ledger.whole().len(), number);
        assert_eq!(scene.recheck().unwrap(), digest(unpacked));
    }
}

#[test]
fn volumes_are_joined_and_recognised_at_every_step_of_it() {
    let scene = Scene::with(&[0, 1]);
    scene.ledger.join().unwrap();
    for (name, _) in FILES.concat() {
        assert!(scene.path(name).exists(), "{name}");
    }
    assert!(!scene.path(ONE).exists() && !scene.path(TWO).exists());
    assert_eq!(scene.recheck().unwrap(), digest(&[0, 1]));
    scene.ledger.join().unwrap();

    // Cut off between the two, and within the second.
    let scene = Scene::with(&[0, 1]);
    fs::rename(scene.path(ONE).join("data"), scene.path("data")).unwrap();
    assert_eq!(scene.recheck().unwrap(), digest(&[0, 1]));
    let moved = "data/media/local_thumbnails";
    fs::rename(scene.path(TWO).join(moved), scene.path(moved)).unwrap();
    assert_eq!(scene.recheck().unwrap(), digest(&[0, 1]));
    scene.ledger.join().unwrap();
    assert_eq!(scene.recheck().unwrap(), digest(&[0, 1]));
}

#[test]
fn what_is_not_whole_is_removed_and_the_rest_stays() {
    let scene = Scene::with(&[0]);
    scene.ledger.prepare(&volumes()[1]).unwrap();
    fs::write(scene.path(TWO).join("half"), "half").unwrap();
    fs::write(scene.path(&format!("{TWO}.done.new")), "").unwrap();
    scene.ledger.keep_whole().unwrap();
    assert!(!scene.path(TWO).exists());
    assert_eq!(scene.recheck().unwrap(), digest(&[0]));

    let scene = Scene::with(&[]);
    scene.ledger.prepare(&volumes()[0]).unwrap();
    scene.ledger.keep_whole().unwrap();
    assert!(scene.is_empty());
}

#[test]
fn staging_of_another_backup_or_of_unknown_origin_is_not_continued() {
    type Alter = fn(&Scene);
    let table: [(&str, Alter); 8] = [
        ("no note", |scene| {
            fs::remove_file(scene.path("backup.json")).unwrap();
        }),
        ("half a note", |scene| {
            fs::write(scene.path("backup.json"), "{\"backup\":").unwrap();
        }),
        ("link for a note", |scene| {
            let note = scene.path("backup.json");
            fs::rename(&note, scene.top.path().join("note")).unwrap();
            symlink(scene.top.path().join("note"), note).unwrap();
        }),
        ("stray file", |scene| {
            fs::write(scene.path("stray"), "").unwrap();
        }),
        ("stray directory", |scene| {
            fs::create_dir(scene.path("etc")).unwrap();
        }),
        ("note of an unknown volume", |scene| {
            fs::write(scene.path("volume-0003.tar.gpg.done"), "").unwrap();
        }),
        ("joined too early", |scene| {
            fs::create_dir(scene.path("data")).unwrap();
        }),
        ("second without the first", |scene| {
            let (from, to) = (format!("{ONE}.done"), format!("{TWO}.done"));
            fs::rename(scene.path(&from), scene.path(&to)).unwrap();
        }),
    ];
    for (what, alter) in table {
        let scene = Scene::with(&[0]);
        alter(&scene);
        assert!(scene.ledger.whole().is_empty(), "{what}");
        scene.ledger.begin().unwrap();
        let there: Vec<_> = fs::read_dir(scene.path(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(there, ["backup.json"], "{what}");
    }
    let scene = Scene::with(&[0]);
    let here = scene.top.path();
    for (backup, inventory, whole) in [
        ("backup-20261121120405000678", 2, 1),
        ("backup-20261121120405000678", 3, 0),
        ("backup-20261121120405000679", 2, 0),
    ] {
        assert_eq!(ledger(here, backup, inventory).whole().len(), whole);
    }
}

#[test]
fn anything_else_than_the_inventory_lists_is_found() {
    type Alter = fn(&Path);
    let table: [(&str, Alter); 11] = [
        (
            "data/media/local_content/aa has another content than the inventory lists",
            |root| {
                fs::write(root.join("data/media/local_content/aa"), "b picture").unwrap();
            },
        ),
        (
            "data/media/local_content/aa has another size than the inventory lists",
            |root| {
                fs::write(root.join("data/media/local_content/aa"), "a picturE!").unwrap();
            },
        ),
        (
            "data/homeserver.db has another mode than the inventory lists",
            |root| {
                let mode = Permissions::from_mode(0o644);
                fs::set_permissions(root.join("data/homeserver.db"), mode).unwrap();
            },
        ),
        (
            "data/homeserver.db has another mode than the inventory lists",
            |root| {
                let mode = Permissions::from_mode(0o4640);
                fs::set_permissions(root.join("data/homeserver.db"), mode).unwrap();
            },
        ),
        (
            "data/media/local_content has another mode than the inventory lists",
            |root| {
                let mode = Permissions::from_mode(0o700);
                fs::set_permissions(root.join("data/media/local_content"), mode).unwrap();
            },
        ),
        ("data/homeserver.db cannot be read", |root| {
            fs::remove_file(root.join("data/homeserver.db")).unwrap();
        }),
        (
            "data/homeserver.db has another kind than the inventory lists",
            |root| {
                fs::remove_file(root.join("data/homeserver.db")).unwrap();
                fs::create_dir(root.join("data/homeserver.db")).unwrap();
            },
        ),
        // A link to the right content is none.
        ("data/homeserver.db cannot be read", |root| {
            fs::rename(root.join("data/homeserver.db"), root.join("data/copy")).unwrap();
            symlink("copy", root.join("data/homeserver.db")).unwrap();
        }),
        ("data/media/local_content cannot be read", |root| {
            fs::rename(root.join("data/media"), root.join("data/moved")).unwrap();
            symlink("moved", root.join("data/media")).unwrap();
        }),
        ("3 files are there, and the inventory lists 2", |root| {
            fs::write(root.join("data/media/more"), "").unwrap();
        }),
        ("3 files are there, and the inventory lists 2", |root| {
            symlink("/etc", root.join("data/media/etc")).unwrap();
        }),
    ];
    for (expected, alter) in table {
        let scene = Scene::with(&[0]);
        alter(&scene.path(ONE));
        let difference = scene.recheck().unwrap_err();
        assert_eq!(difference.to_string(), expected);
    }
}

#[test]
fn two_members_of_one_name_are_found_by_counting() {
    let scene = Scene::with(&[]);
    let volume = &volumes()[0];
    scene.ledger.prepare(volume).unwrap();
    fs::write(scene.path(ONE).join("homeserver.db"), "the later one").unwrap();
    let error = scene.ledger.finish(volume, 2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "volume-0001.tar.gpg holds a name twice: of its 2 files 1 are left when they are unpacked"
    );
    assert!(scene.ledger.whole().is_empty());

    let scene = Scene::with(&[0, 1]);
    fs::write(scene.path(TWO).join("data/homeserver.db"), "").unwrap();
    let error = scene.ledger.join().unwrap_err();
    assert_eq!(error.to_string(), "two volumes hold data/homeserver.db");
}

#[test]
fn note_does_not_follow_a_link_that_waits_for_it() {
    let scene = Scene::with(&[]);
    let target = scene.top.path().join("target");
    let waiting = scene.path(&format!("{ONE}.done.new"));
    symlink(&target, waiting).unwrap();
    scene.unpack(0).unwrap();
    assert!(!target.exists());
    assert_eq!(scene.ledger.whole().len(), 1);
}
