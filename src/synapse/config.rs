//! Settings to `homeserver.yaml`; pure.
//!
//! The same settings always give the same text, so that comparing texts tells whether anything changed. The file holds
//! no secret but PostgreSQL's password: it names the files that do, which Synapse reads by itself.

mod database;

use serde::{Deserialize, Serialize};

use super::secrets::{FORM_SECRET, MACAROON_SECRET, REGISTRATION_SECRET};
use super::signing_keys::OldSigningKeys;
use super::{LOG_CONFIG, MEDIA, PORT, ServerName, ServerNameError};

pub use database::{Database, DatabaseKind, Endpoint, Postgres, database_kind_of};

/// What an operator decides about Synapse.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server's name; can never change once there are users.
    pub server_name: ServerName,
    /// Where clients reach the server, when not at `https://<server_name>/`.
    pub public_baseurl: Option<PublicBaseurl>,
    /// Whether Synapse reports anonymous statistics to its makers.
    pub report_stats: bool,
    /// The public keys that the server no longer signs with; not the operator's to decide, but handed on from one
    /// `homeserver.yaml` to the next.
    pub old_signing_keys: OldSigningKeys,
    /// Where Synapse keeps its tables.
    pub database: Database,
}

/// A web address at which clients reach the server: `http` or `https`, a host, no query and no fragment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PublicBaseurl(String);

/// Why a text is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicBaseurlError {
    /// It has no scheme, or another one.
    #[error("{0:?} does not begin with https:// or http://")]
    Scheme(String),
    /// There is no host, or not only a host and a port.
    #[error("{0:?} names no host")]
    Host(String),
    /// A query, a fragment, white space or a control character.
    #[error("{url:?} may not contain {character:?}")]
    Character {
        /// The whole text.
        url: String,
        /// What is too much.
        character: char,
    },
}

/// The settings name another server than the one whose data lies on the volume.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "server_name cannot change from {served} to {wanted}: users, rooms and signatures carry it"
)]
pub struct ServerNameChanged {
    /// Whose data lies on the volume.
    pub served: ServerName,
    /// What the settings say.
    pub wanted: ServerName,
}

