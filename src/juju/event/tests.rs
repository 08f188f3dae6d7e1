#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;

use super::*;

/// Every variable that any hook gets, as an agent would set it for one hook.
fn read(path: &str, extra: &[(&str, &str)]) -> Result<Event, ContextError> {
    let mut variables: BTreeMap<String, String> = extra
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    variables.insert("JUJU_DISPATCH_PATH".to_owned(), path.to_owned());
    Event::read(&Variables(&variables))
}

#[test]
fn every_hook_of_juju_is_read_and_written_back() {
    let all = [
        ("JUJU_RELATION_ID", "backup:7"),
        ("JUJU_REMOTE_APP", "s3-integrator"),
        ("JUJU_REMOTE_UNIT", ""),
        ("JUJU_STORAGE_ID", "data/0"),
        ("JUJU_NOTICE_ID", "12"),
        ("JUJU_NOTICE_KEY", "example.org/done"),
        ("JUJU_PEBBLE_CHECK_NAME", "synapse-alive"),
        ("JUJU_SECRET_ID", "secret:9m4e2mr0ui3e8a215n5g"),
        ("JUJU_SECRET_LABEL", ""),
        ("JUJU_SECRET_REVISION", "3"),
    ];
    let names = [
        "install",
        "start",
        "config-changed",
        "upgrade-charm",
        "stop",
        "remove",
        "leader-elected",
        "leader-settings-changed",
        "update-status",
        "secret-changed",
        "secret-rotate",
        "secret-remove",
        "secret-expired",
        "synapse-peers-relation-created",
        "backup-relation-joined",
        "backup-relation-changed",
        "backup-relation-departed",
        "backup-relation-broken",
        "data-storage-attached",
        "data-storage-detaching",
        "synapse-pebble-ready",
        "synapse-pebble-custom-notice",
        "synapse-pebble-check-failed",
        "synapse-pebble-check-recovered",
    ];
    for name in names {
        let event = read(&format!("hooks/{name}"), &all).unwrap();
        assert!(!matches!(event, Event::Unknown(_)), "{name}");
        assert_eq!(event.to_string(), name);
    }
}

#[test]
fn a_change_of_the_applications_bag_names_no_unit() {
    let variables = [
        ("JUJU_RELATION_ID", "backup:7"),
        ("JUJU_REMOTE_APP", "s3-integrator"),
        ("JUJU_REMOTE_UNIT", ""),
    ];
    let event = read("hooks/backup-relation-changed", &variables).unwrap();
    let expected = Event::Relation(RelationEvent {
        kind: RelationKind::Changed,
        endpoint: "backup".to_owned(),
        id: RelationId::parse("backup:7").unwrap(),
        app: Some("s3-integrator".to_owned()),
        unit: None,
    });
    assert_eq!(event, expected);
}

#[test]
fn actions_carry_their_task_number() {
    let event = read(
        "actions/create-backup",
        &[("JUJU_ACTION_UUID", "7"), ("JUJU_HOOK_NAME", "")],
    )
    .unwrap();
    let expected = ActionRun {
        name: "create-backup".to_owned(),
        task: "7".to_owned(),
    };
    assert_eq!(event, Event::Action(expected));
}

#[test]
fn unknown_hooks_are_accepted_and_an_action_is_never_taken_for_a_hook() {
    for name in [
        "collect-metrics",
        "meter-status-changed",
        "pre-series-upgrade",
        "-pebble-ready",
        "x",
    ] {
        let event = read(&format!("hooks/{name}"), &[]).unwrap();
        assert_eq!(event, Event::Unknown(name.to_owned()));
    }
    assert!(matches!(
        read("actions/install", &[]).unwrap(),
        Event::Action(_)
    ));
    assert_eq!(
        read("sideways", &[]).unwrap(),
        Event::Unknown("sideways".to_owned())
    );
}

#[test]
fn juju_exec_has_no_dispatch_path() {
    assert_eq!(
        Event::read(&Variables(&BTreeMap::new())).unwrap(),
        Event::Exec
    );
}

#[test]
fn a_relation_hook_without_its_relation_is_an_error() {
    let error = read("hooks/backup-relation-changed", &[]).unwrap_err();
    assert_eq!(
        error,
        ContextError::Missing {
            variable: "JUJU_RELATION_ID"
        }
    );
    let error = read(
        "hooks/backup-relation-changed",
        &[("JUJU_RELATION_ID", "backup:x")],
    )
    .unwrap_err();
    insta::assert_snapshot!(error, @r#"JUJU_RELATION_ID is "backup:x", which is not a relation id"#);
}
