//! Where Synapse keeps its tables, as `homeserver.yaml` says it.
//!
//! PostgreSQL's password is written into `homeserver.yaml`, because Synapse reads it from nowhere else.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_yaml::Mapping;

use super::ConfigError;
use crate::synapse::DATABASE;

/// How many connections Synapse keeps open, and how many it may open.
const CONNECTIONS: (u32, u32) = (5, 10);
/// Seconds for a new connection, before the next address is tried.
const CONNECT_SECONDS: u32 = 10;
/// A connection is asked for after this many seconds without a word, and then as often, and given up after so many
/// questions: when PostgreSQL's pod moves, nobody closes the old connections.
const KEEPALIVE: (u32, u32) = (10, 3);

/// The database that Synapse runs on.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file on the data volume.
    Sqlite,
    /// A server elsewhere.
    Postgres(Postgres),
}

/// The two kinds of database that Synapse knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// A file on the data volume.
    Sqlite,
    /// A server elsewhere.
    Postgres,
}

/// A database of a PostgreSQL server, and how to get in. Its `Debug` does not show the password.
#[derive(Debug, Clone)]
pub struct Postgres {
    /// Where the server answers; not empty. With several, the one that can be written to is used.
    pub endpoints: Vec<Endpoint>,
    /// The database's name.
    pub name: String,
    /// Who logs in.
    pub user: String,
    /// With what.
    pub password: SecretString,
    /// Whether the connection has to be encrypted.
    pub tls: bool,
}

/// An address of a PostgreSQL server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an IP address; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Reads which kind of database a `homeserver.yaml` names; also one that we did not write. `None` when it names none.
pub fn database_kind_of(homeserver_yaml: &str) -> Result<Option<DatabaseKind>, ConfigError> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(default)]
        database: Option<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        #[serde(default)]
        name: String,
    }
    let document: Option<Document> = serde_yaml::from_str(homeserver_yaml)?;
    let named = document.and_then(|document| document.database);
    Ok(named.and_then(|database| match database.name.as_str() {
        "sqlite3" => Some(DatabaseKind::Sqlite),
        "psycopg2" => Some(DatabaseKind::Postgres),
        _ => None,
    }))
}

impl DatabaseKind {
    /// The word for it in backups and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgresql",
        }
    }
}

impl Database {
    /// Which kind it is.
    pub fn kind(&self) -> DatabaseKind {
        match self {
            Self::Sqlite => DatabaseKind::Sqlite,
            Self::Postgres(_) => DatabaseKind::Postgres,
        }
    }

    /// The section of `homeserver.yaml`.
    pub(super) fn section(&self) -> Section<'_> {
        match self {
            Self::Sqlite => Section {
                name: "sqlite3",
                allow_unsafe_locale: false,
                args: Arguments::Sqlite { database: DATABASE },
            },
            Self::Postgres(postgres) => Section {
                name: "psycopg2",
                // PostgreSQL's charm makes every database with the locale of its cluster, and only a superuser could
                // make another one. What that means is told in docs/how-to/postgresql.md.
                allow_unsafe_locale: true,
                args: postgres.arguments(),
            },
        }
    }
}

impl Postgres {
    /// Whether a `homeserver.yaml` names the same database of the same server, under the same user.
    pub fn is_named_in(&self, homeserver_yaml: &str) -> bool {
        #[derive(Deserialize)]
        struct Document {
            database: Named,
        }
        #[derive(Deserialize)]
        struct Named {
            args: Mapping,
        }
        let Ok(named) = serde_yaml::from_str::<Document>(homeserver_yaml) else {
            return false;
        };
        let Ok(ours) = serde_yaml::to_value(self.arguments()) else {
            return false;
        };
        ["user", "dbname", "host", "port"]
            .iter()
            .all(|key| named.database.args.get(key) == ours.get(key))
    }

