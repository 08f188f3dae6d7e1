//! Which way the data goes between the containers, as an operator sees it.

#![expect(clippy::unwrap_used, reason = "tests")]

use harness::demo::Story;
use harness::world::World;

const UNIT: &str = "synapse/0";

/// What the charm says when the data cannot go through a named pipe.
const REFUSED: &str = "no named pipe: streams go through Pebble";

/// A `tar` was started whose data goes through a pipe; to try it is another command's affair.
fn is_piped(line: &str) -> bool {
    line.contains("command=tar ") && line.contains("piped=true")
}

#[test]
fn data_goes_through_a_named_pipe_and_where_that_cannot_be_through_pebble() {
    let world = World::new().unwrap();
    let (homeserver, mut diary) = Story::inhabited(&world).unwrap();
    diary.open_room("Travel").unwrap();
    diary.write("before the backup").unwrap();
    let session = diary.session();
    let large = vec![7; 3 << 20];
    session
        .upload("large.bin", "application/octet-stream", &large)
        .unwrap();
    let log = || {
        let words = ["debug-log", "--replay", "--level", "TRACE"];
        world.juju(&words).unwrap().success().unwrap()
    };
    let round = || {
        let act = |words: &[&str]| world.act(UNIT, words).unwrap().success().unwrap();
        let created = act(&["create-backup"]);
        let id = format!("backup-id={}", created["backup-id"].as_str().unwrap());
        let restored = act(&["restore-backup", &id]);
        assert_eq!(restored["result"], "correct");
        act(&["confirm-restore"]);
        diary.check(&homeserver).unwrap();
        let shared = world.pod(UNIT).unwrap().shared().unwrap();
        assert!(
            !shared.iter().any(|name| name.starts_with("bulk-")),
            "{shared:?}"
        );
    };

    round();
    let told = log();
    assert!(told.lines().any(is_piped), "{told}");
    assert!(!told.contains(REFUSED), "{told}");

    if !world.pod(UNIT).unwrap().close_shared().unwrap() {
        return;
    }
    round();
    let told = log();
    let new = told.lines().skip_while(|line| !line.contains(REFUSED));
    let new: Vec<&str> = new.collect();
    assert!(!new.is_empty(), "{told}");
    assert!(!new.iter().any(|line| is_piped(line)), "{new:#?}");
    world.finish().unwrap();
}
