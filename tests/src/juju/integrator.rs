//! The s3-integrator charm, as far as a charm that is related to it can tell.
//!
//! Track 1 has options and credentials, publishes them under the v0 interface once the requirer has written
//! `bucket`, and echoes that name back when it has none of its own. It makes no bucket. Track 2 speaks v1: see [`second`].

mod second;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::charm::{ActionSpec, Charm, CharmOption, Endpoint, Role};
use super::context::{Bag, Status};
use super::model::{Application, Link, Model, Player, Task, TaskStatus, now};

const OPTIONS: [(&str, &str); 10] = [
    (
        "endpoint",
        "The endpoint used to connect to the object storage.",
    ),
    ("bucket", "The bucket or container name."),
    (
        "region",
        "The region used to connect to the object storage.",
    ),
    ("path", "The path inside the bucket."),
    ("attributes", "Custom metadata, as a comma separated list."),
    (
        "s3-uri-style",
        "The protocol-specific bucket path lookup type: path or host.",
    ),
    ("storage-class", "Storage class for objects."),
    ("tls-ca-chain", "The complete CA chain, base64-encoded."),
    (
        "s3-api-version",
        "The protocol-specific API signature: 2 or 4.",
    ),
    (
        "experimental-delete-older-than-days",
        "Days after which a database may delete its backups.",
    ),
];

/// Its name in the store of charms.
const NAME: &str = "s3-integrator";

/// Where the credentials are kept: settings that no option has.
const KEYS: [&str; 2] = ["access-key", "secret-key"];

/// What it declares, by the channel that it was deployed from: track 1 unless that begins with another number.
pub fn charm(channel: &str) -> Charm {
    match channel.split('/').next() {
        Some("2" | "edge") => second::charm(first()),
        _ => first(),
    }
}

fn first() -> Charm {
    let option = |kind: &str, description: &str| CharmOption {
        kind: kind.to_owned(),
        description: description.to_owned(),
        default: if kind == "string" {
            json!("")
        } else {
            Value::Null
        },
    };
    let options = OPTIONS.iter().map(|(name, description)| {
        let kind = if name.ends_with("days") {
            "int"
        } else {
            "string"
        };
        ((*name).to_owned(), option(kind, description))
    });
    let plain = |description: &str, schema: Value| ActionSpec {
        description: description.to_owned(),
        schema,
    };
    let text = json!({"type": "string"});
    let actions = [
        (
            "sync-s3-credentials",
            plain(
                "Add S3 credentials to the charm.",
                json!({
                    "properties": {"access-key": text, "secret-key": text},
                    "required": ["access-key", "secret-key"],
                }),
            ),
        ),
        (
            "get-s3-credentials",
            plain("Tell whether S3 credentials are set.", json!({})),
        ),
        (
            "get-s3-connection-info",
            plain("Get S3 connection information.", json!({})),
        ),
    ];
    let endpoint = |role, interface: &str| Endpoint {
        role,
        interface: interface.to_owned(),
        limit: None,
    };
    Charm {
        name: NAME.to_owned(),
        options: options.collect(),
        actions: actions
            .into_iter()
            .map(|(name, spec)| (name.to_owned(), spec))
            .collect(),
        endpoints: BTreeMap::from([
            ("s3-credentials".to_owned(), endpoint(Role::Provider, "s3")),
            (
                "s3-integrator-peers".to_owned(),
                endpoint(Role::Peer, "s3-integrator-peers"),
            ),
        ]),
        ..Charm::default()
    }
}

/// Does what its hooks would do: sets its status, and publishes what it has wherever it was asked to.
pub fn publish(model: &mut Model) {
    let played = model.applications.iter().filter(|(_, application)| {
        application.player == Player::Integrator && application.charm.name == NAME
    });
    let names: Vec<String> = played.map(|(name, _)| name.clone()).collect();
    for name in names {
        let given = second::credentials(model, &name).is_some();
        let Some(application) = model.applications.get_mut(&name) else {
            continue;
        };
        if second::is(application) {
            set_status(application, (!given).then(|| "credentials".to_owned()));
            let links = model.relations.iter().filter(|link| !link.is_peer());
            let links: Vec<Link> = links
                .filter(|link| link.end_of(&name).is_some())
                .cloned()
                .collect();
            for link in &links {
                second::publish(model, &name, link);
            }
            continue;
        }
        let missing = KEYS.into_iter();
        let missing = missing.filter(|key| !application.settings.contains_key(*key));
        let missing: Vec<String> = missing.map(str::to_owned).collect();
        set_status(application, missing);
        let information = information(application);
        let asked: Vec<(i64, String)> = model
            .relations
            .iter()
            .filter(|link| !link.dying && !link.is_peer())
            .filter_map(|link| {
                link.end_of(&name)?;
                let other = link.other_end(&name)?;
                Some((
                    link.id,
                    link.bags.get(&other.application)?.get("bucket")?.clone(),
                ))
            })
            .collect();
        for (id, bucket) in asked {
            let mut bag = information.clone();
            // The bookkeeping of the Python library, which requirers must ignore.
            bag.insert("data".to_owned(), json!({"bucket": bucket}).to_string());
            bag.entry("bucket".to_owned()).or_insert(bucket);
            model.write_bag(id, &name, &bag);
        }
    }
}

