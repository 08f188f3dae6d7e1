//! What a backup of the Python charm turns out to hold when it is read whole; and that damage is found, wherever it is.

use std::error::Error as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use harness::python_charm::PythonCharm;
use harness::s3::{Options, Server};
use synapse_operator::backup::{
    BackupId, Catalogue, Heritage, Monitor, RestoreError, Surveyed, Use, survey,
};
use synapse_operator::openpgp::Passphrase;
use synapse_operator::s3::{Bucket, Limits, Params, Proxy};
use synapse_operator::synapse::data::{Legacy, MOVED, legacy};

use super::{ID, SECRET, data, plant};

const HERITAGE: Heritage = Heritage {
    of: |name| {
        legacy(name).map(|legacy| match legacy {
            Legacy::Keys => Use::Part("keys"),
            Legacy::Database => Use::Part("database"),
            Legacy::Media => Use::Part("media"),
            Legacy::Spare => Use::Spare,
        })
    },
    moved: MOVED,
};

/// A bucket with one object in the place of a backup.
struct Shelf {
    server: Server,
    catalogue: Catalogue,
}

impl Shelf {
    fn with(object: &[u8]) -> Self {
        let server = Server::start(Options::default()).unwrap();
        let mut relation = server.relation_data();
        relation.insert("path".to_owned(), "synapse".to_owned());
        let params = Params::parse(&relation).unwrap();
        let bucket = Bucket::open(&params, &Proxy::default(), Limits::default());
        let shelf = Self {
            server,
            catalogue: Catalogue::new(bucket),
        };
        shelf.put(ID, object);
        shelf
    }

