//! Where an upload's parts go: the requests of a multipart upload, one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::{
    Builder, ConfigBag, Intercept, RequestChecksumCalculation, RuntimeComponents,
};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ServerSideEncryption,
};
use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::bucket::{Bucket, unquoted};
use super::client::Manner;
use super::error::S3Error;
use super::parts::Digests;

/// How often a part is sent anew when the store tells another digest than ours.
const ALTERED_AGAIN: usize = 1;

/// Where the parts go.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) bucket: Bucket,
    pub(super) key: String,
    pub(super) id: String,
    /// Whether the store was told that each part comes with its CRC32C.
    checked: bool,
    attempts: Attempts,
}

/// A part that the store has confirmed.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) number: usize,
    pub(super) etag: Option<String>,
    pub(super) crc32c: Option<String>,
}

impl Target {
    /// Has the store begin an upload and give it a name.
    pub(super) async fn begin(bucket: &Bucket, key: &str) -> Result<Self, S3Error> {
        Self::begin_as(bucket, key, true).await
    }

    /// The same; `checked` parts come with a checksum, which parts that the store copies have not at every store.
    pub(super) async fn begin_as(
        bucket: &Bucket,
        key: &str,
        checked: bool,
    ) -> Result<Self, S3Error> {
        let task = format!("begin the upload of {key}");
        let call = bucket
            .client()
            .create_multipart_upload()
            .bucket(bucket.name())
            .key(bucket.full(key))
            .set_checksum_algorithm(checked.then_some(ChecksumAlgorithm::Crc32C));
        let sent = call
            .customize()
            .config_override(sums(checked, bucket.manner(Manner::Data, &task)))
            .send()
            .await;
        let answer = sent.map_err(|error| bucket.explain(&task, None, &error))?;
        match answer.upload_id().filter(|id| !id.is_empty()) {
            Some(id) => Ok(Self {
                bucket: bucket.clone(),
                key: key.to_owned(),
                id: id.to_owned(),
                checked,
                attempts: Attempts::default(),
            }),
            None => Err(bucket.scene().not_s3(&task, 200)),
        }
    }

    /// Sends one part, again and again if need be.
    pub(super) async fn send(self, number: usize, bytes: Bytes) -> Result<Sent, S3Error> {
        let task = format!("write part {number} of {}", self.key);
        let content = bytes.clone();
        let digests = spawn_blocking(move || Digests::of(&content)).await;
        let digests = digests.map_err(|_| S3Error::UploadFailed {
            key: self.key.clone(),
        })?;
        for _ in 0..=ALTERED_AGAIN {
            let bucket = &self.bucket;
            let call = bucket
                .client()
                .upload_part()
                .bucket(bucket.name())
                .key(bucket.full(&self.key))
                .upload_id(&self.id);
            let call = call
                .part_number(i32::try_from(number).unwrap_or(i32::MAX))
                .set_checksum_crc32_c(self.checked.then(|| digests.crc32c().to_owned()));
            let call = call.body(ByteStream::from(bytes.clone())).customize();
            let call = call
                .config_override(sums(self.checked, bucket.manner(Manner::Data, &task)))
                .interceptor(self.attempts.clone());
            // TLS guards the bytes on their way, so that they need not be hashed once more for the signature.
            let call = if bucket.is_tls() {
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
            if digests.agree(answer.e_tag(), answer.checksum_crc32_c(), encrypted) {
                let (etag, crc32c) = (answer.e_tag, answer.checksum_crc32_c);
                return Ok(Sent {
                    number,
                    etag,
                    crc32c,
                });
            }
            tracing::warn!(
                key = self.key,
                part = number,
                "store has other bytes than were sent"
            );
        }
        Err(S3Error::PartAltered {
            key: self.key,
            part: number,
        })
    }

    /// How many requests for parts there were.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts.0.load(Ordering::Relaxed)
    }

    /// Has the store put the parts together.
    pub(super) async fn complete(&self, sent: &[Sent]) -> Result<(), S3Error> {
        let bucket = &self.bucket;
        let task = format!("complete the upload of {}", self.key);
        // Checksums are given back all or none: stores that do not know them tell none.
        let checked = sent.iter().all(|sent| sent.crc32c.is_some());
        let parts = sent.iter().map(|sent| {
            CompletedPart::builder()
                .part_number(i32::try_from(sent.number).unwrap_or(i32::MAX))
                .set_e_tag(sent.etag.clone())
                .set_checksum_crc32_c(sent.crc32c.clone().filter(|_| checked))
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

    /// Has the store forget the parts.
    pub(super) async fn abort(&self) -> Result<(), S3Error> {
        self.bucket.abort(&self.key, &self.id).await
    }
}

/// Keeps the SDK from adding checksums of its own choice to an upload that has none.
fn sums(checked: bool, config: Builder) -> Builder {
    match checked {
        true => config,
        false => config.request_checksum_calculation(RequestChecksumCalculation::WhenRequired),
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
