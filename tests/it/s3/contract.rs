//! What every store must do for us, asked of both.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use harness::s3::{Versitygw, relation_data};
use synapse_operator::s3::{Bucket, Fetch, PartPlan, S3Error, Upload};

use super::{MIB, bucket, fetched, noise, read, refusal, server, upload};

macro_rules! both {
    ($($name:ident)*) => {
        mod embedded {
            $(#[tokio::test]
            async fn $name() {
                let server = super::server();
                super::$name(&server.relation_data(), server.directory()).await;
            })*
        }
        mod versitygw {
            $(#[tokio::test]
            async fn $name() {
                let server = super::Versitygw::start(None).unwrap();
                super::$name(&server.relation_data(), &server.objects()).await;
            })*
        }
    };
}

both! {
    a_bucket_that_is_there_can_be_used
    an_object_in_parts_comes_back_byte_for_byte
    an_object_within_one_part_comes_back_byte_for_byte
    an_object_of_exactly_two_parts_has_no_third
    an_aborted_upload_leaves_nothing
    a_dropped_upload_is_found_and_aborted
    a_small_object_is_written_replaced_and_read
    an_object_read_ahead_comes_back_byte_for_byte
    an_object_that_is_replaced_under_its_reader_is_told
    a_missing_object_is_told_as_such
    more_than_a_thousand_keys_are_listed_and_deleted
    one_level_tells_folders_once
    a_path_shuts_the_rest_of_the_bucket_out
    a_missing_bucket_is_named
    a_wrong_secret_is_told_from_an_unknown_key
}

type Databag = BTreeMap<String, String>;

async fn keys(bucket: &Bucket, prefix: &str) -> Vec<String> {
    bucket
        .list(prefix)
        .all(10_000)
        .await
        .unwrap()
        .objects
        .into_iter()
        .map(|object| object.key)
        .collect()
}

async fn a_bucket_that_is_there_can_be_used(databag: &Databag, _: &Path) {
    bucket(databag, &[]).head().await.unwrap();
    bucket(databag, &[("path", "not/there/yet")])
        .head()
        .await
        .unwrap();
}

async fn an_object_in_parts_comes_back_byte_for_byte(databag: &Databag, _: &Path) {
    let bucket = bucket(databag, &[("path", "model")]);
    let bytes = noise(17 * MIB + 4711, 1);
    let upload = upload(&bucket, "backup-1/volume-0001.tar.gpg", &bytes)
        .await
        .unwrap();
    assert_eq!(upload.written(), bytes.len() as u64);
    let completed = upload.complete().await.unwrap();
    assert_eq!(
        (completed.size, completed.parts, completed.retries),
        (bytes.len() as u64, 4, 0)
    );
    assert!(completed.etag.unwrap().ends_with("-4"));
    assert!(read(&bucket, "backup-1/volume-0001.tar.gpg").await.unwrap() == bytes);
    assert_eq!(bucket.open_uploads().await.unwrap(), []);
}

async fn an_object_within_one_part_comes_back_byte_for_byte(databag: &Databag, _: &Path) {
    let bucket = bucket(databag, &[]);
    for length in [0, 1, 70_000] {
        let bytes = noise(length, 2);
        let completed = upload(&bucket, "small", &bytes)
            .await
            .unwrap()
            .complete()
            .await
            .unwrap();
        assert_eq!((completed.size, completed.parts), (length as u64, 1));
        assert!(read(&bucket, "small").await.unwrap() == bytes);
    }
}

async fn an_object_of_exactly_two_parts_has_no_third(databag: &Databag, _: &Path) {
    let bucket = bucket(databag, &[]);
    let bytes = noise(10 * MIB, 3);
    let completed = upload(&bucket, "even", &bytes)
        .await
        .unwrap()
        .complete()
        .await
        .unwrap();
    assert_eq!(completed.parts, 2);
    assert!(read(&bucket, "even").await.unwrap() == bytes);
}

