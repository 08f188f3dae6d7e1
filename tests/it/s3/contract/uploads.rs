//! Objects in parts.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use harness::s3::Front;
use synapse_operator::s3::{Bucket, PartPlan, S3Error, Upload};

use super::scene::{Scene, Shown, outcome, refused, yes};
use crate::s3::{MIB, noise, read, upload};

/// An upload by the SDK itself.
struct Raw {
    client: Client,
    bucket: String,
    id: String,
    sent: Vec<CompletedPart>,
}

impl Raw {
    const KEY: &str = "raw";

    async fn begin(scene: &Scene) -> Self {
        let (client, bucket) = (scene.raw(), scene.name.clone());
        let begun = client
            .create_multipart_upload()
            .bucket(&bucket)
            .key(Self::KEY);
        let id = begun.send().await.unwrap().upload_id.unwrap();
        let sent = Vec::new();
        Self {
            client,
            bucket,
            id,
            sent,
        }
    }

    /// Sends the next part, or tells how it was refused.
    async fn part(&mut self, bytes: Vec<u8>) -> Result<(), Shown> {
        let number = i32::try_from(self.sent.len()).unwrap() + 1;
        let call = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(Self::KEY);
        let call = call.upload_id(&self.id).part_number(number);
        let answer = call.body(ByteStream::from(bytes)).send().await;
        let answer = answer.map_err(|error| refused(&error))?;
        let part = CompletedPart::builder().part_number(number);
        self.sent.push(part.set_e_tag(answer.e_tag).build());
        Ok(())
    }

    async fn complete(&self) -> Shown {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.sent.clone()));
        let call = self.client.complete_multipart_upload().bucket(&self.bucket);
        let call = call.key(Self::KEY).upload_id(&self.id);
        let answer = call.multipart_upload(parts.build()).send().await;
        outcome(&answer, "yes")
    }

    async fn abort(&self) {
        let call = self.client.abort_multipart_upload().bucket(&self.bucket);
        call.key(Self::KEY)
            .upload_id(&self.id)
            .send()
            .await
            .unwrap();
    }
}

/// The keys of all open uploads.
async fn open(bucket: &Bucket) -> Vec<String> {
    let open = bucket.open_uploads().await.unwrap();
    open.into_iter().map(|upload| upload.key).collect()
}

async fn stored(bucket: &Bucket, key: &str, bytes: &[u8]) -> usize {
    let upload = upload(bucket, key, bytes).await.unwrap();
    upload.complete().await.unwrap().parts
}

pub(super) async fn an_object_in_parts_comes_back_byte_for_byte(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[("path", "model")]);
    let bytes = noise(17 * MIB + 4711, 1);
    let key = "backup-1/volume-0001.tar.gpg";
    let upload = upload(&bucket, key, &bytes).await.unwrap();
    assert_eq!(upload.written(), bytes.len() as u64);
    let completed = upload.complete().await.unwrap();
    assert_eq!(
        (completed.size, completed.parts, completed.retries),
        (bytes.len() as u64, 4, 0)
    );
    assert!(completed.etag.unwrap().ends_with("-4"));
    assert!(read(&bucket, key).await.unwrap() == bytes);
    assert_eq!(open(&bucket).await, [""; 0]);
    yes()
}

pub(super) async fn an_object_within_one_part_comes_back_byte_for_byte(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    for length in [1, 70_000] {
        let bytes = noise(length, 2);
        assert_eq!(stored(&bucket, "small", &bytes).await, 1);
        assert!(read(&bucket, "small").await.unwrap() == bytes);
    }
    yes()
}

pub(super) async fn an_upload_of_nothing_is_an_empty_object(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    let nothing = upload(&bucket, "empty", b"").await.unwrap();
    match nothing.complete().await {
        Ok(completed) => {
            assert_eq!((completed.size, completed.parts), (0, 1));
            assert_eq!(read(&bucket, "empty").await.unwrap(), b"");
            yes()
        }
        Err(S3Error::Refused { status, code, .. }) => {
            assert_eq!(bucket.stat("empty").await.unwrap(), None);
            format!("{status} {code}")
        }
        Err(error) => panic!("{error:?}"),
    }
}