    fn put(&self, name: &str, object: &[u8]) {
        let path = self.path("synapse").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, object).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.server.directory().join("demo").join(name)
    }

    async fn survey(&self, secret: &str) -> Result<Surveyed, RestoreError> {
        let passphrases = [Arc::new(Passphrase::parse(&secret.into()).unwrap())];
        let id = BackupId::parse(ID).unwrap();
        let (monitor, _progress) = Monitor::new();
        survey(&self.catalogue, &passphrases, &id, HERITAGE, &monitor).await
    }

    /// The whole chain of causes, as an operator reads it.
    async fn refusal(&self, secret: &str) -> String {
        let error = self.survey(secret).await.unwrap_err();
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

#[tokio::test]
async fn survey_tells_what_an_inventory_would_say() {
    let data = data();
    let object = PythonCharm::at(data.path(), SECRET).backup().unwrap();
    let shelf = Shelf::with(&object);
    let surveyed = shelf.survey(SECRET).await.unwrap();
    assert_eq!(surveyed.size, object.len() as u64);
    assert!(surveyed.written.is_some());
    let mut files = surveyed.files.clone();
    files.sort();
    let expected = [
        "demo.example.signing.key",
        "homeserver.db",
        "homeserver.db-shm",
        "homeserver.db-wal",
        "tls.key",
    ];
    assert_eq!(files, expected);
    let size = |name: &str| fs::metadata(data.path().join(name)).unwrap().len();
    let database = surveyed.parts["database"];
    assert_eq!(database.members, 2, "without the index of the log");
    assert_eq!(
        database.content,
        size("homeserver.db") + size("homeserver.db-wal")
    );
    assert_eq!(surveyed.parts["keys"].members, 1);
    let media = surveyed.parts["media"];
    assert_eq!(
        (media.members, media.content),
        (9, 70_000 + "thumbnail".len() as u64)
    );
    assert_eq!(surveyed.members(), 9 + 1 + 2 + 2);
    let spare = size("homeserver.db-shm") + size("tls.key");
    let all: u64 = surveyed.parts.values().map(|share| share.content).sum();
    assert_eq!(surveyed.content(), all + spare);
}

#[tokio::test]
async fn media_store_beside_the_data_is_counted_as_media() {
    let (data, media) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    plant(data.path(), &[("demo.example.signing.key", b"key")]);
    plant(media.path(), &[("local_content/aa/bb/cccc", b"media")]);
    let charm = PythonCharm::at(data.path(), SECRET).with_media_store(media.path());
    let shelf = Shelf::with(&charm.backup().unwrap());
    let surveyed = shelf.survey(SECRET).await.unwrap();
    assert_eq!(surveyed.parts["media"].content, 5);
    assert_eq!(surveyed.files, ["demo.example.signing.key"]);
    assert!(!surveyed.parts.contains_key("database"));
}

#[tokio::test]
async fn damage_is_found_wherever_it_is() {
    let data = data();
    let charm = PythonCharm::at(data.path(), SECRET);
    let object = charm.backup().unwrap();
    let shelf = Shelf::with(&object);
    let end = object.len();
    for length in [0, 1, 5, 20, 40, 600, end / 2, end - 30, end - 1] {
        shelf.put(ID, &object[..length]);
        let told = shelf.refusal(SECRET).await;
        assert!(!told.contains("panicked"), "cut to {length}: {told}");
    }
    for at in [0, 3, 8, 12, 18, 25, 45, 600, end / 2, end - 25, end - 1] {
        let mut flipped = object.clone();
        flipped[at] ^= 0x10;
        shelf.put(ID, &flipped);
        let told = shelf.refusal(SECRET).await;
        assert!(!told.contains("panicked"), "flipped at {at}: {told}");
    }
    for tail in [&b"x"[..], &[0; 512], &object] {
        shelf.put(ID, &[&object, tail].concat());
        let told = shelf.refusal(SECRET).await;
        assert!(
            !told.contains("panicked"),
            "{} bytes more: {told}",
            tail.len()
        );
    }
    shelf.put(ID, &object);
    let told = shelf.refusal("another passphrase").await;
    assert!(told.contains("the passphrase is wrong"), "{told}");
    shelf.survey(SECRET).await.unwrap();
}

/// `tar` was ended in its middle, and `gpg` sealed what it had: the seal is good, and the archive is not whole.
#[tokio::test]
async fn archive_that_broke_off_before_it_was_sealed_is_not_whole() {
    let data = data();
    let charm = PythonCharm::at(data.path(), SECRET);
    let tar = "tar -c /data/demo.example.signing.key /data/homeserver.db /data/media/local_content";
    let shelf = Shelf::with(&charm.sealed_output_of(&format!("({tar} || true)")).unwrap());
    shelf.survey(SECRET).await.unwrap();
    for bytes in [512, 1024, 5000, 20_000] {
        let cut = format!("({tar} | head -c {bytes} || true)");
        shelf.put(ID, &charm.sealed_output_of(&cut).unwrap());
        let told = shelf.refusal(SECRET).await;
        assert!(told.contains("broke off"), "{bytes}: {told}");
    }
}

#[tokio::test]
async fn what_that_charm_never_made_is_refused_by_name() {
    let data = data();
    let charm = PythonCharm::at(data.path(), SECRET);
    let shelf = Shelf::with(b"a note that somebody left here\n");
    let told = shelf.refusal(SECRET).await;
    assert!(told.contains("not an OpenPGP message"), "{told}");
    for (command, expected) in [
        ("echo hello", "broke off"),
        ("tar -c /data/homeserver.yaml", "data/homeserver.yaml"),
        ("tar -c /data", "\"data\""),
        ("tar -P -c /etc/passwd", "etc/passwd"),
        ("tar -C /data -c homeserver.db", "homeserver.db"),
        ("tar -c /data/media/remote_content", "remote_content"),
    ] {
        shelf.put(ID, &charm.sealed_output_of(command).unwrap());
        let told = shelf.refusal(SECRET).await;
        assert!(told.contains(expected), "{command}: {told}");
    }
}

#[tokio::test]
async fn backup_that_is_not_there_is_absent_and_its_sibling_is_not_taken() {
    let data = data();
    let object = PythonCharm::at(data.path(), SECRET).backup().unwrap();
    let shelf = Shelf::with(&object);
    fs::create_dir_all(shelf.path("synapse-staging")).unwrap();
    for place in [
        format!("synapse-staging/{ID}"),
        format!("synapse{ID}"),
        ID.to_owned(),
    ] {
        fs::rename(shelf.path("synapse").join(ID), shelf.path(&place)).unwrap();
        let told = shelf.refusal(SECRET).await;
        assert_eq!(told, format!("backup-id {ID} does not exist"), "{place}");
        fs::rename(shelf.path(&place), shelf.path("synapse").join(ID)).unwrap();
    }
    shelf.survey(SECRET).await.unwrap();
}
