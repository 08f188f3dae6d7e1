//! How often a listing asks the store.

use harness::s3::Operation;

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
