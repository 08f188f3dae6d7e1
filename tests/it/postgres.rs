//! A server whose database is PostgreSQL: real Synapse, real driver, real server, a provider that looks like its charm.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::time::Duration;

use harness::demo::Story;
use harness::matrix::{Diary, Homeserver, picture};
use harness::world::World;
use serde_json::Value;

const UNIT: &str = "synapse/0";

fn juju(world: &World, words: &[&str]) -> String {
    world.juju(words).unwrap().success().unwrap()
}

/// A server on PostgreSQL with a user who has written nothing yet.
fn inhabited() -> (World, Homeserver, Diary) {
    let world = World::new().unwrap().with_postgres().unwrap();
    let story = Story::new(&world, |_| ());
    story.deploy().unwrap();
    story.connect().unwrap();
    juju(&world, &["deploy", "postgresql-k8s"]);
    juju(&world, &["integrate", "synapse:database", "postgresql-k8s"]);
    world.wait_for_status(UNIT, "active", "").unwrap();
    let (homeserver, diary) = anna(&world);
    (world, homeserver, diary)
}

fn anna(world: &World) -> (Homeserver, Diary) {
    let registered = world.act(UNIT, &["register-user", "username=anna"]);
    let registered = registered.unwrap().success().unwrap();
    let homeserver = world.homeserver(UNIT).unwrap();
    let password = registered["user-password"].as_str().unwrap();
    let diary = Diary::begin(&homeserver, "anna", password).unwrap();
    (homeserver, diary)
}

fn configuration(world: &World) -> String {
    fs::read_to_string(world.data(UNIT).unwrap().join("homeserver.yaml")).unwrap()
}

#[test]
fn synapse_runs_on_the_database_that_it_was_given_and_takes_a_new_password() {
    let (world, homeserver, mut diary) = inhabited();
    diary.open_room("Travel").unwrap();
    diary.post("sea.png", &picture(1)).unwrap();
    let admin = world.postgres().unwrap();
    let users = admin.sql("synapse", "SELECT name FROM users").unwrap();
    assert_eq!(users, "@anna:demo.example");
    let before = configuration(&world);
    assert!(before.contains("name: psycopg2"));

    // Another password is written down, and Synapse started with it.
    juju(&world, &["lever", "rotate-database", UNIT]);
    world.wait_for_status(UNIT, "active", "").unwrap();
    assert_ne!(configuration(&world), before);
    diary.write("still here").unwrap();
    diary.check(&homeserver).unwrap();

    // A pod that is made anew finds its way too.
    juju(&world, &["lever", "replace-pod", UNIT]);
    world.wait_for_status(UNIT, "active", "").unwrap();
    diary.check(&homeserver).unwrap();
    world.finish().unwrap();
}

#[test]
fn no_server_is_started_on_an_empty_database_behind_its_back() {
    let (world, homeserver, mut diary) = inhabited();
    diary.open_room("Travel").unwrap();

    // Gone: nothing is started on an empty SQLite, not even after the pod was made anew.
    juju(
        &world,
        &["remove-relation", "synapse:database", "postgresql-k8s"],
    );
    let gone = "its data is in PostgreSQL: juju integrate synapse:database";
    world.wait_for_status(UNIT, "blocked", gone).unwrap();
    juju(&world, &["lever", "replace-pod", UNIT]);
    world.wait_for_status(UNIT, "blocked", gone).unwrap();
    assert!(!homeserver.is_healthy());
    assert!(configuration(&world).contains("name: psycopg2"));

    // Another PostgreSQL, or the same one after it lost everything: empty as well.
    let admin = world.postgres().unwrap();
    let away = "ALTER DATABASE synapse RENAME TO elsewhere";
    admin.sql("postgres", away).unwrap();
    juju(&world, &["integrate", "synapse:database", "postgresql-k8s"]);
    let empty = "database of postgresql-k8s is empty: restore it there first";
    world.wait_for_status(UNIT, "blocked", empty).unwrap();
    assert!(!homeserver.is_healthy());
    juju(
        &world,
        &["remove-relation", "synapse:database", "postgresql-k8s"],
    );
    for statement in [
        "DROP DATABASE synapse",
        "ALTER DATABASE elsewhere RENAME TO synapse",
    ] {
        admin.sql("postgres", statement).unwrap();
    }

    // Back, under another user's name: everything is there.
    juju(&world, &["integrate", "synapse:database", "postgresql-k8s"]);
    world.wait_for_status(UNIT, "active", "").unwrap();
    diary.check(&homeserver).unwrap();
    diary.write("and on").unwrap();
    world.finish().unwrap();
}

#[test]
fn a_server_with_data_in_sqlite_keeps_it() {
    let world = World::new().unwrap().with_postgres().unwrap();
    let (homeserver, mut diary) = Story::inhabited(&world).unwrap();
    diary.open_room("Travel").unwrap();
    juju(&world, &["deploy", "postgresql-k8s"]);
    juju(&world, &["integrate", "synapse:database", "postgresql-k8s"]);
    let kept = "its data is in SQLite: juju remove-relation synapse:database postgresql-k8s";
    let told = world.wait_for_status(UNIT, "blocked", kept).unwrap();
    assert_eq!(told, kept);
    diary.check(&homeserver).unwrap();
    diary.write("as before").unwrap();

    juju(
        &world,
        &["remove-relation", "synapse:database", "postgresql-k8s"],
    );
    world.wait_for_status(UNIT, "active", "").unwrap();
    diary.check(&homeserver).unwrap();
    world.finish().unwrap();
}

