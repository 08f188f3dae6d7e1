//! An object on its way out, in parts.
//!
//! Every object goes as a multipart upload, even one that ends within its first part: one way for all sizes is one way
//! to test, and the permission to write is known before the source is opened. Parts are handed to the SDK as bytes in
//! memory with their CRC32C, which the upload had named when it was created; the store's values are given back when it is
//! completed. All stores take this way (streams with trailers they do not). Because some stores confirm a checksum
//! unread, the tag of each part is also held against its MD5, and the object's size is asked for at the end.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ServerSideEncryption,
};
use bytes::Bytes;
use tokio::task::{JoinError, JoinSet, spawn_blocking};

use super::bucket::{Bucket, unquoted};
use super::buffers::Buffers;
use super::client::Manner;
use super::error::S3Error;
use super::parts::{Digests, PartPlan};

/// How often a part is sent anew when the store tells another digest than ours.
const ALTERED_AGAIN: usize = 1;

/// An upload under way, to be completed or aborted.
///
/// Dropping it completes nothing: what was sent stays as an open upload, which [`Bucket::open_uploads`] finds. Its memory
/// is the part's size times one more than the parts in flight.
#[derive(Debug)]
pub struct Upload {
    target: Target,
    plan: PartPlan,
    buffers: Buffers,
    filling: Vec<u8>,
    begun: usize,
    in_flight: usize,
    written: u64,
    sending: JoinSet<Result<Sent, S3Error>>,
    sent: Vec<Sent>,
    failed: bool,
}

/// An object that the store has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// The key, relative to the relation's path.
    pub key: String,
    /// The size in bytes, as sent and as the store tells.
    pub size: u64,
    /// The store's tag, without quotes.
    pub etag: Option<String>,
    /// The number of parts.
    pub parts: usize,
    /// How many requests for parts were sent again.
    pub retries: u32,
}

/// Where the parts go.
#[derive(Debug, Clone)]
struct Target {
    bucket: Bucket,
    key: String,
    id: String,
    attempts: Attempts,
}

/// A part that the store has confirmed.
#[derive(Debug)]
struct Sent {
    number: usize,
    etag: Option<String>,
    crc32c: Option<String>,
}

impl Upload {
    /// Begins an upload with at most `in_flight` parts on their way at a time (at least one).
    pub async fn begin(
        bucket: &Bucket,
        key: &str,
        plan: PartPlan,
        in_flight: usize,
    ) -> Result<Self, S3Error> {
        let call = bucket
            .client()
            .create_multipart_upload()
            .bucket(bucket.name())
            .key(bucket.full(key));
        let call = call.checksum_algorithm(ChecksumAlgorithm::Crc32C);
        let sent = call
            .customize()
            .config_override(Manner::Control.config(bucket.limits()))
            .send()
            .await;
        let task = format!("begin the upload of {key}");
        let answer = sent.map_err(|error| bucket.explain(&task, None, &error))?;
        let Some(id) = answer.upload_id().filter(|id| !id.is_empty()) else {
            return Err(bucket.scene().not_s3(&task, 200));
        };
        let target = Target {
            bucket: bucket.clone(),
            key: key.to_owned(),
            id: id.to_owned(),
            attempts: Attempts::default(),
        };
        let size = usize::try_from(plan.part_size()).unwrap_or(usize::MAX);
        let in_flight = in_flight.max(1);
        let mut buffers = Buffers::new(in_flight + 1, size);
        let filling = buffers.take().await;
        Ok(Self {
            target,
            plan,
            buffers,
            filling,
            begun: 0,
            in_flight,
            written: 0,
            sending: JoinSet::new(),
            sent: Vec::new(),
            failed: false,
        })
    }

