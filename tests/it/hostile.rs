//! Backups that are sealed with the right passphrase and hold what no backup holds: refused by name, and nothing happens.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use harness::forge::{Forge, Member};
use harness::ordeal::{Scene, Which};

const UNIT: &str = "synapse/0";

/// What is forged: the text that the refusal has to hold, and what comes after the real members.
fn corpus() -> Vec<(&'static str, &'static str, Vec<Member>)> {
    let link = |name: &str, target: &str| Member::of_kind(b'2', name, target);
    let hard = |name: &str, target: &str| Member::of_kind(b'1', name, target);
    let file = |name: &str| Member::file(name, b"forged\n");
    let pax = |name: &str, records: &str| {
        let mut records = Member::file("PaxHeaders/x", records.as_bytes());
        records.kind = b'x';
        vec![records, file(name)]
    };
    vec![
        ("climbing", "../", vec![file("data/../../etc/forged")]),
        ("absolute", "/etc/forged", vec![file("/etc/forged")]),
        (
            "absolute by a pax record",
            "PaxHeaders/x",
            pax("data/macaroon.secret", "20 path=/etc/forged\n"),
        ),
        (
            "symbolic link",
            "data/media/local_content/way",
            vec![link("data/media/local_content/way", "/etc")],
        ),
        (
            "symbolic link, written through",
            "data/media/local_content/way",
            vec![
                link("data/media/local_content/way", "/tmp"),
                file("data/media/local_content/way/forged"),
            ],
        ),
        (
            "hard link to /etc/passwd",
            "data/media/local_content/users",
            vec![hard("data/media/local_content/users", "/etc/passwd")],
        ),
        (
            "hard link to the live database",
            "data/media/local_content/db",
            vec![hard("data/media/local_content/db", "../../homeserver.db")],
        ),
        (
            "set-user-id",
            "data/media/local_content/su",
            vec![file("data/media/local_content/su").mode(0o4755)],
        ),
        (
            "FIFO",
            "data/media/local_content/fifo",
            vec![Member::of_kind(b'6', "data/media/local_content/fifo", "")],
        ),
        (
            "device",
            "data/media/local_content/sda",
            vec![Member::of_kind(b'4', "data/media/local_content/sda", "")],
        ),
        (
            "sparse file",
            "",
            vec![Member::of_kind(b'S', "data/media/local_content/sparse", "")],
        ),
        (
            "line break in a name",
            r"data/media/local_content/a\nb",
            vec![file("data/media/local_content/a\nb")],
        ),
    ]
}

/// What needs a reader that knows what a backup may hold and what its inventory promised.
fn corpus_of_the_selection() -> Vec<(&'static str, &'static str, Vec<Member>)> {
    let file = |name: &str| Member::file(name, b"forged\n");
    vec![
        (
            "outside the selection",
            "data/homeserver.log",
            vec![file("data/homeserver.log")],
        ),
        (
            "in the charm's own place",
            "data/.synapse-operator/journal.json",
            vec![file("data/.synapse-operator/journal.json")],
        ),
        ("outside /data", "etc/forged", vec![file("etc/forged")]),
        (
            "twice the same name",
            "holds a name twice",
            vec![file("data/macaroon.secret")],
        ),
    ]
}

/// Archives that are broken in other ways than by their members.
fn broken(forge: &mut Forge) -> Vec<(&'static str, String)> {
    let large = Member::file("data/media/local_content/large", b"").claiming(8 << 30);
    let mut claim = Vec::new();
    large.append(&mut claim);
    let half = Member::file("data/media/local_content/half", b"").header();
    let name = Member::of_kind(b'L', "././@LongLink", "").claiming(8 << 30);
    let mut endless = Vec::new();
    name.append(&mut endless);
    endless.resize(2 << 20, b'n');
    vec![
        (
            "a member that claims 8 GiB",
            forge.with_bytes(&[large], &claim).unwrap(),
        ),
        (
            "a header that breaks off",
            forge.with_bytes(&[], &half[..300]).unwrap(),
        ),
        ("no end mark", forge.with_bytes(&[], b"").unwrap()),
        ("a name of 8 GiB", forge.with_bytes(&[], &endless).unwrap()),
        (
            "something after the end mark",
            forge
                .with_bytes(&[], &[&[0; 1024][..], &[b'x'; 512]].concat())
                .unwrap(),
        ),
    ]
}

/// All names on the data volume and in the places of the containers that can be written, but for Synapse's own.
fn names(scene: &Scene) -> BTreeSet<String> {
    let pod = scene.world().pod(UNIT).unwrap();
    let mut names = BTreeSet::new();
    for room in ["data", "tmp-charm", "tmp-workload", "etc", "shared"] {
        collect(&pod.directory().join(room), &mut names);
    }
    for root in [pod.workload().unwrap().id(), charm_container(scene)] {
        for room in ["etc", "root", "run", "var/log", "dev/shm"] {
            collect(
                Path::new(&format!("/proc/{root}/root"))
                    .join(room)
                    .as_path(),
                &mut names,
            );
        }
    }
    names.retain(|name| !name.contains("homeserver.log") && !name.contains("homeserver.db-"));
    names
}

