//! The packed charm as Juju meets it.

#![expect(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod recorded;

use std::fs;
use std::path::{Path, PathBuf};

use harness::charm_archive::{Archive, MEMBERS, check, check_static, pack};
use serde_yaml::Value;

/// The top directory of the sources.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The archive that `make charm` left.
fn packed_charm() -> Archive {
    let path = root().join("target/charm/synapse.charm");
    let bytes = fs::read(&path)
        .unwrap_or_else(|error| panic!("run `make charm` first: {}: {error}", path.display()));
    Archive::read(&bytes).unwrap()
}

/// Reads one of the charm's YAML files from the sources.
fn source(name: &str) -> Value {
    serde_yaml::from_str(&fs::read_to_string(root().join(name)).unwrap()).unwrap()
}

/// The keys of a map, in order.
fn keys(value: &Value) -> Vec<&str> {
    value
        .as_mapping()
        .unwrap()
        .keys()
        .map(|key| key.as_str().unwrap())
        .collect()
}

/// The smallest file that passes for a static program: a header and one segment to load.
fn smallest_program() -> Vec<u8> {
    let mut program = vec![0; 64 + 56];
    program[..6].copy_from_slice(b"\x7fELF\x02\x01");
    program[18] = 62; // x86_64
    program[32] = 64; // where the program headers begin
    program[54] = 56; // size of one
    program[56] = 1; // count
    program[64] = 1; // PT_LOAD
    program
}

#[test]
fn the_packed_charm_is_good_for_both_versions_of_juju() {
    check(&packed_charm()).unwrap();
}

#[test]
fn the_packed_dispatch_is_static_and_executable() {
    let archive = packed_charm();
    let dispatch = archive.member("dispatch").unwrap();
    assert_eq!(dispatch.permissions(), Some(0o755));
    check_static(&dispatch.contents).unwrap();
}

#[test]
fn the_packed_charm_holds_the_sources_and_nothing_else() {
    let archive = packed_charm();
    for (name, source) in MEMBERS {
        let member = archive.member(name).unwrap();
        assert_eq!(member.permissions(), Some(0o644), "{name}");
        assert!(
            member.contents == fs::read(root().join(source)).unwrap(),
            "{name} is not {source} as it stands now: run `make charm` again"
        );
    }
    let names: Vec<_> = archive
        .members()
        .iter()
        .map(|member| member.name.as_str())
        .collect();
    let expected: Vec<_> = MEMBERS
        .iter()
        .map(|(name, _)| *name)
        .chain(["version", "dispatch"])
        .collect();
    assert_eq!(names, expected);
    assert_eq!(
        archive.member("version").unwrap().contents,
        format!("{}\n", env!("CARGO_PKG_VERSION")).as_bytes()
    );
}

#[test]
fn the_same_inputs_are_packed_into_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    fs::write(&program, smallest_program()).unwrap();

    let [one, other] = ["one.charm", "other.charm"].map(|name| directory.path().join(name));
    pack(&root(), &program, &one).unwrap();
    pack(&root(), &program, &other).unwrap();

    let bytes = fs::read(&one).unwrap();
    assert!(
        bytes == fs::read(&other).unwrap(),
        "two archives of the same inputs differ"
    );
    for member in Archive::read(&bytes).unwrap().members() {
        assert_eq!(
            member.modified,
            Some((1980, 1, 1, 0, 0, 0)),
            "{}",
            member.name
        );
    }
}

#[test]
fn a_program_that_needs_a_loader_is_not_packed() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("synapse.charm");
    // The program that runs this test is linked against the C library of this machine.
    let error = pack(&root(), &std::env::current_exe().unwrap(), &out).unwrap_err();

    let text = format!("{error:#}");
    assert!(
        text.ends_with("it asks for a loader, so it is not static"),
        "{text}"
    );
    assert!(!out.exists());
}

#[test]
fn a_charm_that_juju_would_refuse_is_not_packed() {
    let sources = tempfile::tempdir().unwrap();
    for (_, source) in MEMBERS {
        let copy = sources.path().join(source);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(root().join(source), copy).unwrap();
    }
    let program = sources.path().join("program");
    fs::write(&program, smallest_program()).unwrap();
    fs::write(
        sources.path().join("config.yaml"),
        "options:\n  o: {type: bool}\n",
    )
    .unwrap();

    let out = sources.path().join("synapse.charm");
    let error = pack(sources.path(), &program, &out).unwrap_err();

    assert_eq!(
        format!("{error:#}"),
        "Juju would refuse the charm: option o: type `bool` is unknown"
    );
    assert!(!out.exists());

    fs::remove_file(sources.path().join("NOTICE")).unwrap();
    let error = pack(sources.path(), &program, &out).unwrap_err();
    assert!(
        format!("{error:#}").starts_with("cannot read "),
        "{error:#}"
    );
    assert!(!out.exists());
}

#[test]
fn the_names_that_others_build_on_stand() {
    let metadata = source("metadata.yaml");
    assert_eq!(metadata["name"], "synapse");
    assert_eq!(keys(&metadata["containers"]), ["synapse"]);
    assert_eq!(
        metadata["containers"]["synapse"]["resource"],
        "synapse-image"
    );
    assert_eq!(metadata["resources"]["synapse-image"]["type"], "oci-image");
    assert_eq!(
        metadata["containers"]["synapse"]["mounts"][0]["storage"],
        "data"
    );
    assert_eq!(
        metadata["containers"]["synapse"]["mounts"][0]["location"],
        "/data"
    );
    assert_eq!(metadata["storage"]["data"]["location"], "/data");
    assert_eq!(metadata["requires"]["backup"]["interface"], "s3");
    assert_eq!(metadata["requires"]["backup"]["limit"], 1);
    assert_eq!(metadata["requires"]["backup"]["optional"], true);
    assert_eq!(keys(&metadata["peers"]), ["synapse-peers"]);

    let options = &source("config.yaml")["options"];
    for name in ["server_name", "backup_passphrase"] {
        assert_eq!(options[name]["type"], "string", "{name}");
    }
    let actions = source("actions.yaml");
    for (name, required) in [
        ("create-backup", vec![]),
        ("list-backups", vec![]),
        ("restore-backup", vec!["backup-id"]),
        ("delete-backup", vec!["backup-id"]),
        ("register-user", vec!["username"]),
    ] {
        let action = &actions[name];
        assert!(action.is_mapping(), "{name} is missing");
        let stated = action.get("required").and_then(Value::as_sequence);
        assert_eq!(stated.cloned().unwrap_or_default(), required, "{name}");
    }
}

#[test]
fn every_option_action_and_parameter_is_described_and_closed() {
    let described = |name: &str, value: &Value| {
        let text = value
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        assert!(
            text.trim_end().ends_with('.'),
            "{name} is not described in a sentence"
        );
    };
    for (name, option) in source("config.yaml")["options"].as_mapping().unwrap() {
        described(name.as_str().unwrap(), option);
    }
    for (name, action) in source("actions.yaml").as_mapping().unwrap() {
        let name = name.as_str().unwrap();
        described(name, action);
        // Juju 3 lets unknown parameters through unless this stands there, Juju 4 does not.
        assert_eq!(action["additionalProperties"], false, "{name}");
        for (parameter, schema) in action
            .get("params")
            .and_then(Value::as_mapping)
            .into_iter()
            .flatten()
        {
            described(parameter.as_str().unwrap(), schema);
        }
    }
}
