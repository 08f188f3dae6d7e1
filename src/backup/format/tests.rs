#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::archive::{Kind, Member};
use crate::backup::Label;

fn id() -> BackupId {
    BackupId::parse("backup-20261121120405000678").unwrap()
}

fn member(path: &str, size: u64) -> Member {
    Member {
        path: path.to_owned(),
        kind: Kind::File,
        size,
        mode: 0o600,
        uid: 991,
        gid: 991,
        mtime: 1_700_000_000,
        sha256: Some(Sha256Hex::from_digest(&[0xab; 32])),
    }
}

fn volume() -> Volume {
    Volume {
        key: format!("{}/volume-0001.tar.gpg", id()),
        size: 4096,
        key_packet: 48,
        sha256: Sha256Hex::from_digest(&[1; 32]),
        members: 2,
        content: 30,
    }
}

fn manifest() -> Manifest {
    Manifest {
        format: Manifest::format(),
        version: VERSION,
        id: id(),
        started: "2026-11-21T12:04:05.000678Z".parse().unwrap(),
        finished: "2026-11-21T12:04:09Z".parse().unwrap(),
        state: State::Finished,
        server_name: "example.org".to_owned(),
        charm_version: "0.1.0".to_owned(),
        synapse_version: None,
        model: None,
        unit: Some("synapse/0".to_owned()),
        said: Label {
            label: "before the upgrade".to_owned(),
            tags: ["prod", "weekly"].map(str::to_owned).into(),
            ..Label::default()
        },
        database: None,
        places: ["media".to_owned()].into_iter().collect(),
        components: BTreeMap::from([(
            "media".to_owned(),
            Tally {
                members: 2,
                content: 30,
            },
        )]),
        volumes: vec![volume()],
        inventory: format!("{}/inventory.json.gpg", id()),
        snapshot: None,
        media: None,
        size: 4096,
        members: 2,
        content: 30,
        warnings: Vec::new(),
        more: serde_json::Map::new(),
    }
}

fn inventory(members: &[Member]) -> Vec<u8> {
    let header = InventoryHeader {
        id: id(),
        server_name: "example.org".to_owned(),
        synapse_version: Some("1.163.2".to_owned()),
        database: Some(Database {
            kind: "sqlite".to_owned(),
            schema_version: 94,
            schema_compat_version: 89,
            ..Database::default()
        }),
        places: ["media".to_owned()].into_iter().collect(),
    };
    let mut writer = InventoryWriter::begin(Vec::new(), &header).unwrap();
    for member in members {
        writer.add(member).unwrap();
    }
    let closing = Closing {
        volumes: vec![holding(members)],
        notes: vec!["data/a grew".to_owned()],
        media: Some(MediaFindings::default()),
        manifest: Sha256Hex::of(b"the manifest"),
    };
    writer.finish(&closing).unwrap()
}

/// A volume that holds these members.
fn holding(members: &[Member]) -> Volume {
    Volume {
        members: members.len() as u64,
        content: members.iter().map(|member| member.size).sum(),
        ..volume()
    }
}

fn read(bytes: &[u8], id: &BackupId) -> Result<Inventory, FormatError> {
    Inventory::read(bytes, id, |_| ())
}

#[test]
fn manifest_reads_back_and_keeps_fields_it_does_not_know() {
    let mut written: serde_json::Value =
        serde_json::from_slice(&manifest().write().unwrap()).unwrap();
    written["weather"] = "fair".into();
    let read = Manifest::read(written.to_string().as_bytes(), &id()).unwrap();
    assert_eq!(read.more["weather"], "fair");
    assert_eq!(
        Manifest {
            more: serde_json::Map::new(),
            ..read
        },
        manifest()
    );
}

#[test]
fn manifest_of_another_kind_version_or_place_is_refused() {
    let change = |field: &str, value: serde_json::Value| {
        let mut written: serde_json::Value =
            serde_json::from_slice(&manifest().write().unwrap()).unwrap();
        written[field] = value;
        Manifest::read(written.to_string().as_bytes(), &id()).unwrap_err()
    };
    assert!(matches!(
        change("format", "x".into()),
        FormatError::Foreign { .. }
    ));
    assert!(matches!(
        change("version", 2.into()),
        FormatError::Newer { version: 2, .. }
    ));
    let other = "backup-20261121120405000679";
    assert!(matches!(
        change("id", other.into()),
        FormatError::Misplaced { .. }
    ));
    assert!(matches!(
        change("volumes", 7.into()),
        FormatError::Malformed { .. }
    ));
}

