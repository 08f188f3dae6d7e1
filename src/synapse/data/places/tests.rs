#![expect(clippy::unwrap_used, reason = "tests")]

use super::super::MediaId;
use super::*;

/// A data directory as Synapse leaves it.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in [
        "example.org.signing.key",
        "macaroon.secret",
        "homeserver.yaml",
        "log.config",
        "homeserver.db",
        "homeserver.db-wal",
        "homeserver.db-shm",
        "homeserver.log",
        ".synapse-operator/x",
        "media/local_content/aa/bb/cc",
        "media/local_thumbnails/aa/bb/cc/96-96",
        "media/remote_content/a",
        "media/remote_thumbnail/a",
        "modules/spam.py",
        "media/url_cache/b",
    ] {
        let path = directory.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file).unwrap();
    }
    directory
}

fn names(paths: Vec<PathBuf>) -> Vec<String> {
    paths
        .into_iter()
        .map(|path| path.display().to_string())
        .collect()
}

#[test]
fn keys_secrets_configuration_and_local_media_are_saved_and_the_live_database_is_not() {
    assert_eq!(
        names(
            [Part::Keys, Part::Config, Part::Database, Part::Media]
                .iter()
                .flat_map(|part| saved(directory().path(), part).unwrap())
                .collect()
        ),
        [
            "example.org.signing.key",
            "homeserver.yaml",
            "log.config",
            "macaroon.secret",
            "media/local_content",
            "media/local_thumbnails",
        ]
    );
    let remote = saved(directory().path(), &Part::RemoteMedia).unwrap();
    assert_eq!(
        names(remote),
        ["media/remote_content", "media/remote_thumbnail"]
    );
}

#[test]
fn restore_of_a_part_replaces_that_part_alone() {
    let directory = directory();
    let of = |parts: &[Part]| names(replaced(directory.path(), parts).unwrap());
    assert_eq!(of(&[Part::Keys]), ["example.org.signing.key"]);
    assert_eq!(
        of(&[Part::Media]),
        ["media/local_content", "media/local_thumbnails"]
    );
    let extra = Part::extra("modules/spam.py").unwrap();
    assert_eq!(
        of(&[extra, Part::extra("absent").unwrap()]),
        ["modules/spam.py"]
    );
    let id = MediaId::parse("aabbcc").unwrap();
    let places = [
        "media/local_content/aa/bb/cc",
        "media/local_thumbnails/aa/bb/cc",
    ];
    assert_eq!(of(&[Part::MediaId(id.clone())]), places);
    assert!(permitted(
        Path::new("media/local_thumbnails/aa/bb/cc/9"),
        &[Part::MediaId(id.clone())]
    ));
    assert!(!permitted(
        Path::new("media/local_content/aa/bb/dd"),
        &[Part::MediaId(id)]
    ));
}

#[test]
fn extra_path_may_lie_beside_the_places_of_the_rules_only() {
    for path in ["modules", "media/stickers", "homeserver.log", "data"] {
        assert_eq!(clash(Path::new(path)), None, "{path}");
    }
    for path in [
        "media",
        "media/local_content",
        "media/local_content/aa",
        "media/remote_thumbnail",
        "homeserver.db",
        "homeserver.db-wal",
        "a.signing.key",
        "macaroon.secret/x",
        ".synapse-operator/journal.json",
    ] {
        assert!(clash(Path::new(path)).is_some(), "{path}");
        let extra = [Part::Extra(PathBuf::from(path))];
        assert!(!permitted(Path::new(path), &extra), "{path}");
    }
}

#[test]
fn every_member_belongs_to_one_component() {
    for (path, component) in [
        ("a.signing.key", "keys"),
        ("homeserver.yaml", "config"),
        ("homeserver.db", "database"),
        ("media/local_thumbnails/aa", "media"),
        ("media/remote_content/aa", "remote-media"),
        ("modules/spam.py", "extra"),
    ] {
        assert_eq!(super::component(Path::new(path)), component, "{path}");
    }
}

#[test]
fn restore_replaces_every_file_of_the_database_generation() {
    assert_eq!(
        names(replaced(directory().path(), &Part::PLAIN[..4]).unwrap()),
        [
            "example.org.signing.key",
            "homeserver.db",
            "homeserver.db-shm",
            "homeserver.db-wal",
            "homeserver.yaml",
            "macaroon.secret",
            "media/local_content",
            "media/local_thumbnails",
        ]
    );
}

#[test]
fn every_rule_is_met_and_no_name_meets_two() {
    let directory = directory();
    for rule in RULES
        .iter()
        .filter(|rule| !matches!(rule.name, Name::Is("homeserver.db-journal")))
    {
        let place = directory.path().join(rule.directory);
        let met = std::fs::read_dir(place).unwrap().any(|entry| {
            let name = entry.unwrap().file_name();
            rule.name.matches(name.to_str().unwrap())
        });
        assert!(met, "a rule of {:?} is met by nothing", rule.directory);
    }
    for path in names(replaced(directory.path(), &Part::PLAIN).unwrap()) {
        let (place, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let rules = RULES
            .iter()
            .filter(|rule| rule.directory == place && rule.name.matches(name));
        assert_eq!(rules.count(), 1, "{path}");
    }
}

#[test]
fn only_what_a_backup_takes_may_come_back() {
    for path in [
        "homeserver.db",
        "homeserver.yaml",
        "a.signing.key",
        "media/local_content/aa/b",
    ] {
        assert!(permitted(Path::new(path), &Part::PLAIN[..4]), "{path}");
    }
    for path in [
        "",
        "homeserver.db-wal",
        "homeserver.log",
        "media",
        "media/remote_content/aa",
        "homeserver.db/x",
        "notes.txt",
        ".synapse-operator/journal.json",
    ] {
        assert!(!permitted(Path::new(path), &Part::PLAIN[..4]), "{path}");
    }
}

#[test]
fn empty_volume_has_nothing_to_save() {
    let directory = tempfile::tempdir().unwrap();
    assert!(saved(directory.path(), &Part::Media).unwrap().is_empty());
    assert_eq!(database_size(directory.path()).unwrap(), None);
}
