//! Small objects, names, and reading.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use md5::{Digest as _, Md5};
use synapse_operator::s3::{Bucket, Fetch, S3Error};

use super::scene::{Scene, Shown, yes};
use crate::s3::{fetched, noise, read, refusal};

const ODD: [&str; 8] = [
    "a name with blanks",
    "plus+sign and %20 and 100%",
    "é and ü and \u{65}\u{301}",
    "\u{1F980}/\u{4F60}",
    "&amp;<tag>\"quoted\"'s",
    "colon:semicolon;comma,equals=at@",
    "(parentheses)!*~$",
    "-._",
];

async fn keys(bucket: &Bucket) -> Vec<String> {
    let page = bucket.list("").all(10_000).await.unwrap();
    let keys = page.objects.into_iter().map(|object| object.key);
    keys.collect()
}

fn x() -> Bytes {
    Bytes::from_static(b"x")
}

pub(super) async fn a_small_object_is_written_replaced_and_read(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    let (old, new) = (b"{}".as_slice(), b"{\"a\": 1}".as_slice());
    bucket.put("manifest.json", old.into()).await.unwrap();
    let tag = bucket.put("manifest.json", new.into()).await.unwrap();
    let download = bucket.get("manifest.json").await.unwrap();
    assert_eq!(
        (download.size(), download.etag()),
        (Some(8), tag.as_deref())
    );
    assert_eq!(download.collect(8).await.unwrap(), new);
    let object = bucket.stat("manifest.json").await.unwrap().unwrap();
    assert_eq!((object.size, object.etag), (8, tag));
    let too_large = bucket.get("manifest.json").await.unwrap().collect(7).await;
    assert!(
        matches!(too_large, Err(S3Error::TooLarge { capacity: 7, .. })),
        "{too_large:?}"
    );
    yes()
}

pub(super) async fn an_empty_object_is_an_object(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    bucket.put("empty", Bytes::new()).await.unwrap();
    assert_eq!(bucket.stat("empty").await.unwrap().unwrap().size, 0);
    assert_eq!(read(&bucket, "empty").await.unwrap(), b"");
    let mut fetch = bucket.fetch("empty").await.unwrap();
    assert_eq!(fetched(&mut fetch).await.unwrap(), b"");
    assert_eq!(keys(&bucket).await, ["empty"]);
    yes()
}

pub(super) async fn a_missing_object_is_told_as_such(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    assert_eq!(bucket.stat("missing").await.unwrap(), None);
    let errors = [
        refusal(bucket.get("missing")).await,
        refusal(bucket.fetch("missing")).await,
    ];
    for error in errors {
        assert!(
            matches!(&error, S3Error::NotFound { key } if key == "missing"),
            "{error:?}"
        );
    }
    assert_eq!(bucket.delete(&["missing"]).await.unwrap().deleted, 1);
    yes()
}

pub(super) async fn what_was_written_or_deleted_is_seen_at_once(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    for round in 0..20 {
        let key = format!("backup-{round:02}/manifest.json");
        bucket.put(&key, x()).await.unwrap();
        assert_eq!(keys(&bucket).await, [key.as_str()]);
        assert!(bucket.stat(&key).await.unwrap().is_some());
        assert_eq!(bucket.delete(&[&key]).await.unwrap().failed, []);
        assert_eq!(keys(&bucket).await, [""; 0]);
        assert!(bucket.stat(&key).await.unwrap().is_none());
    }
    yes()
}

pub(super) async fn odd_names_come_back_as_they_were(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[("path", "odd path/é")]);
    let mut bad = Vec::new();
    for key in ODD {
        let written = bucket.put(key, Bytes::from(key)).await;
        let same = match written {
            Ok(_) => read(&bucket, key)
                .await
                .is_ok_and(|text| text == key.as_bytes()),
            Err(_) => false,
        };
        let listed = keys(&bucket).await == [key];
        let gone = bucket
            .delete(&[key])
            .await
            .is_ok_and(|gone| gone.failed.is_empty());
        if !(same && listed && gone && keys(&bucket).await.is_empty()) {
            bad.push(key);
        }
    }
    match bad.is_empty() {
        true => yes(),
        false => format!("not {bad:?}"),
    }
}