pub(super) async fn an_object_of_exactly_two_parts_has_no_third(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    let bytes = noise(10 * MIB, 3);
    assert_eq!(stored(&bucket, "even", &bytes).await, 2);
    assert!(read(&bucket, "even").await.unwrap() == bytes);
    yes()
}

pub(super) async fn several_parts_at_a_time_come_back_in_order(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    let bytes = noise(42 * MIB + 1, 9);
    let plan = PartPlan::of_parts(PartPlan::SMALLEST);
    let mut upload = Upload::begin(&bucket, "many", plan, 6).await.unwrap();
    upload.write(&bytes).await.unwrap();
    assert_eq!(upload.complete().await.unwrap().parts, 9);
    assert!(read(&bucket, "many").await.unwrap() == bytes);
    yes()
}

pub(super) async fn an_object_is_replaced_only_when_the_upload_is_complete(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    bucket.put("a", Bytes::from_static(b"old")).await.unwrap();
    let bytes = noise(6 * MIB, 10);
    let upload = upload(&bucket, "a", &bytes).await.unwrap();
    assert_eq!(read(&bucket, "a").await.unwrap(), b"old");
    upload.complete().await.unwrap();
    assert!(read(&bucket, "a").await.unwrap() == bytes);
    yes()
}

pub(super) async fn two_uploads_of_one_name_stand_side_by_side(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    let (one, two) = (noise(11 * MIB, 11), noise(12 * MIB, 12));
    let first = upload(&bucket, "a", &one).await.unwrap();
    let second = upload(&bucket, "a", &two).await.unwrap();
    second.complete().await.unwrap();
    assert!(read(&bucket, "a").await.unwrap() == two);
    match first.complete().await {
        Ok(_) => {
            assert!(read(&bucket, "a").await.unwrap() == one);
            yes()
        }
        Err(S3Error::Refused { code, .. }) if code == "NoSuchUpload" => {
            assert!(read(&bucket, "a").await.unwrap() == two);
            "the second ends the first".to_owned()
        }
        Err(error) => panic!("{error:?}"),
    }
}

pub(super) async fn an_aborted_upload_leaves_nothing(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    let bytes = noise(11 * MIB, 4);
    let upload = upload(&bucket, "given-up", &bytes).await.unwrap();
    upload.abort().await.unwrap();
    assert_eq!(open(&bucket).await, [""; 0]);
    assert_eq!(bucket.stat("given-up").await.unwrap(), None);
    yes()
}

pub(super) async fn a_dropped_upload_is_found_and_aborted(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[("path", "model")]);
    let key = "backup-1/volume-0001.tar.gpg";
    let upload = Upload::begin(&bucket, key, PartPlan::default(), 1).await;
    drop(upload.unwrap());
    let found = match bucket.open_uploads().await {
        Ok(found) => found,
        Err(S3Error::Refused { status: 501, .. } | S3Error::NotS3 { status: 501, .. }) => {
            return "cannot be listed".to_owned();
        }
        Err(error) => panic!("{error:?}"),
    };
    assert_eq!(open(&bucket).await, [key]);
    assert!(found[0].initiated.is_some());
    let other = scene.bucket(&[("path", "other")]);
    assert_eq!(open(&other).await, [""; 0]);
    bucket.abort_upload(&found[0]).await.unwrap();
    bucket.abort_upload(&found[0]).await.unwrap();
    assert_eq!(open(&bucket).await, [""; 0]);
    yes()
}

pub(super) async fn open_uploads_are_found_by_the_beginning_of_a_name(scene: &Scene) -> Shown {
    let raw = Raw::begin(scene).await;
    let list = async |prefix: &str| {
        let call = raw.client.list_multipart_uploads().bucket(&raw.bucket);
        let answer = call.prefix(prefix).send().await;
        answer.map(|answer| answer.uploads().len())
    };
    let shown = match (list("").await, list("ra").await, list(Raw::KEY).await) {
        (Ok(1), Ok(1), Ok(1)) => yes(),
        (Ok(1), Ok(0), Ok(1)) => "whole bucket and exact name only".to_owned(),
        (Ok(0), Ok(0), Ok(1)) => "exact name only".to_owned(),
        (Err(error), _, _) => refused(&error),
        other => panic!("{other:?}"),
    };
    raw.abort().await;
    shown
}