fn charm_container(scene: &Scene) -> i32 {
    let pod = scene.world().pod(UNIT).unwrap();
    pod.charm_processes().first().unwrap().id()
}

fn collect(directory: &Path, names: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        names.insert(entry.path().display().to_string());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), names);
        }
    }
}

/// Restores a forged backup: refused, and nothing is as it was not before.
fn refuse(scene: &Scene, what: &str, id: &str, needed: &str) {
    let (synapse, before) = (scene.world().synapse(UNIT).unwrap(), names(scene));
    let words = ["restore-backup", &format!("backup-id={id}")];
    let refused = scene.world().act(UNIT, &words).unwrap().failure().unwrap();
    println!(
        "{what}:\n  {} [{}]",
        refused.message,
        refused.result("error-code")
    );
    assert!(refused.message.contains(needed), "{what}: {refused:?}");
    assert_eq!(scene.world().synapse(UNIT).unwrap(), synapse, "{what}");
    let mut after = names(scene);
    after.retain(|name| !name.ends_with("/.synapse-operator"));
    let mut known = before;
    known.retain(|name| !name.ends_with("/.synapse-operator"));
    assert_eq!(after, known, "{what}");
    assert_eq!(scene.is_whole().unwrap(), Which::After, "{what}");
}

#[test]
fn forged_members_are_refused_by_name_and_nothing_happens() {
    let scene = Scene::deploy().unwrap();
    let mut forge = scene.forge().unwrap();
    for (what, needed, members) in corpus() {
        let id = forge.with(&members).unwrap();
        refuse(&scene, what, &id, needed);
    }
    for (what, id) in broken(&mut forge) {
        refuse(&scene, what, &id, "");
    }
    // That it is the forged members, and not the forging: without them a backup of the same making is restored.
    let id = forge.with(&[]).unwrap();
    scene
        .act(&["restore-backup", &format!("backup-id={id}")])
        .unwrap();
    assert_eq!(scene.is_whole().unwrap(), Which::Before);
    drop(forge);
    scene.finish().unwrap();
}

#[test]
fn members_outside_the_selection_are_refused_by_name_and_nothing_happens() {
    let scene = Scene::deploy().unwrap();
    let mut forge = scene.forge().unwrap();
    for (what, needed, members) in corpus_of_the_selection() {
        let id = forge.with(&members).unwrap();
        refuse(&scene, what, &id, needed);
    }
    drop(forge);
    scene.finish().unwrap();
}

#[test]
fn documents_that_lie_are_refused_and_nothing_happens() {
    let scene = Scene::deploy().unwrap();
    let mut forge = scene.forge().unwrap();
    let id = forge
        .lying(|said| said.inventory["server-name"] = "other.example".into())
        .unwrap();
    refuse(&scene, "another server", &id, "other.example");
    let id = forge
        .lying(|said| said.inventory["version"] = 2.into())
        .unwrap();
    refuse(&scene, "a newer format", &id, "version 2");
    let id = forge
        .lying(|said| said.inventory["volumes"][0]["size"] = 1.into())
        .unwrap();
    refuse(&scene, "another size of the volume", &id, "");
    let id = forge
        .lying(|said| said.inventory["volumes"][0]["size"] = u64::MAX.into())
        .unwrap();
    refuse(&scene, "a size that nothing has", &id, "");
    let backup = forge.id().to_owned();
    for key in ["../x", "x.tar.gpg", &format!("{backup}/../x.tar.gpg")] {
        let id = forge
            .lying(|said| said.inventory["volumes"][0]["key"] = key.into())
            .unwrap();
        refuse(&scene, "a volume in another place", &id, "");
    }
    let id = forge
        .lying(|said| {
            let volumes = said.inventory["volumes"].as_array_mut().unwrap();
            volumes.push(volumes[0].clone());
        })
        .unwrap();
    refuse(&scene, "the same volume twice", &id, "");
    for length in [0, 1, u64::MAX] {
        let id = forge
            .lying(|said| said.inventory["volumes"][0]["key-packet"] = length.into())
            .unwrap();
        refuse(&scene, "another length of the key packet", &id, "");
    }
    let id = forge
        .lying(|said| said.inventory["places"] = serde_json::json!(["keys"]))
        .unwrap();
    refuse(&scene, "other places than its members'", &id, "");
    let id = forge
        .lying(|said| {
            let members = said.inventory["members"].as_array_mut().unwrap();
            members[0]["sha256"] = "0".repeat(64).into();
        })
        .unwrap();
    refuse(&scene, "another digest of a member", &id, "");
    let id = forge
        .lying(|said| drop(said.inventory["members"].as_array_mut().unwrap().pop()))
        .unwrap();
    refuse(&scene, "one member fewer", &id, "");
    drop(forge);
    scene.finish().unwrap();
}