/// Why a `homeserver.yaml` on the volume cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is no YAML, has no server name, or has an old signing key that is none.
    #[error("homeserver.yaml on the data volume is not understood")]
    Yaml(#[from] serde_yaml::Error),
    /// Its server name is none.
    #[error("homeserver.yaml on the data volume has no valid server name")]
    ServerName(#[from] ServerNameError),
}

const HEADER: &str = "\
# Managed by the charm: whatever is changed here is lost at the next hook.
# Use the charm's options: juju config synapse
";

const OLD_SIGNING_KEYS: &str = "old_signing_keys";

const LOG_HEADER: &str =
    "# Managed by the charm. Pebble keeps the log: kubectl logs, or pebble logs synapse.\n";

impl Settings {
    /// Writes `homeserver.yaml`.
    pub fn homeserver_yaml(&self) -> Result<String, serde_yaml::Error> {
        let document = Document {
            server_name: &self.server_name,
            public_baseurl: self.public_baseurl.as_ref(),
            report_stats: self.report_stats,
            listeners: [Listener {
                port: PORT,
                bind_addresses: ["0.0.0.0"],
                r#type: "http",
                tls: false,
                x_forwarded: true,
                resources: [Resource {
                    names: ["client", "federation", "health"],
                    compress: false,
                }],
            }],
            database: self.database.section(),
            media_store_path: MEDIA,
            log_config: LOG_CONFIG,
            signing_key_path: self.server_name.signing_key_path(),
            old_signing_keys: &self.old_signing_keys,
            macaroon_secret_key_path: MACAROON_SECRET,
            form_secret_path: FORM_SECRET,
            registration_shared_secret_path: REGISTRATION_SECRET,
            trusted_key_servers: [KeyServer {
                server_name: "matrix.org",
            }],
            suppress_key_server_warning: true,
        };
        Ok(format!("{HEADER}{}", serde_yaml::to_string(&document)?))
    }

    /// Checks that the volume's own `homeserver.yaml`, if there is one, is of the same server.
    pub fn check_same_server(&self, on_volume: &ServerName) -> Result<(), ServerNameChanged> {
        if *on_volume == self.server_name {
            return Ok(());
        }
        Err(ServerNameChanged {
            served: on_volume.clone(),
            wanted: self.server_name.clone(),
        })
    }
}

/// Reads whose server a `homeserver.yaml` belongs to; also of one that we did not write.
pub fn server_name_of(homeserver_yaml: &str) -> Result<ServerName, ConfigError> {
    #[derive(Deserialize)]
    struct Named {
        server_name: String,
    }
    let named: Named = serde_yaml::from_str(homeserver_yaml)?;
    Ok(ServerName::parse(&named.server_name)?)
}

/// Reads the public keys that a server no longer signs with out of its `homeserver.yaml`; also of one that we did not
/// write. Where it names none, there are none.
pub fn old_signing_keys_of(homeserver_yaml: &str) -> Result<OldSigningKeys, ConfigError> {
    #[derive(Deserialize)]
    struct Keys {
        #[serde(default)]
        old_signing_keys: Option<OldSigningKeys>,
    }
    // A file with nothing but comments in it is no mapping, and has no keys either.
    let keys: Option<Keys> = serde_yaml::from_str(homeserver_yaml)?;
    Ok(keys
        .and_then(|keys| keys.old_signing_keys)
        .unwrap_or_default())
}

/// Sets the keys that a server no longer signs with in its `homeserver.yaml`; the rest of it keeps its meaning.
pub fn with_old_signing_keys(
    homeserver_yaml: &str,
    keys: &OldSigningKeys,
) -> Result<String, ConfigError> {
    let mut document: serde_yaml::Mapping = serde_yaml::from_str(homeserver_yaml)?;
    match keys.is_empty() {
        true => document.remove(OLD_SIGNING_KEYS),
        false => document.insert(OLD_SIGNING_KEYS.into(), serde_yaml::to_value(keys)?),
    };
    Ok(serde_yaml::to_string(&document)?)
}

/// Writes the log configuration: one line an event on stdout, where Pebble picks it up.
pub fn log_config() -> Result<String, serde_yaml::Error> {
    let document = LogDocument {
        version: 1,
        disable_existing_loggers: false,
        formatters: Formatters {
            line: Formatter {
                format: "%(asctime)s %(levelname)s %(name)s %(request)s %(message)s",
            },
        },
        handlers: Handlers {
            stdout: Handler {
                class: "logging.StreamHandler",
                formatter: "line",
                stream: "ext://sys.stdout",
            },
        },
        // At debug this logger would write access tokens.
        loggers: Loggers {
            sql: Logger { level: "INFO" },
        },
        root: Root {
            level: "INFO",
            handlers: ["stdout"],
        },
    };
    Ok(format!("{LOG_HEADER}{}", serde_yaml::to_string(&document)?))
}

impl PublicBaseurl {
    /// Reads a web address.
    pub fn parse(url: &str) -> Result<Self, PublicBaseurlError> {
        let unfit = |c: char| {
            c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '"' | '<' | '>' | '\\')
        };
        if let Some(character) = url.chars().find(|character| unfit(*character)) {
            let url = url.to_owned();
            return Err(PublicBaseurlError::Character { url, character });
        }
        let rest = ["https://", "http://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme))
            .ok_or_else(|| PublicBaseurlError::Scheme(url.to_owned()))?;
        let host = rest.split('/').next().unwrap_or_default();
        // A host with a port has the grammar of a server name, so that user names are refused as well.
        match ServerName::parse(host) {
            Ok(_) => Ok(Self(url.to_owned())),
            Err(_) => Err(PublicBaseurlError::Host(url.to_owned())),
        }
    }

    /// The address as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Serialize)]
struct Document<'a> {
    server_name: &'a ServerName,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_baseurl: Option<&'a PublicBaseurl>,
    report_stats: bool,
    listeners: [Listener; 1],
    database: database::Section<'a>,
    media_store_path: &'static str,
    log_config: &'static str,
    signing_key_path: String,
    #[serde(skip_serializing_if = "OldSigningKeys::is_empty")]
    old_signing_keys: &'a OldSigningKeys,
    macaroon_secret_key_path: &'static str,
    form_secret_path: &'static str,
    registration_shared_secret_path: &'static str,
    trusted_key_servers: [KeyServer; 1],
    suppress_key_server_warning: bool,
}

#[derive(Serialize)]
struct Listener {
    port: u16,
    bind_addresses: [&'static str; 1],
    r#type: &'static str,
    tls: bool,
    x_forwarded: bool,
    resources: [Resource; 1],
}

#[derive(Serialize)]
struct Resource {
    names: [&'static str; 3],
    compress: bool,
}

#[derive(Serialize)]
struct KeyServer {
    server_name: &'static str,
}

#[derive(Serialize)]
struct LogDocument {
    version: u8,
    disable_existing_loggers: bool,
    formatters: Formatters,
    handlers: Handlers,
    loggers: Loggers,
    root: Root,
}

#[derive(Serialize)]
struct Formatters {
    line: Formatter,
}

#[derive(Serialize)]
struct Formatter {
    format: &'static str,
}

#[derive(Serialize)]
struct Handlers {
    stdout: Handler,
}

#[derive(Serialize)]
struct Handler {
    class: &'static str,
    formatter: &'static str,
    stream: &'static str,
}

#[derive(Serialize)]
struct Loggers {
    #[serde(rename = "synapse.storage.SQL")]
    sql: Logger,
}

#[derive(Serialize)]
struct Logger {
    level: &'static str,
}

#[derive(Serialize)]
struct Root {
    level: &'static str,
    handlers: [&'static str; 1],
}

#[cfg(test)]
mod tests;
