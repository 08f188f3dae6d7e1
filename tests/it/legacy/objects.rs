//! The objects themselves, as the real `tar` and `gpg` write them, through the rooms that read them.

use std::fs;
use std::io::{self, Cursor, Read as _};
use std::process::Command;

use super::{SECRET, data, plant};
use harness::python_charm::{PythonCharm, Variant};
use synapse_operator::archive::{ArchiveError, Dialect, Kind, Member, pass_in};
use synapse_operator::openpgp::{Passphrase, open};

fn opened(object: Vec<u8>) -> Vec<u8> {
    let passphrase = Passphrase::parse(&SECRET.into()).unwrap();
    let mut opened = open(Cursor::new(object), &passphrase).unwrap();
    let mut archive = Vec::new();
    opened.read_to_end(&mut archive).unwrap();
    let message = opened.authenticate().unwrap();
    assert_eq!(message.plaintext_bytes(), archive.len() as u64);
    archive
}

fn members(archive: &[u8]) -> Result<Vec<Member>, ArchiveError> {
    let mut members = Vec::new();
    let passed = pass_in(
        Dialect::Foreign,
        archive,
        io::sink(),
        |_| Ok(true),
        |member| {
            members.push(member);
            Ok(())
        },
    );
    passed.map(|_| members)
}

#[test]
fn every_variant_is_read_and_holds_the_same() {
    let data = data();
    let charm = PythonCharm::at(data.path(), SECRET);
    let mut first = None;
    for (what, variant) in Variant::ALL {
        let archive = opened(charm.backup_as(variant).unwrap());
        let absolute = variant.tar.contains(&"--absolute-names");
        assert_eq!(archive[0] == b'/', absolute, "{what}");
        let members = members(&archive).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let told: Vec<_> = members
            .iter()
            .map(|member| (member.path.clone(), member.size, member.sha256.clone()))
            .collect();
        for (path, size, sha256) in &told {
            let found = data.path().join(path.strip_prefix("data/").unwrap());
            let metadata = fs::metadata(&found).unwrap();
            assert_eq!(sha256.is_some(), metadata.is_file(), "{what}: {path}");
            assert!(
                metadata.is_dir() || metadata.len() == *size,
                "{what}: {path}"
            );
        }
        assert_eq!(*first.get_or_insert(told.clone()), told, "{what}");
    }
    let names: Vec<String> = first.unwrap().into_iter().map(|(name, ..)| name).collect();
    for name in [
        "data/demo.example.signing.key",
        "data/homeserver.db",
        "data/homeserver.db-shm",
        "data/homeserver.db-wal",
        "data/media/local_content/aa/bb/cccc",
        "data/media/local_content/empty",
        "data/tls.key",
    ] {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
    assert!(names.iter().any(|name| name.len() > 180), "{names:?}");
    let foreign = ["yaml", "remote", "passphrase"];
    let stray = |name: &&String| foreign.iter().any(|word| name.contains(word));
    assert_eq!(names.iter().find(stray), None);
}

#[test]
fn deployment_with_postgresql_has_keys_and_media_only() {
    let data = tempfile::tempdir().unwrap();
    plant(
        data.path(),
        &[
            ("demo.example.signing.key", b"key"),
            ("media/local_content/aa/bb/cccc", b"media"),
        ],
    );
    let charm = PythonCharm::at(data.path(), SECRET);
    let members = members(&opened(charm.backup().unwrap())).unwrap();
    assert!(
        members
            .iter()
            .all(|member| !member.path.contains("homeserver"))
    );
    assert_eq!(
        members
            .iter()
            .filter(|member| member.kind == Kind::File)
            .count(),
        2
    );

    fs::remove_dir_all(data.path().join("media")).unwrap();
    let members = self::members(&opened(charm.backup().unwrap())).unwrap();
    assert_eq!(members.len(), 1, "without media");
}

#[test]
fn media_store_beside_the_data_keeps_its_own_name() {
    let (data, media) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    plant(data.path(), &[("demo.example.signing.key", b"key")]);
    plant(media.path(), &[("local_content/aa/bb/cccc", b"media")]);
    let charm = PythonCharm::at(data.path(), SECRET).with_media_store(media.path());
    let members = members(&opened(charm.backup().unwrap())).unwrap();
    let last = members.last().unwrap();
    assert_eq!(last.path, "media_store/local_content/aa/bb/cccc");
}

/// What somebody put among the media, and what a tar that was told otherwise writes: named and refused.
#[test]
fn links_pipes_and_other_formats_are_refused() {
    let data = data();
    let media = data.path().join("media/local_content");
    let refused = |charm: &PythonCharm, archive: Option<&str>| {
        let object = match archive {
            None => charm.backup().unwrap(),
            Some(command) => charm.sealed_output_of(command).unwrap(),
        };
        match members(&opened(object)) {
            Err(ArchiveError::Refused { name, refusal }) => format!("{name}: {refusal}"),
            other => panic!("{other:?}"),
        }
    };
    let charm = PythonCharm::at(data.path(), SECRET);
    std::os::unix::fs::symlink("/etc/passwd", media.join("link")).unwrap();
    let told = refused(&charm, None);
    assert!(
        told.starts_with("data/media/local_content/link: it is a link"),
        "{told}"
    );
    fs::remove_file(media.join("link")).unwrap();

    fs::hard_link(media.join("aa/bb/cccc"), media.join("same")).unwrap();
    let told = refused(&charm, None);
    assert!(told.contains("it is a link"), "{told}");
    fs::remove_file(media.join("same")).unwrap();

    let made = Command::new("mkfifo").arg(media.join("pipe")).status();
    assert!(made.unwrap().success());
    let told = refused(&charm, None);
    assert!(
        told.starts_with("data/media/local_content/pipe: it is a device"),
        "{told}"
    );
    fs::remove_file(media.join("pipe")).unwrap();

    for (format, rule) in [
        ("posix", "it has a pax header"),
        ("ustar", "its header is not of GNU tar's own format"),
        ("v7", "it is of the unknown kind '\\0'"),
    ] {
        let tar = format!("tar --format={format} -c /data/demo.example.signing.key");
        let told = refused(&charm, Some(&tar));
        assert!(told.contains(rule), "{format}: {told}");
    }
}

#[test]
fn rows_of_the_write_ahead_log_are_not_in_the_main_file() {
    let data = data();
    let main = fs::read(data.path().join("homeserver.db")).unwrap();
    let log = fs::read(data.path().join("homeserver.db-wal")).unwrap();
    let holds = |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
    assert!(holds(&main, b"early") && !holds(&main, b"late"));
    assert!(holds(&log, b"late"));
}
