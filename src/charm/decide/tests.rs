#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use crate::charm::bucket_relation::BackupRelation;
use crate::charm::database::Offer;
use crate::charm::observe::Container;
use crate::juju::{Options, StatusKind};
use crate::synapse::config::{DatabaseKind, Endpoint, Postgres};

/// A unit that has everything but what the test takes away: options set, storage and container there, never started.
fn fresh() -> Observation {
    Observation {
        options: options(json!({"server_name": "example.org", "report_stats": false})),
        volume: Some(Volume {
            here: PathBuf::from("/data"),
            owned: false,
            names: vec!["lost+found".to_owned()],
            configuration: None,
            log_configuration: None,
            database: None,
            server_name: None,
            kept: None,
        }),
        container: Some(Container {
            plan: Plan::default(),
            services: Vec::new(),
        }),
        opened_ports: Vec::new(),
        backup: BackupRelation::Absent,
        asking: None,
        database: DatabaseRelation::Absent,
        inhabited: false,
        offer: Offer::Fit,
        unfinished: None,
    }
}

fn options(values: serde_json::Value) -> Options {
    Options::from(serde_json::from_value::<BTreeMap<String, Value>>(values).unwrap())
}

fn decided(seen: &Observation) -> Decision {
    let fill = |buffer: &mut [u8]| {
        buffer.fill(7);
        Ok::<(), Infallible>(())
    };
    decide("synapse", seen, fill).unwrap()
}

/// The decision as an operator would tell it.
fn told(seen: &Observation) -> String {
    let decision = decided(seen);
    let mut lines: Vec<String> = decision.steps.iter().map(line).collect();
    if let Some(hindrance) = decision.hindrance {
        lines.push(format!(
            "{}: {}",
            hindrance.kind().as_str(),
            hindrance.message()
        ));
    }
    lines.join("\n")
}

fn line(step: &Step) -> String {
    match step {
        Step::OwnVolume => "own the volume".to_owned(),
        Step::MakeDirectory(path) => format!("make {path}"),
        Step::WriteFile(file) => format!(
            "write {} {:o} {}:{}",
            file.path, file.mode, file.user_id, file.group_id
        ),
        Step::AddLayer(layer) => format!(
            "add layer of {:?}",
            layer.services.keys().collect::<Vec<_>>()
        ),
        Step::Replan => "replan".to_owned(),
        Step::OpenPort(port) => format!("open port {port}"),
        Step::AskForBucket(Asking { relation, settings }) => {
            format!("ask {relation} for {}", settings["bucket"])
        }
        Step::AskForDatabase { relation, settings } => {
            format!("ask {relation} for {}", settings["database"])
        }
    }
}

/// What the world looks like after the steps were made.
fn applied(mut seen: Observation) -> Observation {
    for step in decided(&seen).steps {
        let volume = seen.volume.as_mut().unwrap();
        let container = seen.container.as_mut().unwrap();
        match step {
            Step::OwnVolume => volume.owned = true,
            Step::MakeDirectory(path) => volume.names.push(synapse::below_data(&path).to_owned()),
            Step::WriteFile(file) => {
                let contents = file.contents.expose_secret().to_owned();
                match file.path.as_str() {
                    synapse::CONFIG => volume.configuration = Some(contents.into()),
                    synapse::LOG_CONFIG => volume.log_configuration = Some(contents),
                    path => volume.names.push(synapse::below_data(path).to_owned()),
                }
            }
            Step::AddLayer(layer) => {
                container.plan.services = layer.services;
                container.plan.checks = layer.checks;
            }
            Step::Replan => {
                container.services = serde_json::from_value(
                    json!([{"name": "synapse", "startup": "enabled", "current": "active"}]),
                )
                .unwrap();
                volume.names.push("homeserver.db".to_owned());
                volume.database = Some(DatabaseKind::Sqlite);
                volume.server_name = ServerName::parse("example.org").ok();
            }
            Step::OpenPort(port) => seen.opened_ports.push(format!("{port}/tcp")),
            Step::AskForBucket(_) => seen.asking = None,
            Step::AskForDatabase { relation, .. } => {
                seen.database = DatabaseRelation::Silent {
                    relation,
                    provider: "postgresql-k8s".to_owned(),
                    asked: true,
                };
            }
        }
    }
    seen
}