/// What it would publish, credentials included, without a bucket when it has none of its own.
fn information(application: &Application) -> Bag {
    let configuration = application.charm.configuration(&application.settings);
    let mut bag = Bag::new();
    for (name, value) in configuration
        .iter()
        .filter(|(name, _)| !KEYS.contains(&name.as_str()) && *name != "credentials")
    {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => continue,
        };
        let (name, text) = match name.as_str() {
            "tls-ca-chain" => (name.clone(), chain(&text)),
            "attributes" if !text.is_empty() => (
                name.clone(),
                json!(text.split(',').map(str::trim).collect::<Vec<_>>()).to_string(),
            ),
            "experimental-delete-older-than-days" => ("delete-older-than-days".to_owned(), text),
            _ => (name.clone(), text),
        };
        if !text.is_empty() {
            bag.insert(name, text);
        }
    }
    for key in KEYS {
        if let Some(text) = application.settings.get(key).and_then(Value::as_str) {
            bag.insert(key.to_owned(), text.to_owned());
        }
    }
    bag
}

/// A JSON list of PEM texts; the option holds them in one text, base64 as a rule.
fn chain(text: &str) -> String {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    if text.is_empty() {
        return String::new();
    }
    let plain = match text.contains(BEGIN) {
        true => text.to_owned(),
        false => {
            let bare: String = text.split_whitespace().collect();
            STANDARD
                .decode(bare)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .unwrap_or_else(|| text.to_owned())
        }
    };
    let found: Vec<String> = plain
        .split_inclusive(END)
        .filter_map(|part| part.find(BEGIN).map(|at| part[at..].to_owned()))
        .collect();
    json!(found).to_string()
}

/// A text of a secret's content.
fn decoded(text: &str) -> String {
    let bytes = STANDARD.decode(text).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn set_status(application: &mut Application, missing: impl IntoIterator<Item = String>) {
    let missing: Vec<String> = missing.into_iter().map(|key| format!("'{key}'")).collect();
    let status = match missing.is_empty() {
        true => Status {
            status: "active".to_owned(),
            ..Status::default()
        },
        false => Status {
            status: "blocked".to_owned(),
            message: format!("Missing parameters: [{}]", missing.join(", ")),
            ..Status::default()
        },
    };
    for unit in application
        .units
        .values_mut()
        .filter(|unit| unit.status != status)
    {
        unit.status = status.clone();
        unit.since = now().to_string();
    }
}

/// Runs one of its actions.
pub fn act(model: &mut Model, task: &mut Task) {
    task.begin();
    let Some(application) = model.applications.get_mut(task.unit.application()) else {
        return;
    };
    let mut results = Map::new();
    let mut failure = None;
    match task.action.as_str() {
        "sync-s3-credentials" => {
            for key in KEYS {
                application.settings.insert(
                    key.to_owned(),
                    task.params.get(key).cloned().unwrap_or_default(),
                );
            }
            results.insert("ok".to_owned(), json!("Credentials successfully updated."));
        }
        "get-s3-credentials" => match KEYS
            .iter()
            .all(|key| application.settings.contains_key(*key))
        {
            true => {
                results.insert("ok".to_owned(), json!("Credentials are configured."));
            }
            false => failure = Some("Credentials are not set!"),
        },
        _ => {
            for (key, text) in information(application) {
                let text = if KEYS.contains(&key.as_str()) {
                    "************".to_owned()
                } else {
                    text
                };
                results.insert(key, json!(text));
            }
        }
    }
    results.insert("return-code".to_owned(), json!(0));
    task.results = results;
    match failure {
        Some(text) => task.end(TaskStatus::Failed, text.to_owned()),
        None => task.end(TaskStatus::Completed, String::new()),
    }
}