    /// Copies bytes into the upload and waits while as many parts are on their way as may be.
    ///
    /// The error of any part sent so far comes out here; after it the upload can only be aborted. Not cancel-safe: after
    /// a call that was dropped half-way it is unknown how much was taken, so the upload must be aborted.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), S3Error> {
        if self.failed {
            return Err(S3Error::UploadFailed {
                key: self.target.key.clone(),
            });
        }
        let outcome = self.take_in(bytes).await;
        self.failed = outcome.is_err();
        outcome
    }

    /// How many bytes have been written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// How many requests for parts were sent again so far.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.target
            .attempts
            .get()
            .saturating_sub(u32::try_from(self.begun).unwrap_or(u32::MAX))
    }

    /// Sends what is left, has the store put the parts together, and checks what came of it.
    ///
    /// On failure the upload is aborted as well as can be; the error is that of the failure.
    pub async fn complete(mut self) -> Result<Completed, S3Error> {
        match self.finish().await {
            Ok(completed) => Ok(completed),
            Err(error) => {
                if let Err(trouble) = self.abort().await {
                    tracing::warn!(error = %trouble, "upload stays open after its failure");
                }
                Err(error)
            }
        }
    }

    /// Gives the upload up; the store forgets its parts.
    pub async fn abort(mut self) -> Result<(), S3Error> {
        self.sending.shutdown().await;
        self.target.abort().await
    }

    async fn take_in(&mut self, mut bytes: &[u8]) -> Result<(), S3Error> {
        let capacity = self.plan.capacity();
        if self.written + bytes.len() as u64 > capacity {
            return Err(S3Error::TooLarge {
                key: self.target.key.clone(),
                capacity,
            });
        }
        let part = usize::try_from(self.plan.part_size()).unwrap_or(usize::MAX);
        while !bytes.is_empty() {
            if self.filling.len() == part {
                self.send_part().await?;
                self.filling = self.buffers.take().await;
            }
            let (now, later) = bytes.split_at(bytes.len().min(part - self.filling.len()));
            self.filling.extend_from_slice(now);
            self.written += now.len() as u64;
            bytes = later;
        }
        Ok(())
    }

    /// Sends what has been filled, once there is room in flight.
    async fn send_part(&mut self) -> Result<(), S3Error> {
        while let Some(ended) = self.sending.try_join_next() {
            self.note(ended)?;
        }
        while self.sending.len() >= self.in_flight {
            let Some(ended) = self.sending.join_next().await else {
                break;
            };
            self.note(ended)?;
        }
        self.begun += 1;
        let bytes = self.buffers.lend(mem::take(&mut self.filling));
        self.sending
            .spawn(self.target.clone().send(self.begun, bytes));
        Ok(())
    }

    fn note(&mut self, ended: Result<Result<Sent, S3Error>, JoinError>) -> Result<(), S3Error> {
        let failed = |_| S3Error::UploadFailed {
            key: self.target.key.clone(),
        };
        let sent = ended.map_err(failed)??;
        self.sent.push(sent);
        Ok(())
    }

    async fn finish(&mut self) -> Result<Completed, S3Error> {
        if self.failed {
            return Err(S3Error::UploadFailed {
                key: self.target.key.clone(),
            });
        }
        if !self.filling.is_empty() || self.begun == 0 {
            self.send_part().await?;
        }
        while let Some(ended) = self.sending.join_next().await {
            self.note(ended)?;
        }
        self.sent.sort_by_key(|sent| sent.number);
        if let Err(error) = self.target.complete(&self.sent).await {
            if !is_doubtful(&error) {
                return Err(error);
            }
            tracing::warn!(key = self.target.key, error = %error, "unsure whether the upload was completed, looking");
            return self.confirmed(Some(error)).await;
        }
        self.confirmed(None).await
    }

    /// Asks for the object and compares its size. `doubt` is why it may not be there.
    async fn confirmed(&self, doubt: Option<S3Error>) -> Result<Completed, S3Error> {
        let found = self.target.bucket.stat(&self.target.key).await;
        let (found, doubt) = match (found, doubt) {
            (Ok(found), doubt) => (found, doubt),
            (Err(_), Some(doubt)) => return Err(doubt),
            (Err(error), None) => return Err(error),
        };
        match found {
            Some(object) if object.size == self.written => Ok(Completed {
                key: self.target.key.clone(),
                size: self.written,
                etag: object.etag,
                parts: self.begun,
                retries: self.retries(),
            }),
            found => Err(doubt.unwrap_or(S3Error::SizeAltered {
                key: self.target.key.clone(),
                expected: self.written,
                found: found.map(|object| object.size),
            })),
        }
    }
}

impl Target {
    async fn send(self, number: usize, bytes: Bytes) -> Result<Sent, S3Error> {
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
                .checksum_crc32_c(digests.crc32c());
            let call = call.body(ByteStream::from(bytes.clone())).customize();
            let call = call
                .config_override(Manner::Data.config(bucket.limits()))
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

    async fn complete(&self, sent: &[Sent]) -> Result<(), S3Error> {
        let bucket = &self.bucket;
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
            .config_override(Manner::Complete.config(bucket.limits()))
            .send()
            .await;
        let task = format!("complete the upload of {}", self.key);
        let answer = sent.map_err(|error| bucket.explain(&task, None, &error))?;
        tracing::debug!(
            key = self.key,
            etag = answer.e_tag().map(unquoted),
            "upload put together"
        );
        Ok(())
    }

    async fn abort(&self) -> Result<(), S3Error> {
        self.bucket.abort(&self.key, &self.id).await
    }
}

/// Whether a completion that failed may have succeeded all the same.
fn is_doubtful(error: &S3Error) -> bool {
    match error {
        S3Error::Refused { status, code, .. } => {
            *status >= 500 || *status == 200 || code == "NoSuchUpload"
        }
        S3Error::NotS3 { status, .. } => *status >= 500 || *status == 200,
        S3Error::TimedOut { .. }
        | S3Error::Interrupted { .. }
        | S3Error::Unreachable { .. }
        | S3Error::Dns { .. }
        | S3Error::Tls { .. } => true,
        S3Error::BucketMissing { .. }
        | S3Error::AccessDenied { .. }
        | S3Error::KeyUnknown { .. }
        | S3Error::SignatureMismatch { .. }
        | S3Error::WrongRegion { .. }
        | S3Error::ClockSkew { .. }
        | S3Error::NotFound { .. }
        | S3Error::Truncated { .. }
        | S3Error::PartAltered { .. }
        | S3Error::SizeAltered { .. }
        | S3Error::TooLarge { .. }
        | S3Error::UploadFailed { .. } => false,
    }
}

/// Counts the requests of an upload's parts, retries included.
#[derive(Debug, Clone, Default)]
struct Attempts(Arc<AtomicU32>);

impl Attempts {
    fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

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