/// Types a command of a recipe as it stands there.
fn typed(world: &World, line: &str) {
    let words: Vec<String> = line
        .split_whitespace()
        .skip(1)
        .map(|word| word.trim_matches('"').to_owned())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    juju(world, &words);
}

#[test]
fn media_and_database_come_back_by_the_recipe_of_the_backup() {
    let (world, homeserver, mut diary) = inhabited();
    diary.open_room("Travel").unwrap();
    diary.post("before.png", &picture(1)).unwrap();
    let saved = diary.clone();
    juju(&world, &["run", "postgresql-k8s/leader", "create-backup"]);
    let created = world.act(UNIT, &["create-backup"]).unwrap();
    let created = created.success().unwrap();
    let id = created["backup-id"].as_str().unwrap();
    let recipe = created["database-recipe"].as_str().unwrap();

    // What the manifest says of the database, and no password anywhere in it.
    let manifest = world
        .store()
        .bucket()
        .join(format!("demo.example/{id}/manifest.json"));
    let text = fs::read_to_string(manifest).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let database = &manifest["database"];
    assert_eq!(database["kind"], "postgresql");
    assert_eq!(database["name"], "synapse");
    assert_eq!(database["provider"], "postgresql-k8s");
    assert_eq!(database["rows"]["users"], 1);
    assert!(database["schema-version"].as_u64() > Some(80), "{database}");
    let control = "SELECT system_identifier FROM pg_control_system()";
    let system = world.postgres().unwrap().sql("postgres", control).unwrap();
    assert_eq!(database["system-identifier"], system.as_str());
    let configuration = configuration(&world);
    let password = configuration
        .lines()
        .find_map(|line| line.trim().strip_prefix("password: "));
    assert!(!text.contains(password.unwrap()));
    assert!(manifest["components"]["database"].is_null(), "{manifest}");

    let show = ["show-backup", &format!("backup-id={id}")];
    let shown = world.act(UNIT, &show).unwrap().success().unwrap();
    assert_eq!(shown["database-recipe"], recipe);

    diary.post("after.png", &picture(2)).unwrap();
    // Beside a database that goes on, the media alone are told to be too old.
    let restore = format!("backup-id={id}");
    let dry = ["restore-backup", &restore, "dry-run=true"];
    let dry = world.act_with_yaml(UNIT, &dry).unwrap().success().unwrap();
    let plan = dry["plan"].as_str().unwrap();
    assert!(plan.contains("the database goes on until "), "{plan}");

    // The recipe, line by line; this provider archives no log.
    let commands = recipe.lines().filter(|line| line.starts_with("juju "));
    for line in commands.skip(1) {
        match line.contains("restore-to-time") {
            false => typed(&world, line),
            true => {
                let listed = juju(&world, &["run", "postgresql-k8s/leader", "list-backups"]);
                let newest = listed.lines().rfind(|line| line.contains("finished"));
                let newest = newest.unwrap().split_whitespace().next().unwrap();
                let newest = format!("backup-id={newest}");
                juju(
                    &world,
                    &["run", "postgresql-k8s/leader", "restore", &newest],
                );
            }
        }
    }
    world.wait_for_status(UNIT, "active", "").unwrap();
    saved.check(&homeserver).unwrap();
    assert!(diary.check(&homeserver).is_err());
    let mut saved = saved;
    saved.write("and on").unwrap();
    world.finish().unwrap();
}

#[test]
fn a_backup_of_one_kind_is_never_restored_into_a_server_of_the_other() {
    let (world, _, _) = inhabited();
    let created = world.act(UNIT, &["create-backup"]).unwrap();
    let created = created.success().unwrap();
    let on_postgres = format!("backup-id={}", created["backup-id"].as_str().unwrap());

    // The same server, all lost, and this time without PostgreSQL.
    juju(
        &world,
        &["remove-relation", "synapse:database", "postgresql-k8s"],
    );
    let disaster = "find /data -mindepth 1 -delete; kill 1";
    let before = world.pod(UNIT).unwrap().workload().unwrap();
    juju(&world, &["ssh", "--container", "synapse", UNIT, disaster]);
    assert!(before.wait(Duration::from_secs(60)).unwrap());
    world.wait_for_status(UNIT, "active", "").unwrap();
    let refused = world.act(UNIT, &["restore-backup", &on_postgres]).unwrap();
    let refused = refused.failure().unwrap();
    assert_eq!(
        refused.result("error-code"),
        "database-kind",
        "{}",
        refused.message
    );
    let created = world.act(UNIT, &["create-backup"]).unwrap();
    let created = created.success().unwrap();
    let on_sqlite = format!("backup-id={}", created["backup-id"].as_str().unwrap());

    // Nobody has used it: the database that is offered is taken, and the other backup refused.
    juju(&world, &["integrate", "synapse:database", "postgresql-k8s"]);
    world.wait_for_status(UNIT, "active", "").unwrap();
    let refused = world.act(UNIT, &["restore-backup", &on_sqlite]).unwrap();
    let refused = refused.failure().unwrap();
    assert_eq!(
        refused.result("error-code"),
        "database-kind",
        "{}",
        refused.message
    );

    // The database alone is not ours to save.
    let only = ["create-backup", "components=database"];
    let refused = world.act(UNIT, &only).unwrap().failure().unwrap();
    assert_eq!(refused.result("error-code"), "database-elsewhere");
    world.finish().unwrap();
}
