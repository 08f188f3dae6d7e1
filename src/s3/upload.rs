//! An object on its way out, in parts.
//!
//! Every object goes as a multipart upload, even one that ends within its first part: one way for all sizes is one way
//! to test, and the permission to write is known before the source is opened. Parts are handed to the SDK as bytes in
//! memory with their CRC32C, which the upload had named when it was created; the store's values are given back when it is
//! completed. All stores take this way (streams with trailers they do not). Because some stores confirm a checksum
//! unread, the tag of each part is also held against its MD5, unless the store has shown that it looks at checksums; and the
//! object's size is asked for at the end.

use std::mem;

use tokio::task::{JoinError, JoinSet};

use super::bucket::{Bucket, Object};
use super::buffers::Buffers;
use super::client::Manner;
use super::error::S3Error;
use super::parts::PartPlan;
use super::target::{Sent, Target, Terms, is_doubtful};

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
    /// The tag of the object whose place it is to take.
    replaced: Option<String>,
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

impl Upload {
    /// Begins an upload with at most `in_flight` parts on their way at a time (at least one).
    pub async fn begin(
        bucket: &Bucket,
        key: &str,
        plan: PartPlan,
        in_flight: usize,
    ) -> Result<Self, S3Error> {
        Self::begin_in_class(bucket, key, plan, in_flight, None).await
    }

    /// The same, for an object that is to be stored in a class; without one it is the store's choice.
    pub async fn begin_in_class(
        bucket: &Bucket,
        key: &str,
        plan: PartPlan,
        in_flight: usize,
        class: Option<&str>,
    ) -> Result<Self, S3Error> {
        let terms = Terms {
            copied: false,
            class,
        };
        let target = Target::begin(bucket, key, terms).await?;
        let size = usize::try_from(plan.part_size()).unwrap_or(usize::MAX);
        let in_flight = plan.in_flight(in_flight);
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
            replaced: None,
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

    /// Names the tag of the object whose place it is to take, which would otherwise be taken for it when an answer is lost.
    #[must_use]
    pub fn in_place_of(self, tag: &str) -> Self {
        let replaced = Some(tag.to_owned());
        Self { replaced, ..self }
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
            .attempts()
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
                if self.begun == 0 {
                    let Target { bucket, key, .. } = &self.target;
                    self.target.scrutinised = bucket.scrutinises(key).await;
                }
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
            let completed = self.confirmed(Some(error)).await?;
            self.target.settle().await;
            return Ok(completed);
        }
        // It is over, whatever came of it. What the SDK makes of a request is large: not on the stack twice.
        let (confirming, settling) = (
            Box::pin(self.confirmed(None)),
            Box::pin(self.target.settle()),
        );
        let (confirmed, ()) = tokio::join!(confirming, settling);
        confirmed
    }

    /// Whether an object is the one whose place the upload was to take.
    fn is_old(&self, object: &Object, doubted: bool) -> bool {
        doubted && self.replaced.is_some() && object.etag == self.replaced
    }

    /// Asks for the object and compares its size. `doubt` is why it may not be there.
    async fn confirmed(&self, doubt: Option<S3Error>) -> Result<Completed, S3Error> {
        let looking = self.target.bucket.stat_in(&self.target.key, Manner::Data);
        let found = looking.await;
        let (found, doubt) = match (found, doubt) {
            (Ok(found), doubt) => (found, doubt),
            (Err(_), Some(doubt)) => return Err(doubt),
            (Err(error), None) => return Err(error),
        };
        match found {
            Some(object)
                if object.size == self.written && !self.is_old(&object, doubt.is_some()) =>
            {
                Ok(Completed {
                    key: self.target.key.clone(),
                    size: self.written,
                    etag: object.etag,
                    parts: self.begun,
                    retries: self.retries(),
                })
            }
            // The object that was there before has told nothing.
            found => Err(doubt.unwrap_or(S3Error::SizeAltered {
                key: self.target.key.clone(),
                expected: self.written,
                found: found.map(|object| object.size),
            })),
        }
    }
}
