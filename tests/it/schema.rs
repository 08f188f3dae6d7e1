//! The JSON Schemas of what lies in a bucket, against what the charm writes there, and against what it never writes.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use harness::demo::Story;
use harness::s3::{Effect, Fault, Operation};
use harness::world::World;
use jsonschema::Validator;
use serde_json::{Value, json};
use synapse_operator::openpgp::{self, Passphrase};

const UNIT: &str = "synapse/0";
const SECRET: &str = "a passphrase for schemas";
const DOCUMENTS: [&str; 6] = [
    "manifest",
    "inventory",
    "proof",
    "failure",
    "lease",
    "owner",
];

fn reference() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("docs/reference")
}

fn schema(document: &str) -> Value {
    let path = reference().join(format!("{document}.schema.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn validator(document: &str) -> Validator {
    let schema = schema(document);
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

/// What is wrong with a document, a line each.
fn faults(document: &str, value: &Value) -> Vec<String> {
    let validator = validator(document);
    let faults = validator.iter_errors(value);
    faults
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect()
}

/// All names of properties below a schema.
fn properties(schema: &Value, found: &mut Vec<(String, bool)>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            let described = ["description", "$ref"]
                .iter()
                .any(|key| property.get(key).is_some());
            // A format is what the description of the whole document is about, and a condition only repeats.
            found.push((name.clone(), described || property.get("const").is_some()));
        }
    }
    for inner in schema
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.values())
    {
        properties(inner, found);
    }
    for inner in schema.as_array().into_iter().flatten() {
        properties(inner, found);
    }
}

#[test]
fn every_field_of_a_schema_is_described_there_and_in_the_reference() {
    let text = fs::read_to_string(reference().join("format.md")).unwrap();
    for document in DOCUMENTS {
        let _ = validator(document);
        let mut found = Vec::new();
        properties(&schema(document), &mut found);
        assert!(found.len() > 5, "{document}");
        for (name, described) in found {
            assert!(described, "{document}: {name} has no description");
            let told = text.contains(&format!("`{name}`"));
            assert!(told, "{document}: format.md does not tell of `{name}`");
        }
        let file = format!("{document}.schema.json");
        assert!(text.contains(&file), "format.md does not name {file}");
    }
}

/// What lies in a bucket after a backup, a proof, a failure, and while another backup is made.
struct Bucket(PathBuf);

