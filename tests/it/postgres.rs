//! A server whose database is PostgreSQL: real Synapse, real driver, real server, a provider that looks like its charm.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use harness::demo::Story;
use harness::matrix::{Diary, Homeserver, picture};
use harness::world::World;

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
