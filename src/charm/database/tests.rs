#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::juju::StatusKind;

fn bag(pairs: &[(&str, &str)]) -> Databag {
    let pairs = pairs.iter();
    let pairs: BTreeMap<String, String> = pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Databag::from(pairs)
}

/// What comes of a bag and of the secrets that it names.
fn parsed(
    told: &[(&str, &str)],
    secret: &[(&str, &str)],
) -> Result<Option<Postgres>, Vec<Problem>> {
    let told = bag(told);
    let plain = ["username", "password", "tls"]
        .into_iter()
        .filter_map(|key| Some((key, told.get(key)?)));
    let credentials = plain
        .chain(secret.iter().copied())
        .map(|(key, value)| (key.to_owned(), SecretString::from(value)))
        .collect();
    parse(&told, &credentials)
}

fn postgres() -> Postgres {
    let told = [
        ("endpoints", "db:5432"),
        ("username", "u"),
        ("password", "p"),
    ];
    parsed(&told, &[]).unwrap().unwrap()
}

fn ready() -> DatabaseRelation {
    DatabaseRelation::Ready {
        provider: "postgresql-k8s".to_owned(),
        database: postgres(),
    }
}

fn silent() -> DatabaseRelation {
    DatabaseRelation::Silent {
        relation: RelationId::parse("database:7").unwrap(),
        provider: "postgresql-k8s".to_owned(),
        asked: true,
    }
}

fn invalid() -> DatabaseRelation {
    DatabaseRelation::Invalid {
        provider: "postgresql-k8s".to_owned(),
        problems: vec![problem("tls", "is odd".to_owned())],
    }
}

#[test]
fn credentials_come_from_secrets_or_from_the_bag() {
    let secret = parsed(
        &[
            ("database", "synapse"),
            (
                "endpoints",
                "primary.chat.svc.cluster.local:5432,10.0.0.1:6432",
            ),
            ("secret-user", "secret://model/9m4e2mr0ui3e8a215n5g"),
            ("secret-tls", "secret://model/9m4e2mr0ui3e8a215n50"),
            ("version", "16.8"),
        ],
        &[
            ("username", "relation_id_7"),
            ("password", "s3cret"),
            ("tls", "True"),
        ],
    );
    let secret = secret.unwrap().unwrap();
    assert_eq!(
        (secret.name.as_str(), secret.user.as_str()),
        ("synapse", "relation_id_7")
    );
    assert_eq!(secret.password.expose_secret(), "s3cret");
    let told: Vec<(&str, u16)> = secret
        .endpoints
        .iter()
        .map(|endpoint| (endpoint.host.as_str(), endpoint.port))
        .collect();
    assert_eq!(
        told,
        [("primary.chat.svc.cluster.local", 5432), ("10.0.0.1", 6432)]
    );
    assert!(secret.tls);

    let plain = postgres();
    assert_eq!(
        (plain.name.as_str(), plain.user.as_str(), plain.tls),
        ("synapse", "u", false)
    );
}

#[test]
fn a_provider_that_has_not_said_everything_is_waited_for() {
    for told in [
        vec![],
        vec![("data", "{}")],
        vec![("endpoints", "db:5432")],
        vec![("endpoints", "db:5432"), ("username", "u")],
        vec![("username", "u"), ("password", "p")],
        vec![("endpoints", ","), ("username", "u"), ("password", "p")],
    ] {
        assert!(parsed(&told, &[]).unwrap().is_none(), "{told:?}");
    }
}

#[test]
fn whatever_cannot_be_used_is_named_and_no_secret_is_shown() {
    let good = [
        ("endpoints", "db:5432"),
        ("username", "u"),
        ("password", "p4ss"),
    ];
    let with = |key: &'static str, value: &'static str| {
        let mut told = good.to_vec();
        told.retain(|(other, _)| *other != key);
        told.push((key, value));
        let problems = parsed(&told, &[]).unwrap_err();
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        problems.join("; ")
    };
    for (key, value, said) in [
        (
            "endpoints",
            "db:0",
            r#"endpoints names no host and port: "db:0""#,
        ),
        (
            "endpoints",
            "db:x",
            r#"endpoints names no host and port: "db:x""#,
        ),
        (
            "endpoints",
            "/run/db",
            r#"endpoints names no host and port: "/run/db""#,
        ),
        (
            "endpoints",
            "a b:5432",
            r#"endpoints names no host and port: "a b:5432""#,
        ),
        (
            "endpoints",
            "[zz]:5432",
            r#"endpoints names no host and port: "[zz]:5432""#,
        ),
        ("tls", "maybe", r#"tls is neither True nor False: "maybe""#),
        ("password", "a\nb", "password holds a control character"),
    ] {
        assert_eq!(with(key, value), said);
    }
    let told = [("endpoints", "db:5432"), ("secret-user", "secret:x")];
    let problems = parsed(&told, &[("username", "u")]).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].to_string(), "secret-user has no password");
}