async fn an_aborted_upload_leaves_nothing(databag: &Databag, _: &Path) {
    let bucket = bucket(databag, &[]);
    upload(&bucket, "given-up", &noise(11 * MIB, 4))
        .await
        .unwrap()
        .abort()
        .await
        .unwrap();
    assert_eq!(bucket.open_uploads().await.unwrap(), []);
    assert_eq!(bucket.stat("given-up").await.unwrap(), None);
}

async fn a_dropped_upload_is_found_and_aborted(databag: &Databag, _: &Path) {
    let bucket = bucket(databag, &[("path", "model")]);
    let upload = Upload::begin(
        &bucket,
        "backup-1/volume-0001.tar.gpg",
        PartPlan::default(),
        1,
    )
    .await
    .unwrap();
    drop(upload);
    let open = bucket.open_uploads().await.unwrap();
    assert_eq!(
        open.iter()
            .map(|upload| upload.key.as_str())
            .collect::<Vec<_>>(),
        ["backup-1/volume-0001.tar.gpg"]
    );
    assert!(open[0].initiated.is_some());
    assert_eq!(
        super::bucket(databag, &[("path", "other")])
            .open_uploads()
            .await
            .unwrap(),
        []
    );
    bucket.abort_upload(&open[0]).await.unwrap();
    bucket.abort_upload(&open[0]).await.unwrap();
    assert_eq!(bucket.open_uploads().await.unwrap(), []);
}

async fn a_small_object_is_written_replaced_and_read(databag: &Databag, _: &Path) {
    let bucket = bucket(databag, &[]);
    bucket
        .put("manifest.json", Bytes::from_static(b"{}"))
        .await
        .unwrap();
    let tag = bucket
        .put("manifest.json", Bytes::from_static(b"{\"a\": 1}"))
        .await
        .unwrap();
    let download = bucket.get("manifest.json").await.unwrap();
    assert_eq!(
        (download.size(), download.etag()),
        (Some(8), tag.as_deref())
    );
    assert_eq!(download.collect(8).await.unwrap(), b"{\"a\": 1}");
    let object = bucket.stat("manifest.json").await.unwrap().unwrap();
    assert_eq!((object.size, object.etag), (8, tag));
    let too_large = bucket.get("manifest.json").await.unwrap().collect(7).await;
    assert!(
        matches!(too_large, Err(S3Error::TooLarge { capacity: 7, .. })),
        "{too_large:?}"
    );
}

async fn an_object_read_ahead_comes_back_byte_for_byte(databag: &Databag, _: &Path) {
    let bucket = bucket(databag, &[("path", "model")]);
    let piece = Fetch::PIECE as usize;
    for length in [0, 1, piece - 1, piece, piece + 1, 5 * piece + 4711] {
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
}

async fn an_object_that_is_replaced_under_its_reader_is_told(databag: &Databag, _: &Path) {
    let bucket = bucket(databag, &[]);
    let length = 6 * Fetch::PIECE as usize;
    let old = noise(length, 6);
    bucket.put("a", Bytes::from(old.clone())).await.unwrap();
    let mut fetch = bucket.fetch("a").await.unwrap();
    let first = fetch.chunk().await.unwrap().unwrap();
    assert!(old.starts_with(&first));
    bucket
        .put("a", Bytes::from(noise(length, 7)))
        .await
        .unwrap();
    let error = refusal(fetched(&mut fetch)).await;
    assert!(
        matches!(&error, S3Error::Replaced { key } if key == "a"),
        "{error:?}"
    );
}

async fn a_missing_object_is_told_as_such(databag: &Databag, _: &Path) {
    let bucket = bucket(databag, &[]);
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
}

async fn more_than_a_thousand_keys_are_listed_and_deleted(databag: &Databag, objects: &Path) {
    let bucket = bucket(databag, &[("path", "many")]);
    let names: Vec<String> = (0..1005)
        .map(|number| format!("backup-{number:04}/manifest.json"))
        .collect();
    // Both stores keep objects as plain files, and a thousand requests take their time.
    for name in &names {
        let file = objects.join(&databag["bucket"]).join("many").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "{}").unwrap();
    }
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
}

