//! The postgresql-k8s charm, as far as a charm that is related to it can tell.
//!
//! It makes a user and a database in a real server for whoever asks under version 0 of `postgresql_client`, and tells
//! the credentials in a secret, or in the bag to those who have not asked for secrets. Its backups are dumps in the
//! model's directory. The server is the world's: see [`crate::postgres`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::charm::{ActionSpec, Charm, Endpoint, Role};
use super::context::{Bag, Status};
use super::model::{Model, Player, Task, TaskStatus, UserSecret, now};
use crate::postgres::{Admin, PORT};

/// Its name in the store of charms.
pub const NAME: &str = "postgresql-k8s";
const INTERFACE: &str = "postgresql_client";

/// What it declares.
pub fn charm() -> Charm {
    let action = |description: &str, schema: Value| ActionSpec {
        description: description.to_owned(),
        schema,
    };
    let text = json!({"type": "string"});
    let actions = [
        (
            "create-backup",
            action("Creates a backup.", json!({"properties": {"type": text}})),
        ),
        ("list-backups", action("Lists backups.", json!({}))),
        (
            "restore",
            action(
                "Restore a database backup.",
                json!({"properties": {"backup-id": text, "restore-to-time": text}}),
            ),
        ),
    ];
    Charm {
        name: NAME.to_owned(),
        actions: actions
            .into_iter()
            .map(|(name, spec)| (name.to_owned(), spec))
            .collect(),
        endpoints: BTreeMap::from([(
            "database".to_owned(),
            Endpoint {
                role: Role::Provider,
                interface: INTERFACE.to_owned(),
                limit: None,
            },
        )]),
        ..Charm::default()
    }
}

