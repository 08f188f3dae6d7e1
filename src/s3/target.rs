//! Where an upload's parts go: the requests of a multipart upload, one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, ServerSideEncryption, StorageClass,
};
use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::bucket::{Bucket, unquoted};
use super::checksum::Sum;
use super::client::Manner;
use super::error::S3Error;
use super::parts::Digests;
use super::write::only;

/// How often a part is sent anew when the store tells another digest than ours.
const ALTERED_AGAIN: usize = 1;

/// Where the parts go.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) bucket: Bucket,
    pub(super) key: String,
    pub(super) id: String,
    /// What each part comes with, which the store was told when it is a checksum of S3's.
    sum: Sum,
    /// Whether the store is known to look at that, so that tags need not be looked at.
    pub(super) scrutinised: bool,
    /// The key of the note that tells of the upload.
    note: Option<String>,
    attempts: Attempts,
}

/// What an upload is begun with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    /// Whether parts are copied by the store, which have no checksum at every store.
    pub(super) copied: bool,
    /// The class to store the object in.
    pub(super) class: Option<&'a str>,
}

/// A part that the store has confirmed.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) number: usize,
    pub(super) etag: Option<String>,
    /// The store's checksum of it.
    pub(super) sum: Option<String>,
}

impl Target {
    /// Has the store begin an upload and give it a name; notes it.
    pub(super) async fn begin(
        bucket: &Bucket,
        key: &str,
        terms: Terms<'_>,
    ) -> Result<Self, S3Error> {
        loop {
            let mut search = bucket.search();
            if terms.copied {
                search.sum = Sum::Md5;
            }
            let id = loop {
                match create(bucket, key, search.sum, terms.class).await {
                    Ok(id) => break id,
                    Err(error) => search.refused(error)?,
                }
            };
            let sum = search.sum;
            search.taken();
            let mut target = Self {
                bucket: bucket.clone(),
                key: key.to_owned(),
                id,
                sum,
                scrutinised: false,
                note: None,
                attempts: Attempts::default(),
            };
            target.note = bucket.note_upload(key, &target.id).await;
            if terms.copied || bucket.sum() == sum {
                return Ok(target);
            }
            // Writing the note has shown that the store wants something else. Each kind is learnt once, so this ends.
            target.abort().await?;
        }
    }

    /// Sends one part, again and again if need be.
    pub(super) async fn send(self, number: usize, bytes: Bytes) -> Result<Sent, S3Error> {
        let mut search = self.bucket.search();
        search.sum = self.sum;
        let mut altered = 0;
        loop {
            match self.send_once(number, &bytes, search.sum).await {
                Ok(Some(sent)) if sent.etag.is_some() => {
                    search.taken();
                    return Ok(sent);
                }
                // Without its tag a part cannot be named when all are put together.
                Ok(other) => {
                    let (key, part) = (self.key.clone(), number);
                    let (error, why) = match other {
                        Some(_) => (S3Error::Untagged { key, part }, "the store gave it no tag"),
                        None => (
                            S3Error::PartAltered { key, part },
                            "the store has other bytes than were sent",
                        ),
                    };
                    altered += 1;
                    if altered > ALTERED_AGAIN {
                        return Err(error);
                    }
                    let task = format!("write part {number} of {}", self.key);
                    self.bucket
                        .shared()
                        .retries
                        .tell(&task, why, Duration::ZERO);
                }
                Err(error) => search.refused_clearly(error)?,
            }
        }
    }

    /// Sends one part; nothing when the store tells of other bytes than were sent.
    async fn send_once(
        &self,
        number: usize,
        bytes: &Bytes,
        sum: Sum,
    ) -> Result<Option<Sent>, S3Error> {
        let task = format!("write part {number} of {}", self.key);
        let content = bytes.clone();
        // Where the store has to be asked for another kind than it was tried out with, it counts as one that does not look.
        let digest = match self.scrutinised && sum == self.sum {
            true => Digests::summed,
            false => Digests::of,
        };
        let digests = spawn_blocking(move || digest(&content, sum)).await;
        let digests = digests.map_err(|_| S3Error::UploadFailed {
            key: self.key.clone(),
        })?;
        let bucket = &self.bucket;
        let call = bucket
            .client()
            .upload_part()
            .bucket(bucket.name())
            .key(bucket.full(&self.key))
            .upload_id(&self.id);
        let call = call
            .part_number(i32::try_from(number).unwrap_or(i32::MAX))
            .set_checksum_crc32_c(digests.value(Sum::Crc32c))
            .set_checksum_crc64_nvme(digests.value(Sum::Crc64Nvme))
            .set_content_md5(digests.content_md5());
        let call = call.body(ByteStream::from(bytes.clone())).customize();
        let manner = bucket.manner(Manner::Part(bytes.len() as u64), &task);
        let call = call
            .config_override(only(sum, manner))
            .interceptor(self.attempts.clone());
        // TLS guards the bytes on their way, so that they need not be hashed once more for the signature. But what has no
        // checksum is signed: there are stores that keep the half of a body that was cut.
        let call = if bucket.is_tls() && sum != Sum::None {
            call.disable_payload_signing()
        } else {
            call
        };
        let answer = call
            .send()
            .await
            .map_err(|error| bucket.explain(&task, None, &error))?;
        let encrypted = answer
            .server_side_encryption()
            .is_some_and(|kind| *kind != ServerSideEncryption::Aes256)
            || answer.sse_customer_algorithm().is_some();
        let told = match sum {
            Sum::Crc32c => answer.checksum_crc32_c.clone(),
            Sum::Crc64Nvme => answer.checksum_crc64_nvme.clone(),
            Sum::Md5 | Sum::None => None,
        };
        if !digests.agree(answer.e_tag(), told.as_deref(), encrypted) {
            return Ok(None);
        }
        Ok(Some(Sent {
            number,
            etag: answer.e_tag,
            // What the upload was not begun with is not given back.
            sum: told.filter(|_| sum == self.sum),
        }))
    }