async fn one_level_tells_folders_once(databag: &Databag, _: &Path) {
    let bucket = bucket(databag, &[]);
    for key in ["a/1", "a/2", "b", "c/d/e"] {
        bucket.put(key, Bytes::from_static(b"x")).await.unwrap();
    }
    let page = bucket.list_level("").all(10).await.unwrap();
    assert_eq!(page.folders, ["a", "c"]);
    assert_eq!(
        page.objects
            .iter()
            .map(|object| object.key.as_str())
            .collect::<Vec<_>>(),
        ["b"]
    );
    assert_eq!(
        bucket.list_level("c/").all(10).await.unwrap().folders,
        ["c/d"]
    );
    assert!(bucket.list("").all(3).await.is_err());
}

async fn a_path_shuts_the_rest_of_the_bucket_out(databag: &Databag, _: &Path) {
    let whole = bucket(databag, &[]);
    let ours = bucket(databag, &[("path", "model")]);
    for key in ["model/ours", "model-b/theirs", "theirs"] {
        whole.put(key, Bytes::from_static(b"x")).await.unwrap();
    }
    assert_eq!(keys(&ours, "").await, ["ours"]);
    assert_eq!(
        ours.location("ours"),
        format!("s3://{}/model/ours", databag["bucket"])
    );
    assert_eq!(ours.delete(&["ours", "theirs"]).await.unwrap().deleted, 2);
    assert_eq!(keys(&whole, "").await, ["model-b/theirs", "theirs"]);
}

async fn a_missing_bucket_is_named(databag: &Databag, _: &Path) {
    let bucket = bucket(databag, &[("bucket", "nowhere")]);
    let errors = [
        refusal(bucket.head()).await,
        refusal(bucket.list("").all(1)).await,
        refusal(bucket.put("a", Bytes::new())).await,
        refusal(Upload::begin(&bucket, "a", PartPlan::default(), 1)).await,
        refusal(bucket.delete(&["a"])).await,
    ];
    for error in errors {
        assert!(
            matches!(&error, S3Error::BucketMissing { bucket, .. } if bucket == "nowhere"),
            "{error:?}"
        );
    }
}

async fn a_wrong_secret_is_told_from_an_unknown_key(databag: &Databag, _: &Path) {
    let error = refusal(bucket(databag, &[("secret-key", "not-the-key")]).head()).await;
    assert!(
        matches!(error, S3Error::SignatureMismatch { .. }),
        "{error:?}"
    );
    let error = refusal(bucket(databag, &[("access-key", "nobody")]).head()).await;
    assert!(matches!(error, S3Error::KeyUnknown { .. }), "{error:?}");
}

#[tokio::test]
async fn the_program_for_the_demo_serves_a_bucket_that_one_can_look_into() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    fs::write(&secret, "the-secret-key\n").unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_s3-server"))
        .args([
            "--port",
            "0",
            "--access-key",
            "the-access-key",
            "--bucket",
            "backups",
        ])
        .arg("--dir")
        .arg(directory.path().join("store"))
        .arg("--secret-key-file")
        .arg(&secret)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut endpoint = String::new();
    BufReader::new(program.stdout.take().unwrap())
        .read_line(&mut endpoint)
        .unwrap();
    let databag = relation_data(
        endpoint.trim(),
        "the-access-key",
        "the-secret-key",
        "backups",
    );
    let bucket = bucket(&databag, &[("path", "model")]);
    let outcome = bucket
        .put("backup-1/manifest.json", Bytes::from_static(b"{}"))
        .await;
    program.kill().unwrap();
    program.wait().unwrap();
    outcome.unwrap();
    let file = directory
        .path()
        .join("store/backups/model/backup-1/manifest.json");
    assert_eq!(fs::read(file).unwrap(), b"{}");
}
