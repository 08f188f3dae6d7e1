//! The endpoint `database`: what we ask a PostgreSQL charm for, what it answers, and what Synapse runs on.
//!
//! The wire format is version 0 of the interface `postgresql_client`: strings in the application bags, credentials in
//! Juju secrets that the bag names, or, from providers that know no secrets, in the bag itself. A server never changes
//! its database by itself: who has data in SQLite keeps it, and who has it in PostgreSQL is not started without.

mod recipe;

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::Charm;
use super::failure::{self, Failure};
use super::volume::Volume;
use crate::juju::{Databag, RelationId, Status, ToolError};
use crate::synapse::config::{Database, DatabaseKind, Endpoint, Postgres};
use crate::synapse::data;

pub(super) use recipe::Companion;

/// The endpoint's name.
const DATABASE: &str = "database";
/// The database that we ask for.
const NAME: &str = "synapse";
/// What we want to get as secrets.
const SECRETS: &str = r#"["username","password","tls","tls-ca"]"#;
/// PostgreSQL's own port.
const PORT: u16 = 5432;

/// What a PostgreSQL charm has told us.
#[derive(Debug, Clone)]
pub(super) enum DatabaseRelation {
    /// There is no relation.
    Absent,
    /// It has not said enough yet. `asked` is true once we have asked for a database, and for a unit that does not
    /// lead, as it may not ask.
    Silent {
        relation: RelationId,
        provider: String,
        asked: bool,
    },
    /// What it says cannot be used.
    Invalid {
        provider: String,
        problems: Vec<Problem>,
    },
    /// A database and how to get in.
    Ready {
        provider: String,
        database: Postgres,
    },
}

/// One thing that is wrong with what the provider says. Never shows a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// The key of the databag.
    key: &'static str,
    /// What is wrong with it, to be read after the key.
    what: String,
}

/// What is known of the data in the database that is offered, for a server that has data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Offer {
    /// It is the one that the server has, or there is something in it, or the server has none yet.
    Fit,
    /// The server's data is in PostgreSQL, and in this one there is none.
    Empty,
    /// It is another one than before, and does not say what is in it.
    Unknown(String),
}

/// What the workload is to run on.
#[derive(Debug, Clone)]
pub(super) enum Choice {
    /// This database; the status says what keeps it from being the one that was asked for.
    Run(Database, Option<Status>),
    /// None: nothing is written and nothing is started, and the status says why.
    Leave(Status),
}

/// What we write into our application's bag.
pub(super) fn request() -> BTreeMap<String, String> {
    let pairs = [("database", NAME), ("requested-secrets", SECRETS)];
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// Reads what the provider has told us, its secrets included.
pub(super) async fn relation(charm: &Charm) -> Result<DatabaseRelation, ToolError> {
    let Some(relation) = charm.tools.relation_ids(DATABASE).await?.into_iter().next() else {
        return Ok(DatabaseRelation::Absent);
    };
    let Some(provider) = charm.tools.relation_app(&relation).await? else {
        return silent(charm, relation, "the database".to_owned()).await;
    };
    let told = charm.tools.relation_get(&relation, &provider).await?;
    let (credentials, mut problems) = credentials(charm, &told).await?;
    if problems.is_empty() {
        match parse(&told, &credentials) {
            Ok(Some(database)) => return Ok(DatabaseRelation::Ready { provider, database }),
            Ok(None) => return silent(charm, relation, provider).await,
            Err(found) => problems = found,
        }
    }
    Ok(DatabaseRelation::Invalid { provider, problems })
}

async fn silent(
    charm: &Charm,
    relation: RelationId,
    provider: String,
) -> Result<DatabaseRelation, ToolError> {
    let asked = match charm.tools.is_leader().await? {
        true => {
            let own = charm
                .tools
                .relation_get(&relation, charm.application())
                .await?;
            request()
                .iter()
                .all(|(key, value)| own.get(key) == Some(value))
        }
        false => true,
    };
    Ok(DatabaseRelation::Silent {
        relation,
        provider,
        asked,
    })
}

/// What is secret, from where the provider keeps it: secrets win over the bag.
async fn credentials(
    charm: &Charm,
    told: &Databag,
) -> Result<(BTreeMap<String, SecretString>, Vec<Problem>), ToolError> {
    let mut found: BTreeMap<String, SecretString> = BTreeMap::new();
    let mut problems = Vec::new();
    for key in ["username", "password", "tls"] {
        if let Some(value) = told.get(key) {
            found.insert(key.to_owned(), SecretString::from(value));
        }
    }
    for key in ["secret-user", "secret-tls"] {
        let Some(uri) = told.get(key) else { continue };
        match charm.tools.secret_get(uri).await {
            Ok(content) => found.extend(content),
            Err(error) => {
                problems.push(problem(
                    key,
                    format!("cannot be read: {}", failure::chain(&error)),
                ));
            }
        }
    }
    if let Some(password) = found.get("password") {
        charm.log.conceal(password);
    }
    Ok((found, problems))
}

/// Checks what the provider says; `None` as long as it has not said everything.
fn parse(
    told: &Databag,
    credentials: &BTreeMap<String, SecretString>,
) -> Result<Option<Postgres>, Vec<Problem>> {
    let text = |key: &str| {
        let text = credentials.get(key).map(|value| value.expose_secret());
        text.filter(|text| !text.is_empty())
    };
    let mut problems = Vec::new();
    if told.get("secret-user").is_some() {
        let missing = ["username", "password"].map(|key| text(key).is_none().then_some(key));
        let missing = missing.into_iter().flatten();
        problems.extend(missing.map(|key| problem("secret-user", format!("has no {key}"))));
    }
    let (Some(user), Some(password), Some(endpoints)) =
        (text("username"), text("password"), told.get("endpoints"))
    else {
        return match problems.is_empty() {
            true => Ok(None),
            false => Err(problems),
        };
    };
    let name = told.get("database").unwrap_or(NAME);
    for (key, value) in [
        ("username", user),
        ("password", password),
        ("database", name),
    ] {
        if value.chars().any(char::is_control) {
            problems.push(problem(key, "holds a control character".to_owned()));
        }
    }
    let endpoints: Vec<Endpoint> = endpoints
        .split(',')
        .map(str::trim)
        .filter(|endpoint| !endpoint.is_empty())
        .filter_map(|text| match endpoint(text) {
            Some(endpoint) => Some(endpoint),
            None => {
                problems.push(problem(
                    "endpoints",
                    format!("names no host and port: {text:?}"),
                ));
                None
            }
        })
        .collect();
    if endpoints.is_empty() && problems.is_empty() {
        return Ok(None);
    }
    let tls = match text("tls").map(str::to_ascii_lowercase).as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            problems.push(problem(
                "tls",
                format!("is neither True nor False: {other:?}"),
            ));
            false
        }
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Some(Postgres {
        endpoints,
        name: name.to_owned(),
        user: user.to_owned(),
        password: SecretString::from(password),
        tls,
    }))
}

