//! Listings.

use bytes::Bytes;
use synapse_operator::s3::Bucket;
use tokio::task::JoinSet;

use super::scene::{Scene, Shown, yes};

/// Small objects written at a time.
const AT_ONCE: usize = 16;

async fn fill(bucket: &Bucket, keys: impl IntoIterator<Item = String>) {
    let mut writing = JoinSet::new();
    for key in keys {
        if writing.len() == AT_ONCE {
            writing.join_next().await.unwrap().unwrap();
        }
        let bucket = bucket.clone();
        writing.spawn(async move {
            bucket.put(&key, Bytes::from_static(b"{}")).await.unwrap();
        });
    }
    writing.join_all().await;
}

async fn keys(bucket: &Bucket, prefix: &str) -> Vec<String> {
    let page = bucket.list(prefix).all(10_000).await.unwrap();
    let keys = page.objects.into_iter().map(|object| object.key);
    keys.collect()
}

pub(super) async fn a_bucket_that_is_there_can_be_used(scene: &Scene) -> Shown {
    scene.bucket(&[]).head().await.unwrap();
    let below = scene.bucket(&[("path", "not/there/yet")]);
    below.head().await.unwrap();
    assert_eq!(keys(&below, "").await, [""; 0]);
    yes()
}

pub(super) async fn more_than_a_thousand_keys_are_listed_and_deleted(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[("path", "many")]);
    let names = (0..1005).map(|number| format!("backup-{number:04}/manifest.json"));
    let names: Vec<String> = names.collect();
    fill(&bucket, names.clone()).await;
    assert_eq!(keys(&bucket, "").await, names);
    assert_eq!(keys(&bucket, "backup-100").await, &names[1000..]);
    let folders = bucket.list_level("").all(10_000).await.unwrap().folders;
    assert_eq!(
        (folders.len(), folders.last().unwrap().as_str()),
        (1005, "backup-1004")
    );
    let mut doomed = names[5..].to_vec();
    doomed.push("never/there".to_owned());
    let deletion = bucket.delete(&doomed).await.unwrap();
    assert_eq!((deletion.deleted, deletion.failed), (1001, vec![]));
    assert_eq!(keys(&bucket, "").await, &names[..5]);
    let none: [&str; 0] = [];
    assert_eq!(bucket.delete(&none).await.unwrap().deleted, 0);
    yes()
}

pub(super) async fn keys_come_in_the_order_of_their_bytes(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    let sorted = [
        "A",
        "B",
        "a",
        "a-b",
        "a.b",
        "b",
        "é",
        "\u{FFFD}",
        "\u{1F980}",
    ];
    fill(&bucket, sorted.iter().rev().map(|&key| key.to_owned())).await;
    let listed = keys(&bucket, "").await;
    match listed == sorted {
        true => yes(),
        false => {
            let mut same = listed.clone();
            same.sort();
            assert_eq!(same, sorted);
            format!("no: {}", listed.join(" "))
        }
    }
}

pub(super) async fn one_level_tells_folders_once(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    let all = ["a/1", "a/2", "b", "c/d/e"];
    fill(&bucket, all.map(str::to_owned)).await;
    let page = bucket.list_level("").all(10).await.unwrap();
    assert_eq!(page.folders, ["a", "c"]);
    assert_eq!((page.objects.len(), page.objects[0].key.as_str()), (1, "b"));
    let below = bucket.list_level("c/").all(10).await.unwrap();
    assert_eq!(below.folders, ["c/d"]);
    assert!(bucket.list("").all(3).await.is_err());
    yes()
}

pub(super) async fn a_prefix_ends_anywhere_in_a_name(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[("path", "model")]);
    let all = ["backup-1/a", "backup-1/b", "backup-10/a", "other"];
    fill(&bucket, all.map(str::to_owned)).await;
    assert_eq!(keys(&bucket, "backup-1/").await, all[..2]);
    assert_eq!(keys(&bucket, "backup-1").await, all[..3]);
    assert_eq!(keys(&bucket, "backup-1/a").await, all[..1]);
    assert_eq!(keys(&bucket, "backup-2").await, [""; 0]);
    yes()
}
