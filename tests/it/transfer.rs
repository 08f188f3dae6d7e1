//! How a backup goes to a store that is slow, busy or peculiar, as an operator sees it.

#![expect(clippy::unwrap_used, reason = "tests")]

use harness::demo::Story;
use harness::s3::{Effect, Fault, Operation, Quirk};
use harness::world::World;

const UNIT: &str = "synapse/0";

#[test]
fn retries_and_what_was_learnt_of_the_store_are_told() {
    let world = World::new().unwrap();
    let _inhabited = Story::inhabited(&world).unwrap();
    let store = world.store().server().unwrap();
    let busy = || Effect::refuse(503, "SlowDown");
    store.become_of(vec![
        Quirk::DemandsMd5,
        Quirk::NoListV2,
        Quirk::UnquotedTags,
    ]);
    store.order(Fault::on(Operation::UploadPart, busy()).times(2));
    store.order(Fault::on(Operation::CreateUpload, busy()));
    store.order(Fault::on(Operation::CompleteUpload, busy()));
    let created = world.act(UNIT, &["create-backup"]).unwrap();
    let results = created.success().unwrap();
    let retries: u64 = results["retries"].as_str().unwrap().parse().unwrap();
    assert!(retries >= 4, "{results:?}");
    let id = results["backup-id"].as_str().unwrap();

    let objects = world.store().objects().unwrap();
    let log = objects
        .iter()
        .find(|(key, _)| key.ends_with(&format!("{id}/run.log")));
    let log = world.store().bucket().join(&log.unwrap().0);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(
        log.contains("trying again") && log.contains("SlowDown (503)"),
        "{log}"
    );
    let facts = objects.iter().find(|(key, _)| key.ends_with("store.json"));
    let facts = world.store().bucket().join(&facts.unwrap().0);
    let facts: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(facts).unwrap()).unwrap();
    assert_eq!(facts["checksum"]["mode"], "md5", "{facts}");
    assert_eq!(facts["list"], "v1", "{facts}");

    let restored = format!("backup-id={id}");
    let verified = world.act(UNIT, &["verify-backup", &restored]).unwrap();
    verified.success().unwrap();
    let deleted = world.act(UNIT, &["delete-backup", &restored]).unwrap();
    deleted.success().unwrap();
}

#[test]
fn options_that_cannot_be_used_are_told_and_good_ones_are_used() {
    let world = World::new().unwrap();
    let _inhabited = Story::inhabited(&world).unwrap();
    let config = |value: &str| {
        let set = world.juju(&["config", "synapse", value]).unwrap();
        set.success().unwrap();
    };
    config("backup_upload_limit=fast");
    let refused = world.act(UNIT, &["create-backup"]).unwrap();
    let text = format!("{refused:?}");
    assert!(
        text.contains("backup_upload_limit: ") && text.contains("is no size per second"),
        "{text}"
    );
    config("backup_upload_limit=8MiB");
    config("backup_checksum=crc64nvme");
    config("backup_parallelism=1");
    let created = world.act(UNIT, &["create-backup"]).unwrap();
    created.success().unwrap();
    let store = world.store().server().unwrap();
    let heads = store.headers(Operation::UploadPart).unwrap();
    assert!(heads.contains_key("x-amz-checksum-crc64nvme"), "{heads:?}");
}