/// Does what its hooks would do: a database for whoever has asked and has none, no user for who is gone.
pub fn publish(model: &mut Model) -> Result<()> {
    let played = model
        .applications
        .iter()
        .filter(|(_, it)| it.player == Player::Integrator && it.charm.name == NAME);
    let names: Vec<String> = played.map(|(name, _)| name.clone()).collect();
    for name in names {
        if let Some(application) = model.applications.get_mut(&name) {
            let active = Status {
                status: "active".to_owned(),
                message: "Primary".to_owned(),
                ..Status::default()
            };
            for unit in application
                .units
                .values_mut()
                .filter(|unit| unit.status != active)
            {
                (unit.status, unit.since) = (active.clone(), now().to_string());
            }
        }
        let links = model.relations.iter().filter(|link| !link.is_peer());
        let links: Vec<_> = links
            .filter(|link| link.end_of(&name).is_some())
            .cloned()
            .collect();
        for link in &links {
            let Some(other) = link.other_end(&name).map(|end| end.application.clone()) else {
                continue;
            };
            let asked = link
                .bags
                .get(&other)
                .and_then(|bag| bag.get("database"))
                .cloned();
            let given = link
                .bags
                .get(&name)
                .is_some_and(|bag| bag.contains_key("endpoints"));
            match asked {
                Some(_) if given && link.dying => take_back(link.id)?,
                Some(database) if !given && !link.dying => {
                    let secret = link.bags[&other].contains_key("requested-secrets");
                    let answer = give(model, link.id, &other, &database, secret)?;
                    model.write_bag(link.id, &name, &answer);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Makes user and database, and says how to get in.
fn give(model: &mut Model, id: i64, to: &str, database: &str, secret: bool) -> Result<Bag> {
    let admin = Admin::from_environment()?;
    let (user, password) = (user(id), letters(24)?);
    admin.sql(
        "postgres",
        &format!("CREATE ROLE {user} LOGIN PASSWORD '{password}'"),
    )?;
    let there = format!("SELECT 1 FROM pg_database WHERE datname = '{database}'");
    if admin.sql("postgres", &there)?.is_empty() {
        admin.sql(
            "postgres",
            &format!("CREATE DATABASE \"{database}\" OWNER {user}"),
        )?;
    } else {
        admin.sql(
            "postgres",
            &format!("ALTER DATABASE \"{database}\" OWNER TO {user}"),
        )?;
        admin.sql(database, &format!("GRANT postgres TO {user}"))?;
    }
    let mut bag = Bag::from([
        ("database".to_owned(), database.to_owned()),
        ("endpoints".to_owned(), format!("127.0.0.1:{PORT}")),
        (
            "version".to_owned(),
            admin.sql("postgres", "SHOW server_version")?,
        ),
        // The bookkeeping of the Python library, which requirers must ignore.
        ("data".to_owned(), json!({"database": database}).to_string()),
    ]);
    if secret {
        let id = format!("{}0", letters(19)?);
        let content = [("username", &user), ("password", &password)];
        model.secrets.push(UserSecret {
            id: id.clone(),
            name: format!("database.{user}.user.secret"),
            content: content
                .map(|(key, value)| (key.to_owned(), STANDARD.encode(value)))
                .into(),
            granted: [to.to_owned()].into(),
            ..UserSecret::default()
        });
        bag.insert(
            "secret-user".to_owned(),
            format!("secret://{}/{id}", model.uuid),
        );
    } else {
        bag.extend([
            ("username".to_owned(), user),
            ("password".to_owned(), password),
        ]);
    }
    Ok(bag)
}

/// Removes a user; what was his is the superuser's.
fn take_back(id: i64) -> Result<()> {
    let (admin, user) = (Admin::from_environment()?, user(id));
    let there = format!("SELECT 1 FROM pg_roles WHERE rolname = '{user}'");
    if admin.sql("postgres", &there)?.is_empty() {
        return Ok(());
    }
    let ended =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'");
    let databases = admin.sql(
        "postgres",
        "SELECT datname FROM pg_database WHERE datallowconn",
    )?;
    for database in databases.lines() {
        let given = format!("REASSIGN OWNED BY {user} TO postgres; DROP OWNED BY {user}");
        admin.sql(database, &given)?;
    }
    admin.sql("postgres", &format!("ALTER ROLE {user} NOLOGIN"))?;
    admin.sql("postgres", &ended)?;
    admin
        .sql("postgres", &format!("DROP ROLE {user}"))
        .map(drop)
}

/// Changes the passwords of all users, and tells those who read them.
pub fn rotate(model: &mut Model) -> Result<()> {
    let admin = Admin::from_environment()?;
    let mut told = Vec::new();
    for secret in &mut model.secrets {
        let Some(user) = secret
            .name
            .strip_prefix("database.")
            .and_then(|rest| rest.strip_suffix(".user.secret"))
        else {
            continue;
        };
        let password = letters(24)?;
        admin.sql(
            "postgres",
            &format!("ALTER ROLE {user} PASSWORD '{password}'"),
        )?;
        secret
            .content
            .insert("password".to_owned(), STANDARD.encode(password));
        told.push(secret.id.clone());
    }
    for id in told {
        model.tell_of_secret(&id);
    }
    Ok(())
}

/// Runs one of its actions; the dumps lie in the model's directory.
pub fn act(directory: &Path, task: &mut Task) {
    task.begin();
    let mut results = Map::new();
    let ended = run(directory, task, &mut results);
    results.insert("return-code".to_owned(), json!(0));
    task.results = results;
    match ended {
        Ok(()) => task.end(TaskStatus::Completed, String::new()),
        Err(error) => task.end(TaskStatus::Failed, format!("{error:#}")),
    }
}

fn run(directory: &Path, task: &Task, results: &mut Map<String, Value>) -> Result<()> {
    const DATABASE: &str = "synapse";
    let admin = Admin::from_environment()?;
    let dumps = directory.join("postgresql-backups");
    std::fs::create_dir_all(&dumps)?;
    let dump = |id: &str| -> PathBuf { dumps.join(id).with_extension("dump") };
    match task.action.as_str() {
        "create-backup" => {
            let id = now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            admin.dump(DATABASE, &dump(&id))?;
            results.insert("backup-status".to_owned(), json!("backup created"));
        }
        "list-backups" => {
            let mut lines = vec!["backup-id             | action      | status".to_owned()];
            let entries = std::fs::read_dir(&dumps)?.flatten();
            let mut ids: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
            ids.sort();
            let ids = ids.iter().filter_map(|path| path.file_stem()?.to_str());
            lines.extend(ids.map(|id| format!("{id}  | full backup | finished")));
            results.insert("backups".to_owned(), json!(lines.join("\n")));
        }
        _ => {
            let id = task.params.get("backup-id").and_then(Value::as_str);
            let id =
                id.context("Missing backup-id or restore-to-time parameter to be able to restore")?;
            let file = dump(id);
            anyhow::ensure!(file.is_file(), "Invalid backup-id: {id}");
            admin.restore(DATABASE, &file)?;
            results.insert("restore-status".to_owned(), json!("restore started"));
        }
    }
    Ok(())
}

/// The user of a relation.
fn user(id: i64) -> String {
    format!("relation_id_{id}")
}

/// Random letters, as passwords and ids have them.
fn letters(count: usize) -> Result<String> {
    const LETTERS: &[u8] = b"0123456789abcdefghijklmnopqrstuv";
    let mut bytes = vec![0; count];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte & 31)]);
    Ok(bytes.iter().map(letter).collect())
}