pub(super) async fn an_aborted_upload_takes_no_more_parts(scene: &Scene) -> Shown {
    let mut raw = Raw::begin(scene).await;
    raw.part(noise(5 * MIB, 13)).await.unwrap();
    raw.abort().await;
    match raw.part(noise(1000, 14)).await {
        Ok(()) => "no: 200".to_owned(),
        Err(refused) => format!("yes: {refused}"),
    }
}

pub(super) async fn a_completed_upload_can_be_completed_again(scene: &Scene) -> Shown {
    let mut raw = Raw::begin(scene).await;
    raw.part(noise(1000, 15)).await.unwrap();
    assert_eq!(raw.complete().await, "yes");
    raw.complete().await
}

pub(super) async fn parts_of_uneven_size_are_taken(scene: &Scene) -> Shown {
    let mut raw = Raw::begin(scene).await;
    for mebibytes in [6, 5, 7, 1] {
        if let Err(refused) = raw.part(noise(mebibytes * MIB, 16)).await {
            return refused;
        }
    }
    raw.complete().await
}

pub(super) async fn a_small_part_in_the_middle_is_taken(scene: &Scene) -> Shown {
    let mut raw = Raw::begin(scene).await;
    for length in [5 * MIB, 1000, 1000] {
        if let Err(refused) = raw.part(noise(length, 17)).await {
            return refused;
        }
    }
    raw.complete().await
}

/// The bucket behind a line that is cut after so many bytes of each connection.
fn cut(scene: &Scene, after: usize) -> (Front, Bucket) {
    let front = Front::cutting(after as u64, scene.store.address).unwrap();
    let old = scene.store.address.to_string();
    let endpoint = scene.databag()["endpoint"].replace(&old, &front.address().to_string());
    let bucket = scene.bucket(&[("endpoint", &endpoint)]);
    (front, bucket)
}

pub(super) async fn an_upload_whose_line_is_cut_leaves_no_object(scene: &Scene) -> Shown {
    let whole = scene.bucket(&[]);
    let (_front, bucket) = cut(scene, 3 * MIB);
    let upload = upload(&bucket, "cut", &noise(11 * MIB, 18)).await;
    let error = match upload {
        Ok(upload) => upload.complete().await.err().unwrap(),
        Err(error) => error,
    };
    assert!(matches!(error, S3Error::Interrupted { .. }), "{error:?}");
    assert_eq!(whole.stat("cut").await.unwrap(), None);
    assert_eq!(open(&whole).await, [""; 0]);
    yes()
}

pub(super) async fn a_small_object_whose_line_is_cut_leaves_the_old_one(scene: &Scene) -> Shown {
    let whole = scene.bucket(&[]);
    whole.put("a", Bytes::from_static(b"old")).await.unwrap();
    let (_front, bucket) = cut(scene, 200_000);
    let error = bucket.put("a", noise(MIB, 19).into()).await.err().unwrap();
    assert!(matches!(error, S3Error::Interrupted { .. }), "{error:?}");
    assert_eq!(read(&whole, "a").await.unwrap(), b"old");
    yes()
}

pub(super) async fn parts_are_copied_by_the_store(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[("path", "model")]);
    let bytes = noise(40 * MIB, 20);
    stored(&bucket, "a", &bytes).await;
    let object = bucket.stat("a").await.unwrap().unwrap();
    let head = Bytes::from(noise(5000, 21));
    let tag = object.etag.unwrap();
    let replaced = bucket.replace_head("a", object.size, 1000, head.clone(), &tag);
    let replaced = replaced.await.unwrap();
    let new = [&head, &bytes[1000..]].concat();
    assert!(read(&bucket, "a").await.unwrap() == new);
    assert_eq!(open(&bucket).await, [""; 0]);
    match replaced.copied > 0 {
        true => yes(),
        false => "no: sent again".to_owned(),
    }
}