#[test]
fn inventory_reads_back_for_any_number_of_members() {
    for count in [0, 1, 2, 1000] {
        let members: Vec<Member> = (0..count)
            .map(|n| member(&format!("data/{n}"), n))
            .collect();
        let read = read(&inventory(&members)[..], &id()).unwrap();
        assert_eq!(read.members.count, count);
        assert_eq!(read.members.content, (0..count).sum::<u64>());
        assert_eq!(read.volumes, [holding(&members)]);
        assert_eq!(read.database.unwrap().schema_version, 94);
        assert_eq!(read.notes, ["data/a grew"]);
        assert_eq!(read.manifest, Sha256Hex::of(b"the manifest"));
    }
}

#[test]
fn changed_member_does_not_fit_the_digest() {
    let written =
        String::from_utf8(inventory(&[member("data/a", 1), member("data/b", 2)])).unwrap();
    let changed = written.replace("data/b", "data/c");
    assert!(matches!(
        read(changed.as_bytes(), &id()),
        Err(FormatError::Malformed { .. })
    ));
    let swapped = inventory(&[member("data/b", 2), member("data/a", 1)]);
    let digest = |bytes: &[u8]| read(bytes, &id()).unwrap().members.sha256;
    assert_ne!(digest(written.as_bytes()), digest(&swapped));
}

#[test]
fn members_are_shown_in_their_order() {
    let members = [member("data/b", 1), member("data/a", 2)];
    let mut shown = Vec::new();
    let read = Inventory::read(&inventory(&members)[..], &id(), |member| {
        shown.push(member.clone());
    });
    read.unwrap();
    assert_eq!(shown, members);
}

#[test]
fn inventory_with_what_no_archive_may_hold_is_refused() {
    let directory = Member {
        kind: Kind::Directory,
        ..member("data/d", 0)
    };
    let unwritten = Member {
        sha256: None,
        ..member("data/a", 1)
    };
    let powerful = Member {
        mode: 0o4755,
        ..member("data/a", 1)
    };
    for wrong in [
        member("data/../../etc/passwd", 1),
        member("/etc/passwd", 1),
        member("data//a", 1),
        member("data/a/", 1),
        member("", 1),
        directory,
        unwritten,
        powerful,
    ] {
        let read = read(&inventory(&[wrong])[..], &id());
        assert!(
            matches!(read, Err(FormatError::Malformed { .. })),
            "{read:?}"
        );
    }
}

#[test]
fn inventory_whose_volumes_are_not_plain_or_do_not_add_up_is_refused() {
    let members = [member("data/a", 30)];
    let written = String::from_utf8(inventory(&members)).unwrap();
    let change = |from: &str, to: &str| {
        let changed = written.replace(from, to);
        assert_ne!(changed, written);
        read(changed.as_bytes(), &id())
    };
    let name = "volume-0001.tar.gpg";
    for wrong in [
        change(name, "../volume-0001.tar.gpg"),
        change(name, ".hidden.tar.gpg"),
        change(name, ".tar.gpg"),
        change(name, "data"),
        change(name, ""),
        change(&format!("{}/{name}", id()), name),
        change(&format!("{}/{name}", id()), &format!("x/{name}")),
        change(name, "a b.tar.gpg"),
        change("\"members\":1", "\"members\":2"),
        change("\"content\":30", "\"content\":31"),
        change("\"content\":30", "\"content\":18446744073709551615"),
        change("\"server-name\"", "\"id\""),
        change("\"volumes\"", "\"unknown\""),
    ] {
        assert!(
            matches!(wrong, Err(FormatError::Malformed { .. })),
            "{wrong:?}"
        );
    }
    let more = change("\"volumes\"", "\"later\":[{\"a\":1}],\"volumes\"").unwrap();
    assert_eq!(more.volumes, [holding(&members)]);
}
