//! How often a listing asks the store.

use harness::s3::{Effect, Fault, Operation};

use super::{ID, Shelf};

#[tokio::test]
async fn listing_asks_once_for_each_manifest_and_for_nothing_else() {
    let shelf = Shelf::new();
    for number in 0..60 {
        shelf
            .backup(&format!("backup-20261121120405{number:06}"))
            .await;
    }
    let calls = |operation| shelf.server.calls(operation);
    let before = [
        Operation::GetObject,
        Operation::ListObjects,
        Operation::HeadObject,
    ]
    .map(calls);
    assert_eq!(shelf.list().await.len(), 60);
    let after = [
        Operation::GetObject,
        Operation::ListObjects,
        Operation::HeadObject,
    ]
    .map(calls);
    // A manifest each, and the lease.
    assert_eq!(after[0] - before[0], 61);
    assert_eq!((after[1] - before[1], after[2] - before[2]), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_are_read_many_at_once_and_no_more_than_that() {
    let shelf = Shelf::new();
    for number in 0..80 {
        shelf
            .backup(&format!("backup-20261121120405{number:06}"))
            .await;
    }
    let asked = || shelf.server.calls(Operation::GetObject);
    let before = asked();
    // Behind the question for the lease nothing is answered to its end.
    let stalled = Fault::on(Operation::GetObject, Effect::StallBody(10));
    shelf.server.order(stalled.after(1).always());
    let waiting = async {
        while shelf.server.answering(Operation::GetObject) < 64 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        listed = shelf.list() => panic!("{} are listed", listed.len()),
        () = waiting => (),
    }
    assert_eq!(asked() - before, 65);
}

#[tokio::test]
async fn the_newest_finished_backup_is_found_without_reading_the_others() {
    let shelf = Shelf::new();
    for number in 0..20 {
        shelf
            .backup(&format!("backup-20261121120405{number:06}"))
            .await;
    }
    let newest = "backup-20261121120405000019";
    shelf
        .lay("backup-20261121120406000000/volume-0001.tar.gpg", "x")
        .await;
    let before = shelf.server.calls(Operation::GetObject);
    let found = shelf.catalogue.last_finished(super::now()).await.unwrap();
    assert_eq!(found.unwrap().id.as_str(), newest);
    // Its manifest, and the lease.
    assert_eq!(shelf.server.calls(Operation::GetObject) - before, 2);
}

#[tokio::test]
async fn many_that_were_never_ours_are_not_even_asked_for() {
    let shelf = Shelf::new();
    shelf.backup(ID).await;
    for number in 0..1500 {
        shelf.lay(&format!("a/{number}"), "x").await;
        shelf.lay(&format!("z/{number}"), "x").await;
    }
    let before = shelf.server.calls(Operation::ListObjects);
    assert_eq!(shelf.list().await.len(), 1);
    assert_eq!(shelf.server.calls(Operation::ListObjects) - before, 1);
}