    /// The part of a `homeserver.yaml` that names it.
    pub(in crate::synapse) fn configuration(&self) -> Result<SecretString, serde_yaml::Error> {
        #[derive(Serialize)]
        struct Document<'a> {
            database: Section<'a>,
        }
        let section = Section {
            name: "psycopg2",
            allow_unsafe_locale: true,
            args: self.arguments(),
        };
        let text = serde_yaml::to_string(&Document { database: section })?;
        Ok(SecretString::from(text))
    }

    fn arguments(&self) -> Arguments<'_> {
        let joined = |part: fn(&Endpoint) -> String| {
            let parts: Vec<String> = self.endpoints.iter().map(part).collect();
            parts.join(",")
        };
        Arguments::Postgres {
            user: &self.user,
            password: self.password.expose_secret(),
            dbname: &self.name,
            host: joined(|endpoint| endpoint.host.clone()),
            port: joined(|endpoint| endpoint.port.to_string()),
            target_session_attrs: "read-write",
            sslmode: self.tls.then_some("require"),
            connect_timeout: CONNECT_SECONDS,
            keepalives_idle: KEEPALIVE.0,
            keepalives_interval: KEEPALIVE.0,
            keepalives_count: KEEPALIVE.1,
            cp_min: CONNECTIONS.0,
            cp_max: CONNECTIONS.1,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Section<'a> {
    name: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    allow_unsafe_locale: bool,
    args: Arguments<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Arguments<'a> {
    Sqlite {
        database: &'static str,
    },
    Postgres {
        user: &'a str,
        password: &'a str,
        dbname: &'a str,
        host: String,
        port: String,
        target_session_attrs: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        sslmode: Option<&'static str>,
        connect_timeout: u32,
        keepalives_idle: u32,
        keepalives_interval: u32,
        keepalives_count: u32,
        cp_min: u32,
        cp_max: u32,
    },
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn postgres() -> Postgres {
        Postgres {
            endpoints: vec![Endpoint {
                host: "postgresql-k8s-primary.chat.svc.cluster.local".to_owned(),
                port: 5432,
            }],
            name: "synapse".to_owned(),
            user: "relation_id_7".to_owned(),
            password: SecretString::from("0123: #'\"{"),
            tls: false,
        }
    }

    fn written(database: &Database) -> String {
        serde_yaml::to_string(&database.section()).unwrap()
    }

    #[test]
    fn the_section_for_postgresql_reads_like_this() {
        insta::assert_snapshot!(written(&Database::Postgres(postgres())), @r#"
        name: psycopg2
        allow_unsafe_locale: true
        args:
          user: relation_id_7
          password: '0123: #''"{'
          dbname: synapse
          host: postgresql-k8s-primary.chat.svc.cluster.local
          port: '5432'
          target_session_attrs: read-write
          connect_timeout: 10
          keepalives_idle: 10
          keepalives_interval: 10
          keepalives_count: 3
          cp_min: 5
          cp_max: 10
        "#);
    }

    #[test]
    fn several_addresses_and_encryption_are_told_as_libpq_takes_them() {
        let mut postgres = postgres();
        postgres.tls = true;
        postgres.endpoints.push(Endpoint {
            host: "fd00::1".to_owned(),
            port: 6543,
        });
        let section = written(&Database::Postgres(postgres));
        for line in [
            "host: postgresql-k8s-primary.chat.svc.cluster.local,fd00::1\n",
            "port: 5432,6543\n",
            "sslmode: require\n",
        ] {
            assert!(section.contains(line), "{section}");
        }
    }

    #[test]
    fn debug_does_not_show_the_password() {
        let shown = format!("{:?}", Database::Postgres(postgres()));
        assert!(
            shown.contains("relation_id_7") && !shown.contains("0123"),
            "{shown}"
        );
    }

    #[test]
    fn a_database_is_known_again_whatever_its_password() {
        let mut offered = postgres();
        let text = offered.configuration().unwrap();
        offered.password = SecretString::from("another");
        assert!(offered.is_named_in(text.expose_secret()));
        let mut other = postgres();
        other.user = "relation_id_8".to_owned();
        assert!(!other.is_named_in(text.expose_secret()));
        for text in ["", "database: {name: sqlite3, args: {database: x}}", "["] {
            assert!(!offered.is_named_in(text), "{text}");
        }
    }

    #[test]
    fn the_kind_is_read_back_and_unknown_ones_are_none() {
        for (text, kind) in [
            ("database: {name: sqlite3}", Some(DatabaseKind::Sqlite)),
            (
                "database: {name: psycopg2, args: {}}",
                Some(DatabaseKind::Postgres),
            ),
            ("database: {name: oracle}", None),
            ("database: {args: {}}", None),
            ("server_name: example.org", None),
            ("# nothing\n", None),
        ] {
            assert_eq!(database_kind_of(text).unwrap(), kind, "{text}");
        }
        assert!(database_kind_of("database: [").is_err());
    }
}