#[test]
fn fresh_unit_is_set_up_in_order() {
    insta::assert_snapshot!(told(&fresh()), @r#"
    open port 8008
    own the volume
    make /data/media
    write /data/macaroon.secret 600 991:991
    write /data/form.secret 600 991:991
    write /data/registration.secret 600 991:991
    write /data/example.org.signing.key 600 991:991
    write /data/log.config 640 991:991
    write /data/homeserver.yaml 640 991:991
    add layer of ["synapse"]
    replan
    "#);
}

#[test]
fn deciding_again_gives_no_steps() {
    let settled = applied(fresh());
    assert_eq!(told(&settled), "");
}

#[test]
fn without_server_name_synapse_is_not_started() {
    let mut seen = fresh();
    seen.options = options(json!({}));
    insta::assert_snapshot!(told(&seen), @r"
    open port 8008
    blocked: set server_name: juju config synapse server_name=<domain>
    ");
}

#[test]
fn order_of_container_and_storage_does_not_matter() {
    let mut without_storage = fresh();
    without_storage.volume = None;
    insta::assert_snapshot!(told(&without_storage), @r"
    open port 8008
    waiting: waiting for storage data to be attached
    ");
    let mut without_container = fresh();
    without_container.container = None;
    insta::assert_snapshot!(told(&without_container), @r"
    open port 8008
    waiting: waiting for the container synapse
    ");
}

#[test]
fn server_name_cannot_change_and_synapse_keeps_running() {
    let mut seen = applied(fresh());
    seen.options = options(json!({"server_name": "other.org"}));
    let decision = decided(&seen);
    assert!(
        decision.steps.is_empty(),
        "{:?}",
        decision.steps.iter().map(line).collect::<Vec<_>>()
    );
    let hindrance = decision.hindrance.unwrap();
    assert_eq!(hindrance.kind(), StatusKind::Blocked);
    assert_eq!(
        hindrance.message(),
        "server_name cannot change: juju config synapse server_name=example.org"
    );
}

#[test]
fn changed_option_writes_the_configuration_and_starts_synapse_anew() {
    let mut seen = applied(fresh());
    seen.options =
        options(json!({"server_name": "example.org", "public_baseurl": "https://m.example.org/"}));
    insta::assert_snapshot!(told(&seen), @r#"
    write /data/homeserver.yaml 640 991:991
    add layer of ["synapse"]
    replan
    "#);
}

#[test]
fn invalid_options_are_named_and_stop_nothing() {
    let mut seen = applied(fresh());
    seen.options = options(json!({"server_name": "not a name", "public_baseurl": "ftp://x"}));
    let decision = decided(&seen);
    assert!(decision.steps.is_empty());
    assert!(
        decision
            .hindrance
            .unwrap()
            .message()
            .starts_with("server_name is invalid")
    );
}

#[test]
fn stopped_service_is_started_again() {
    let mut seen = applied(fresh());
    seen.container.as_mut().unwrap().services.clear();
    assert_eq!(told(&seen), "replan");
}

#[test]
fn leader_asks_an_integrator_once_for_what_it_has_not_asked() {
    let relation = RelationId::parse("backup:7").unwrap();
    let mut seen = applied(fresh());
    seen.backup = BackupRelation::Silent;
    seen.asking = Some(Asking {
        relation,
        settings: BTreeMap::from([("bucket".to_owned(), "relation-7".to_owned())]),
    });
    assert_eq!(told(&seen), "ask backup:7 for relation-7");
    assert_eq!(told(&applied(seen)), "");
}

#[test]
fn while_a_swap_stays_open_nothing_is_written_or_started() {
    let mut seen = fresh();
    seen.unfinished = Some(Status::blocked("restore is unfinished"));
    insta::assert_snapshot!(told(&seen), @r"
    open port 8008
    blocked: restore is unfinished
    ");
}

#[test]
fn old_signing_keys_of_a_configuration_are_kept_when_it_is_written_anew() {
    let mut seen = fresh();
    let key = "old_signing_keys:\n  ed25519:a_old:\n    key: 7fmzOnKl4lXcqXjbCBcIyEVdBWAvAaDXZ5TdIhzgkKU\n    expired_ts: 1700000000000\n";
    let configuration = format!("server_name: example.org\n{key}");
    seen.volume.as_mut().unwrap().configuration = Some(configuration.into());
    let written = decided(&seen)
        .steps
        .into_iter()
        .find_map(|step| match step {
            Step::WriteFile(file) if file.path == synapse::CONFIG => Some(file.contents),
            _ => None,
        });
    let written = written.unwrap();
    assert!(
        written.expose_secret().contains(key),
        "{}",
        written.expose_secret()
    );
}

fn offered() -> DatabaseRelation {
    DatabaseRelation::Ready {
        provider: "postgresql-k8s".to_owned(),
        database: Postgres {
            endpoints: vec![Endpoint {
                host: "db".to_owned(),
                port: 5432,
            }],
            name: "synapse".to_owned(),
            user: "relation_id_7".to_owned(),
            password: SecretString::from("hunter2"),
            tls: false,
        },
    }
}

/// What is written into `homeserver.yaml`.
fn written(seen: &Observation) -> Option<String> {
    let steps = decided(seen).steps.into_iter();
    let mut written = steps.filter_map(|step| match step {
        Step::WriteFile(file) if file.path == synapse::CONFIG => Some(file.contents),
        _ => None,
    });
    Some(written.next()?.expose_secret().to_owned())
}

#[test]
fn leader_asks_for_a_database_once_and_synapse_waits_for_it() {
    let mut seen = fresh();
    seen.database = DatabaseRelation::Silent {
        relation: RelationId::parse("database:7").unwrap(),
        provider: "postgresql-k8s".to_owned(),
        asked: false,
    };
    insta::assert_snapshot!(told(&seen), @r"
    ask database:7 for synapse
    open port 8008
    waiting: waiting for postgresql-k8s to give a database
    ");
    insta::assert_snapshot!(told(&applied(seen)), @"waiting: waiting for postgresql-k8s to give a database");
}

#[test]
fn a_database_that_is_offered_is_used_and_another_password_starts_synapse_anew() {
    let mut seen = fresh();
    seen.database = offered();
    let first = written(&seen).unwrap();
    assert!(
        first.contains("name: psycopg2") && first.contains("password: hunter2"),
        "{first}"
    );
    let mut seen = applied(seen);
    assert_eq!(told(&seen), "");

    if let DatabaseRelation::Ready { database, .. } = &mut seen.database {
        database.password = SecretString::from("rotated");
    }
    insta::assert_snapshot!(told(&seen), @r#"
    write /data/homeserver.yaml 640 991:991
    add layer of ["synapse"]
    replan
    "#);
    assert!(written(&seen).unwrap().contains("password: rotated"));
}

#[test]
fn a_server_with_data_in_sqlite_goes_on_as_it_is_and_says_so() {
    let mut seen = applied(fresh());
    seen.database = offered();
    seen.inhabited = true;
    insta::assert_snapshot!(told(&seen), @"blocked: its data is in SQLite: juju remove-relation synapse:database postgresql-k8s");
    // Nobody has used it yet: an empty database is no loss.
    seen.inhabited = false;
    assert!(written(&seen).unwrap().contains("name: psycopg2"));
}

#[test]
fn a_server_with_data_in_postgresql_is_never_started_on_an_empty_sqlite() {
    let mut seen = fresh();
    seen.database = offered();
    let mut seen = applied(seen);
    seen.volume.as_mut().unwrap().database = Some(DatabaseKind::Postgres);
    seen.database = DatabaseRelation::Absent;
    // As after the pod was made anew.
    seen.container = fresh().container;
    insta::assert_snapshot!(told(&seen), @"blocked: its data is in PostgreSQL: juju integrate synapse:database <postgresql>");
}