fn problem(key: &'static str, what: String) -> Problem {
    Problem { key, what }
}

/// Reads `host`, `host:port` or `[address]:port`.
fn endpoint(text: &str) -> Option<Endpoint> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (
                host,
                port.strip_prefix(':').or(port.is_empty().then_some(""))?,
            )
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let port = match port {
        "" => PORT,
        port => port.parse().ok().filter(|port| *port != 0)?,
    };
    // Neither a way into libpq's syntax, nor a directory with a socket in it.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (!host.is_empty() && host.bytes().all(plain)).then(|| Endpoint {
        host: host.to_owned(),
        port,
    })
}

/// Asks the PostgreSQL database that Synapse runs on which one it is, and how far it has come.
pub(super) async fn companion(
    charm: &Charm,
    provider: Option<String>,
) -> Result<Companion, Failure> {
    let asked = data::identity(&charm.client).await;
    let identity = asked.map_err(|error| failure::sort(&error))?;
    Ok(Companion { provider, identity })
}

/// Looks into the database that is offered, when the server's data was in another one, or under another user.
pub(super) async fn offer(charm: &Charm, volume: &Volume, relation: &DatabaseRelation) -> Offer {
    let (Some(DatabaseKind::Postgres), DatabaseRelation::Ready { database, .. }) =
        (volume.database, relation)
    else {
        return Offer::Fit;
    };
    let configuration = volume.configuration.as_ref();
    if configuration.is_some_and(|text| database.is_named_in(text.expose_secret())) {
        return Offer::Fit;
    }
    match data::identity_of(&charm.client, database).await {
        Ok(identity) if identity.is_empty() => Offer::Empty,
        Ok(_) => Offer::Fit,
        Err(error) => Offer::Unknown(failure::chain(&error)),
    }
}

/// Decides what Synapse runs on: pure.
///
/// `lives` is where its data lies already, `inhabited` whether anything of a user is in an SQLite database, `offer`
/// what is known of a PostgreSQL database that is new to the server.
pub(super) fn choose(
    application: &str,
    lives: Option<DatabaseKind>,
    inhabited: bool,
    offer: &Offer,
    relation: &DatabaseRelation,
) -> Choice {
    match (lives, relation) {
        (None | Some(DatabaseKind::Sqlite), DatabaseRelation::Absent) => {
            Choice::Run(Database::Sqlite, None)
        }
        (Some(DatabaseKind::Postgres), DatabaseRelation::Absent) => {
            Choice::Leave(Status::blocked(format!(
                "its data is in PostgreSQL: juju integrate {application}:database <postgresql>"
            )))
        }
        (
            Some(DatabaseKind::Sqlite),
            DatabaseRelation::Silent { provider, .. }
            | DatabaseRelation::Invalid { provider, .. }
            | DatabaseRelation::Ready { provider, .. },
        ) if inhabited => Choice::Run(
            Database::Sqlite,
            Some(Status::blocked(format!(
                "its data is in SQLite: juju remove-relation {application}:database {provider}"
            ))),
        ),
        (_, DatabaseRelation::Silent { provider, .. }) => Choice::Leave(Status::waiting(format!(
            "waiting for {provider} to give a database"
        ))),
        (_, DatabaseRelation::Invalid { problems, .. }) => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Choice::Leave(Status::blocked(format!(
                "Database: {}",
                problems.join("; ")
            )))
        }
        (_, DatabaseRelation::Ready { provider, database }) => match offer {
            Offer::Fit => Choice::Run(Database::Postgres(database.clone()), None),
            Offer::Empty => Choice::Leave(Status::blocked(format!(
                "database of {provider} is empty: restore it there first"
            ))),
            Offer::Unknown(reason) => Choice::Leave(Status::waiting(format!(
                "waiting for {provider} to answer: {reason}"
            ))),
        },
    }
}

impl DatabaseRelation {
    /// The application at the other end.
    pub(super) fn provider(&self) -> Option<&str> {
        match self {
            Self::Absent => None,
            Self::Silent { provider, .. }
            | Self::Invalid { provider, .. }
            | Self::Ready { provider, .. } => Some(provider),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.key, self.what)
    }
}

#[cfg(test)]
mod tests;
