//! Secrets that a user adds, and what a charm hears of them.

use super::World;

#[test]
fn a_secret_can_be_read_once_it_is_granted() {
    let world = World::new("true");
    world.deploy();
    let id = world.juju("add-secret pass passphrase=hunter2");
    let read = format!(
        "exec --unit synapse/0 -- secret-get {} --format=json",
        id.trim()
    );
    assert_eq!(
        world.fails(&read),
        (1, "ERROR permission denied\n".to_owned())
    );
    world.juju("grant-secret pass synapse");
    assert_eq!(world.juju(&read), "{\"passphrase\":\"hunter2\"}\n");
}

#[test]
fn a_new_revision_of_a_secret_wakes_those_who_have_read_it() {
    let world = World::new("true");
    world.deploy();
    let id = world.juju("add-secret pass passphrase=hunter2");
    let read = |flags: &str| {
        let id = id.trim();
        world.juju(&format!(
            "exec --unit synapse/0 -- secret-get {id} {flags} --format=json"
        ))
    };
    world.juju("grant-secret pass synapse");
    world.juju("update-secret pass passphrase=hunter3");
    world.woken("synapse-0");
    assert_eq!(read(""), "{\"passphrase\":\"hunter3\"}\n");
    // The same content is no new revision.
    world.juju("update-secret pass passphrase=hunter3");
    assert_eq!(world.woken("synapse-0"), [""; 0]);
    let file = world.dir.path().join("passphrase");
    std::fs::write(&file, "hunter4").unwrap();
    world.juju(&format!(
        "update-secret pass passphrase#file={}",
        file.display()
    ));
    assert_eq!(world.woken("synapse-0"), ["secret-changed"]);
    assert_eq!(read(""), "{\"passphrase\":\"hunter3\"}\n");
    assert_eq!(read("--refresh"), "{\"passphrase\":\"hunter4\"}\n");
    assert_eq!(read(""), "{\"passphrase\":\"hunter4\"}\n");
    let refused = format!("exec --unit synapse/0 -- secret-get {}", id.trim());
    world.juju("revoke-secret pass synapse");
    assert_eq!(
        world.fails(&refused),
        (1, "ERROR permission denied\n".to_owned())
    );
    world.juju("remove-secret pass");
    let gone = format!(
        "ERROR secret {:?} not found\n",
        &id.trim()["secret:".len()..]
    );
    assert_eq!(world.fails(&refused), (1, gone));
}