impl Bucket {
    fn read(&self, key: &str) -> Vec<u8> {
        let path = self.0.join(key);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn json(&self, key: &str) -> Value {
        serde_json::from_slice(&self.read(key)).unwrap()
    }

    fn sealed(&self, key: &str) -> Value {
        let passphrase = Passphrase::parse(&SECRET.into()).unwrap();
        let object = self.read(key);
        let mut opened = openpgp::open(std::io::Cursor::new(object), &passphrase).unwrap();
        let mut text = Vec::new();
        opened.read_to_end(&mut text).unwrap();
        drop(opened.authenticate().unwrap());
        serde_json::from_slice(&text).unwrap()
    }
}

#[test]
fn what_the_charm_writes_fits_its_schemas_and_what_it_never_writes_does_not() {
    let world = World::new().unwrap();
    let story = Story::new(&world, |_| ());
    story.deploy().unwrap();
    story.connect().unwrap();
    let option = format!("backup_passphrase={SECRET}");
    let set = world.juju(&["config", "synapse", &option]).unwrap();
    set.success().unwrap();
    let bucket = Bucket(world.store().bucket().join("prod"));
    let setting = ["config", "s3-integrator", "path=prod"];
    world.juju(&setting).unwrap().success().unwrap();

    let created = world.act(UNIT, &["create-backup"]).unwrap();
    let created = created.success().unwrap();
    let id = created["backup-id"].as_str().unwrap();
    let verify = ["verify-backup", &format!("backup-id={id}")];
    let _ = world.act(UNIT, &verify).unwrap().success().unwrap();
    let log = String::from_utf8(bucket.read(&format!("{id}/run.log"))).unwrap();
    assert!(log.contains(" INFO ") && log.contains("uploading"), "{log}");

    let server = world.store().server().unwrap();
    let refuse = Effect::refuse(403, "AccessDenied");
    server.order(Fault::on(Operation::UploadPart, refuse).always());
    let failed = world.act(UNIT, &["create-backup"]).unwrap();
    let _ = failed.failure().unwrap();
    server.clear_faults();
    let failure = fs::read_dir(&bucket.0).unwrap();
    let mut folders = failure.map(|entry| entry.unwrap().path());
    let failure = folders.find(|folder| folder.join("failed.json").exists());
    let failure = failure.unwrap();
    let failed_log = fs::read_to_string(failure.join("run.log")).unwrap();
    assert!(failed_log.contains("access-denied"), "{failed_log}");
    let failure = failure.file_name().unwrap().to_string_lossy().into_owned();

    // While a backup stands still, its lease says how far it is.
    let calls = server.calls(Operation::UploadPart);
    server.order(Fault::on(Operation::UploadPart, Effect::Stall).always());
    let task = world.begin(UNIT, &["create-backup"]).unwrap();
    let stalled = || Ok(server.calls(Operation::UploadPart) > calls);
    world
        .wait_until("an upload to stand still", stalled)
        .unwrap();
    let lease = bucket.json("lease.json");
    let _ = world.cancel(task).unwrap();
    server.clear_faults();

    let documents = [
        bucket.json(&format!("{id}/manifest.json")),
        bucket.sealed(&format!("{id}/inventory.json.gpg")),
        bucket.json(&format!("{id}/proof.json")),
        bucket.json(&format!("{failure}/failed.json")),
        lease,
        bucket.json("owner.json"),
    ];
    for (name, document) in DOCUMENTS.iter().zip(&documents) {
        assert_eq!(faults(name, document), [""; 0], "{name}: {document:#}");
        let mut later = document.clone();
        later["a-field-of-later"] = json!({"x": 1});
        assert_eq!(faults(name, &later), [""; 0], "{name}");
        for (field, breaks) in breaks(name, document) {
            assert!(!faults(name, &breaks).is_empty(), "{name}: {field}");
        }
    }
    assert_eq!(documents[4]["task"], "create-backup");
    assert!(
        documents[4]["backup-id"]
            .as_str()
            .unwrap()
            .starts_with("backup-")
    );
    world.finish().unwrap();
}

/// Documents that are each broken in one place, with the place.
fn breaks(name: &str, document: &Value) -> Vec<(String, Value)> {
    let mut broken = Vec::new();
    let required = schema(name)["required"].clone();
    for field in required.as_array().unwrap() {
        let field = field.as_str().unwrap();
        let mut without = document.clone();
        without.as_object_mut().unwrap().remove(field).unwrap();
        broken.push((format!("without {field}"), without));
        let mut other = document.clone();
        other[field] = json!({"of": ["another kind"]});
        // A map of components may have any names, and none of these is a number of members.
        broken.push((format!("{field} of another kind"), other));
    }
    let mut change = |field: &str, value: Value| {
        let pointer = format!("/{}", field.replace('.', "/"));
        let mut other = document.clone();
        if let Some(place) = other.pointer_mut(&pointer) {
            *place = value;
            broken.push((field.to_owned(), other));
        }
    };
    change("version", json!(2));
    change("format", json!("synapse-operator-else"));
    change("id", json!("backup-1"));
    change("backup-id", json!("../x"));
    change("started", json!("yesterday"));
    change("since", json!("2026-11-21 12:04:05"));
    change("state", json!("perhaps"));
    change("size", json!(-1));
    change("volumes.0.key", json!("../volume-0001.tar.gpg"));
    change("volumes.0.sha256", json!("abc"));
    change("inventory", json!("elsewhere"));
    change("database.kind", json!("oracle"));
    change("members.0.path", json!("/etc/passwd"));
    change("members.0.kind", json!("symlink"));
    change("members.0.mode", json!(0o4755));
    change("manifest-sha256", json!("ABC"));
    change("proofs.0.result", json!("perhaps"));
    change("proofs.0.at", json!(7));
    change("percent", json!(101));
    broken
}