    /// What each part comes with.
    pub(super) fn sum(&self) -> Sum {
        self.sum
    }

    /// How many requests for parts there were.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts.0.load(Ordering::Relaxed)
    }

    /// Has the store put the parts together.
    pub(super) async fn complete(&self, sent: &[Sent]) -> Result<(), S3Error> {
        // Checksums are given back all or none: stores that do not know them tell none.
        let summed = self.sum.algorithm().is_some() && sent.iter().all(|sent| sent.sum.is_some());
        match self.complete_with(sent, summed).await {
            Err(error) if summed && is_about_sums(&error) => {
                // Each part was confirmed by itself.
                tracing::info!(key = self.key, %error, "the store takes no checksums back, putting together without");
                let bare = self.complete_with(sent, false).await;
                bare.map_err(|_| error)
            }
            done => done,
        }
    }

    async fn complete_with(&self, sent: &[Sent], summed: bool) -> Result<(), S3Error> {
        let bucket = &self.bucket;
        let task = format!("complete the upload of {}", self.key);
        let parts = sent.iter().map(|sent| {
            let sum = |kind| sent.sum.clone().filter(|_| summed && self.sum == kind);
            CompletedPart::builder()
                .part_number(i32::try_from(sent.number).unwrap_or(i32::MAX))
                .set_e_tag(sent.etag.clone())
                .set_checksum_crc32_c(sum(Sum::Crc32c))
                .set_checksum_crc64_nvme(sum(Sum::Crc64Nvme))
                .build()
        });
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts.collect()))
            .build();
        let call = bucket
            .client()
            .complete_multipart_upload()
            .bucket(bucket.name())
            .key(bucket.full(&self.key));
        let call = call.upload_id(&self.id).multipart_upload(parts);
        let sent = call
            .customize()
            .config_override(bucket.manner(Manner::Complete, &task))
            .send()
            .await;
        let answer = sent.map_err(|error| bucket.explain(&task, None, &error))?;
        tracing::debug!(
            key = self.key,
            etag = answer.e_tag().map(unquoted),
            "upload put together"
        );
        Ok(())
    }

    /// Has the store forget the parts, and with them the note.
    pub(super) async fn abort(&self) -> Result<(), S3Error> {
        self.bucket.abort(&self.key, &self.id).await?;
        self.settle().await;
        Ok(())
    }

    /// Takes the note back: the upload is over.
    pub(super) async fn settle(&self) {
        if let Some(note) = &self.note {
            self.bucket.forget_upload(note).await;
        }
    }
}

/// Has the store begin an upload; gives its name.
async fn create(
    bucket: &Bucket,
    key: &str,
    sum: Sum,
    class: Option<&str>,
) -> Result<String, S3Error> {
    let task = format!("begin the upload of {key}");
    let call = bucket
        .client()
        .create_multipart_upload()
        .bucket(bucket.name())
        .key(bucket.full(key))
        .set_storage_class(class.map(StorageClass::from))
        .set_checksum_algorithm(sum.algorithm());
    let sent = call
        .customize()
        .config_override(only(sum, bucket.manner(Manner::Data, &task)))
        .send()
        .await;
    let answer = sent.map_err(|error| bucket.explain(&task, None, &error))?;
    let id = answer.upload_id.filter(|id| !id.is_empty());
    id.ok_or_else(|| bucket.scene().not_s3(&task, 200))
}

/// Whether a completion may have been refused for the checksums that were given back.
fn is_about_sums(error: &S3Error) -> bool {
    match error {
        S3Error::Refused { status, code, .. } => {
            matches!(status, 400 | 501)
                && matches!(
                    &**code,
                    "InvalidPart"
                        | "InvalidDigest"
                        | "InvalidRequest"
                        | "InvalidArgument"
                        | "MalformedXML"
                        | "NotImplemented"
                        | "BadDigest"
                )
        }
        _ => false,
    }
}

/// Whether a completion that failed may have succeeded all the same.
pub(super) fn is_doubtful(error: &S3Error) -> bool {
    match error {
        S3Error::Refused { status, code, .. } => {
            *status >= 500 || *status == 200 || code == "NoSuchUpload"
        }
        S3Error::NotS3 { status, .. } => *status >= 500 || *status == 200,
        S3Error::TimedOut { .. }
        | S3Error::Interrupted { .. }
        | S3Error::Endless { .. }
        | S3Error::Unreachable { .. }
        | S3Error::Dns { .. }
        | S3Error::Tls { .. } => true,
        S3Error::BucketMissing { .. }
        | S3Error::AccessDenied { .. }
        | S3Error::KeyUnknown { .. }
        | S3Error::SignatureMismatch { .. }
        | S3Error::WrongRegion { .. }
        | S3Error::Redirected { .. }
        | S3Error::ClockSkew { .. }
        | S3Error::NotFound { .. }
        | S3Error::Truncated { .. }
        | S3Error::Replaced { .. }
        | S3Error::RangeAltered { .. }
        | S3Error::PartAltered { .. }
        | S3Error::Untagged { .. }
        | S3Error::SizeAltered { .. }
        | S3Error::TooLarge { .. }
        | S3Error::UploadFailed { .. } => false,
    }
}

/// Counts the requests of an upload's parts, retries included.
#[derive(Debug, Clone, Default)]
struct Attempts(Arc<AtomicU32>);

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "count the attempts"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
