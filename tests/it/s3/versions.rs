//! Stores that know only the first version of listings, and those whose tags have no quotes.

use bytes::Bytes;
use harness::s3::{Operation, Options, Quirk, Server};
use synapse_operator::s3::{Bucket, Condition};

use super::{MIB, bucket, fetched, noise, read, upload};

async fn shelf(quirks: Vec<Quirk>) -> (Server, Bucket) {
    let server = Server::start(Options {
        quirks,
        ..Options::default()
    })
    .unwrap();
    let bucket = bucket(&server.relation_data(), &[("path", "prod")]);
    for key in ["a/1", "a/2", "a/3", "b", "c/1", "c/2", "d"] {
        bucket.put(key, Bytes::from_static(b"x")).await.unwrap();
    }
    (server, bucket)
}

#[tokio::test]
async fn a_store_that_knows_the_first_version_of_listings_only_is_listed_in_it() {
    for quirks in [
        vec![Quirk::NoListV2],
        vec![Quirk::NoListV2, Quirk::SmallPages(2)],
        vec![Quirk::ListTypeIgnored, Quirk::SmallPages(2)],
    ] {
        let (server, bucket) = shelf(quirks.clone()).await;
        bucket.head().await.unwrap();
        let all = bucket.list("").all(100).await.unwrap().objects;
        let keys: Vec<&str> = all.iter().map(|object| &*object.key).collect();
        assert_eq!(
            keys,
            ["a/1", "a/2", "a/3", "b", "c/1", "c/2", "d"],
            "{quirks:?}"
        );
        let level = bucket.list_level("").all(100).await.unwrap();
        let keys: Vec<&str> = level.objects.iter().map(|object| &*object.key).collect();
        assert_eq!(
            (keys, level.folders),
            (vec!["b", "d"], vec!["a".to_owned(), "c".to_owned()])
        );
        assert!(bucket.ways().list_v1.is_some(), "{quirks:?}");
        assert!(
            bucket
                .notices()
                .iter()
                .any(|text| text.contains("version 1"))
        );
        let before = server.calls(Operation::ListObjects);
        bucket.list("a/").all(100).await.unwrap();
        assert_eq!(
            server.calls(Operation::ListObjects),
            before,
            "learnt once: {quirks:?}"
        );
    }
}

#[tokio::test]
async fn a_store_that_knows_the_second_version_is_never_asked_in_the_first() {
    let (server, bucket) = shelf(vec![Quirk::SmallPages(2)]).await;
    assert_eq!(bucket.list("").all(100).await.unwrap().objects.len(), 7);
    assert_eq!(server.calls(Operation::ListObjectsV1), 0);
    assert_eq!(bucket.ways().list_v1, None);
}

#[tokio::test]
async fn tags_without_quotes_are_tags_all_the_same() {
    let (_server, bucket) = shelf(vec![Quirk::UnquotedTags]).await;
    let bytes = noise(6 * MIB, 1);
    let sent = upload(&bucket, "large", &bytes).await.unwrap();
    let completed = sent.complete().await.unwrap();
    assert_eq!(completed.retries, 0);
    assert!(read(&bucket, "large").await.unwrap() == bytes);
    let mut fetch = bucket.fetch("large").await.unwrap();
    assert!(fetched(&mut fetch).await.unwrap() == bytes);
    let tag = bucket
        .put("b", Bytes::from_static(b"y"))
        .await
        .unwrap()
        .unwrap();
    let tagged = Condition::Tagged(tag);
    bucket
        .put_if("b", Bytes::from_static(b"z"), &tagged)
        .await
        .unwrap();
    assert_eq!(read(&bucket, "b").await.unwrap(), b"z");
}