#[test]
fn addresses_are_read_in_every_form() {
    for (text, host, port) in [
        ("db", "db", 5432),
        ("db:6432", "db", 6432),
        ("10.1.2.3:5432", "10.1.2.3", 5432),
        ("[fd00::1]:6432", "fd00::1", 6432),
        ("[fd00::1]", "fd00::1", 5432),
    ] {
        let endpoint = endpoint(text).unwrap();
        assert_eq!(
            (endpoint.host.as_str(), endpoint.port),
            (host, port),
            "{text}"
        );
    }
}

#[test]
fn no_server_changes_its_database_by_itself() {
    use DatabaseKind::{Postgres as P, Sqlite as S};
    let told = |lives, inhabited, relation: &DatabaseRelation| match choose(
        "synapse",
        lives,
        inhabited,
        &Offer::Fit,
        relation,
    ) {
        Choice::Run(database, None) => format!("runs on {}", database.kind().as_str()),
        Choice::Run(database, Some(status)) => {
            assert_eq!(status.kind(), StatusKind::Blocked);
            format!("runs on {}, {status}", database.kind().as_str())
        }
        Choice::Leave(status) => format!("left, {status}"),
    };
    let absent = DatabaseRelation::Absent;
    let lines = [
        told(None, false, &absent),
        told(None, false, &silent()),
        told(None, false, &invalid()),
        told(None, false, &ready()),
        told(Some(S), true, &absent),
        told(Some(S), false, &absent),
        told(Some(S), true, &silent()),
        told(Some(S), true, &invalid()),
        told(Some(S), true, &ready()),
        told(Some(S), false, &silent()),
        told(Some(S), false, &invalid()),
        told(Some(S), false, &ready()),
        told(Some(P), false, &absent),
        told(Some(P), false, &silent()),
        told(Some(P), false, &invalid()),
        told(Some(P), false, &ready()),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    runs on sqlite
    left, waiting: waiting for postgresql-k8s to give a database
    left, blocked: Database: tls is odd
    runs on postgresql
    runs on sqlite
    runs on sqlite
    runs on sqlite, blocked: its data is in SQLite: juju remove-relation synapse:database postgresql-k8s
    runs on sqlite, blocked: its data is in SQLite: juju remove-relation synapse:database postgresql-k8s
    runs on sqlite, blocked: its data is in SQLite: juju remove-relation synapse:database postgresql-k8s
    left, waiting: waiting for postgresql-k8s to give a database
    left, blocked: Database: tls is odd
    runs on postgresql
    left, blocked: its data is in PostgreSQL: juju integrate synapse:database <postgresql>
    left, waiting: waiting for postgresql-k8s to give a database
    left, blocked: Database: tls is odd
    runs on postgresql
    ");
}

#[test]
fn what_is_asked_for_is_a_database_with_its_credentials_as_secrets() {
    let asked = request();
    assert_eq!(asked["database"], "synapse");
    let secrets: Vec<String> = serde_json::from_str(&asked["requested-secrets"]).unwrap();
    assert_eq!(secrets, ["username", "password", "tls", "tls-ca"]);
    assert_eq!(
        asked.len(),
        2,
        "no roles are asked for beyond a database of our own"
    );
}

#[test]
fn a_server_with_data_is_not_started_on_an_empty_database_of_another_postgresql() {
    let lives = Some(DatabaseKind::Postgres);
    let told = |offer| match choose("synapse", lives, false, &offer, &ready()) {
        Choice::Run(..) => "runs".to_owned(),
        Choice::Leave(status) => status.to_string(),
    };
    assert_eq!(
        told(Offer::Empty),
        "blocked: database of postgresql-k8s is empty: restore it there first"
    );
    assert_eq!(
        told(Offer::Unknown("it sleeps".to_owned())),
        "waiting: waiting for postgresql-k8s to answer: it sleeps"
    );
}