pub(super) async fn a_name_of_nine_hundred_bytes_is_taken(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    let key = vec!["segment-of-a-name".repeat(5); 10].join("/");
    match bucket.put(&key, x()).await {
        Ok(_) => {
            assert_eq!(keys(&bucket).await, [key.as_str()]);
            assert_eq!(read(&bucket, &key).await.unwrap(), b"x");
            yes()
        }
        Err(error) => format!("no: {error}"),
    }
}

pub(super) async fn an_object_lies_beside_a_folder_of_its_name(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    bucket.put("a", x()).await.unwrap();
    match bucket.put("a/b", x()).await {
        Ok(_) if keys(&bucket).await == ["a", "a/b"] => yes(),
        Ok(_) => {
            assert_eq!(read(&bucket, "a/b").await.unwrap(), b"x");
            "no: the second is not listed".to_owned()
        }
        Err(S3Error::Refused { status, code, .. }) => format!("{status} {code}"),
        Err(error) => panic!("{error:?}"),
    }
}

pub(super) async fn the_tag_of_a_small_object_is_its_md5(scene: &Scene) -> Shown {
    let tag = scene.bucket(&[]).put("a", x()).await.unwrap();
    let digest: String = Md5::digest(b"x")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    match tag {
        Some(tag) if tag == digest => yes(),
        Some(_) => "another tag".to_owned(),
        None => "no tag".to_owned(),
    }
}

pub(super) async fn an_object_tells_when_it_was_written(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    bucket.put("a", x()).await.unwrap();
    let listed = bucket.list("").all(10).await.unwrap().objects.remove(0);
    let told = bucket.stat("a").await.unwrap().unwrap();
    for modified in [listed.modified, told.modified] {
        let age = Timestamp::now().duration_since(modified.unwrap());
        assert!(age.abs() < SignedDuration::from_mins(1), "{age}");
    }
    yes()
}

pub(super) async fn an_object_read_ahead_comes_back_byte_for_byte(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[("path", "model")]);
    let piece = Fetch::PIECE as usize;
    for length in [1, piece - 1, piece, piece + 1, 5 * piece + 4711] {
        let bytes = noise(length, 5);
        let tag = bucket.put("large", Bytes::from(bytes.clone())).await;
        let mut fetch = bucket.fetch("large").await.unwrap();
        assert_eq!(
            (fetch.size(), fetch.etag()),
            (length as u64, tag.unwrap().as_deref())
        );
        assert!(fetched(&mut fetch).await.unwrap() == bytes, "{length}");
        assert_eq!(fetch.chunk().await.unwrap(), None);
    }
    yes()
}

pub(super) async fn the_first_bytes_are_read_alone(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    let bytes = noise(70_000, 8);
    let tag = bucket.put("a", Bytes::from(bytes.clone())).await.unwrap();
    for asked in [1, 1000, 70_000, 1 << 20] {
        let start = bucket.start("a", asked as u64).await.unwrap();
        assert_eq!((start.size, &start.etag), (70_000, &tag));
        assert!(start.bytes == bytes[..asked.min(70_000)], "{asked}");
    }
    yes()
}

pub(super) async fn an_object_that_is_replaced_under_its_reader_is_told(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    // More than is read ahead.
    let length = 12 * Fetch::PIECE as usize;
    let old = noise(length, 6);
    bucket.put("a", Bytes::from(old.clone())).await.unwrap();
    let mut fetch = bucket.fetch("a").await.unwrap();
    let first = fetch.chunk().await.unwrap().unwrap();
    assert!(old.starts_with(&first));
    let new = Bytes::from(noise(length, 7));
    bucket.put("a", new).await.unwrap();
    let error = fetched(&mut fetch).await.err().unwrap();
    assert!(
        matches!(&error, S3Error::Replaced { key } if key == "a"),
        "{error:?}"
    );
    yes()
}

pub(super) async fn a_path_shuts_the_rest_of_the_bucket_out(scene: &Scene) -> Shown {
    let whole = scene.bucket(&[]);
    let ours = scene.bucket(&[("path", "model")]);
    for key in ["model/ours", "model-b/theirs", "theirs"] {
        whole.put(key, x()).await.unwrap();
    }
    assert_eq!(keys(&ours).await, ["ours"]);
    let location = format!("s3://{}/model/ours", scene.name);
    assert_eq!(ours.location("ours"), location);
    assert_eq!(ours.delete(&["ours", "theirs"]).await.unwrap().deleted, 2);
    assert_eq!(keys(&whole).await, ["model-b/theirs", "theirs"]);
    yes()
}
