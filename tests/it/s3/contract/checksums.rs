//! Digests that stores check or pass over, and what else they may be asked to do with an object.

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumMode, ServerSideEncryption, StorageClass};
use bytes::Bytes;

use super::scene::{Scene, Shown, outcome};
use crate::s3::read;

const BODY: &[u8] = b"123456789";
/// The right CRC32C of other bytes.
const WRONG_CRC32C: &str = "AAAAAA==";
const WRONG_CRC64NVME: &str = "AAAAAAAAAAA=";
const WRONG_MD5: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

/// Writes an object in a way of its own.
async fn put(
    scene: &Scene,
    ask: impl FnOnce(PutObjectFluentBuilder) -> PutObjectFluentBuilder,
    well: &str,
) -> Shown {
    let call = scene.raw().put_object().bucket(&scene.name).key("a");
    let answer = ask(call.body(ByteStream::from_static(BODY))).send().await;
    outcome(&answer, well)
}

/// Shows how a wrong digest was refused, and that it left nothing.
async fn wrong(
    scene: &Scene,
    ask: impl FnOnce(PutObjectFluentBuilder) -> PutObjectFluentBuilder,
) -> Shown {
    let bucket = scene.bucket(&[]);
    match put(scene, ask, "no: stored").await {
        stored if stored.starts_with("no") => {
            assert_eq!(read(&bucket, "a").await.unwrap(), BODY);
            stored
        }
        refused => {
            assert_eq!(bucket.stat("a").await.unwrap(), None);
            format!("yes: {refused}")
        }
    }
}

pub(super) async fn a_wrong_crc32c_is_refused(scene: &Scene) -> Shown {
    wrong(scene, |call| call.checksum_crc32_c(WRONG_CRC32C)).await
}

pub(super) async fn a_wrong_crc64nvme_is_refused(scene: &Scene) -> Shown {
    wrong(scene, |call| call.checksum_crc64_nvme(WRONG_CRC64NVME)).await
}

pub(super) async fn a_wrong_content_md5_is_refused(scene: &Scene) -> Shown {
    wrong(scene, |call| call.content_md5(WRONG_MD5)).await
}

pub(super) async fn a_checksum_is_kept_and_told(scene: &Scene) -> Shown {
    let bucket = scene.bucket(&[]);
    bucket.put("a", Bytes::from_static(BODY)).await.unwrap();
    let call = scene.raw().head_object().bucket(&scene.name).key("a");
    let told = call.checksum_mode(ChecksumMode::Enabled).send().await;
    match told.unwrap().checksum_crc32_c() {
        Some(sum) => {
            assert_eq!(sum, "4waSgw==");
            "yes".to_owned()
        }
        None => "no".to_owned(),
    }
}

pub(super) async fn a_storage_class_is_taken(scene: &Scene) -> Shown {
    let class = StorageClass::StandardIa;
    let shown = put(scene, |call| call.storage_class(class), "yes").await;
    if shown != "yes" {
        return shown;
    }
    let call = scene.raw().head_object().bucket(&scene.name).key("a");
    match call.send().await.unwrap().storage_class() {
        Some(StorageClass::StandardIa) => shown,
        _ => "passed over".to_owned(),
    }
}

pub(super) async fn tags_are_taken(scene: &Scene) -> Shown {
    let shown = put(scene, |call| call.tagging("kind=backup"), "yes").await;
    if shown != "yes" {
        return shown;
    }
    let call = scene
        .raw()
        .get_object_tagging()
        .bucket(&scene.name)
        .key("a");
    match call.send().await {
        Ok(answer) if answer.tag_set().len() == 1 => shown,
        _ => "passed over".to_owned(),
    }
}

pub(super) async fn encryption_by_the_store_is_taken(scene: &Scene) -> Shown {
    let kind = ServerSideEncryption::Aes256;
    let shown = put(scene, |call| call.server_side_encryption(kind), "yes").await;
    if shown != "yes" {
        return shown;
    }
    let call = scene.raw().head_object().bucket(&scene.name).key("a");
    match call.send().await.unwrap().server_side_encryption() {
        Some(ServerSideEncryption::Aes256) => shown,
        _ => "passed over".to_owned(),
    }
}
