//! Another beginning for an object, without sending the rest of it again.
//!
//! ```text
//! old object   | old head | rest of the first part | part 2 | part 3 | ... |
//!                   |        read and sent            copied by the store
//! new object   | new head | rest of the first part | part 2 | part 3 | ... |
//! ```
//!
//! The new object takes the old one's place in one moment, when the store puts the parts together; until then whoever reads
//! has the old one. All parts but the last have one size, as some stores demand. Every request for the old object is
//! pinned to its tag. Before the parts are put together the store is asked for their sizes: one that only pretends to copy
//! must not cost the object. A store that cannot copy parts gets the object sent once more.

mod copy;

use std::ops::Range;

use bytes::Bytes;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::bucket::Bucket;
use super::conditional::{Condition, ConditionError};
use super::error::S3Error;
use super::fetch::Start;
use super::parts::PartPlan;
use super::target::{Sent, Target, Terms, is_doubtful};
use super::upload::Upload;

/// Copies on their way at a time.
const IN_FLIGHT: usize = 8;
/// Parts on their way when all is sent again.
const SENDING: usize = 3;
/// Objects of up to two of the smallest parts are not worth a copy.
const SMALL: u64 = 2 * PartPlan::SMALLEST;
/// How often the first part is asked for.
const TRIES: u32 = 3;

/// What it took to give an object another beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replacement {
    /// Bytes that the store copied by itself.
    pub copied: u64,
    /// Bytes that were sent to it.
    pub uploaded: u64,
}

/// An object that is to get another beginning.
struct Work<'a> {
    bucket: &'a Bucket,
    key: &'a str,
    /// The object's size now.
    size: u64,
    /// How many of its bytes go.
    old: u64,
    head: &'a Bytes,
    tag: &'a str,
}

impl Bucket {
    /// Replaces the first `old` bytes of an object of `size` bytes and this tag by others.
    ///
    /// On an error the object is as it was, unless the error says that an answer was lost: then it is the old or the new one,
    /// whole. Takes the memory of a few parts.
    pub async fn replace_head(
        &self,
        key: &str,
        size: u64,
        old: u64,
        head: Bytes,
        tag: &str,
    ) -> Result<Replacement, S3Error> {
        let work = Work {
            bucket: self,
            key,
            size,
            old: old.min(size),
            head: &head,
            tag,
        };
        if size <= SMALL {
            return work.put_whole().await;
        }
        match work.copy_parts().await {
            Err(error) if cannot_copy(&error) => {
                warn!(key, %error, "the store copies no parts: the object is sent again");
                work.send_again().await
            }
            done => done,
        }
    }
}

impl Work<'_> {
    /// The new object's size.
    fn new_size(&self) -> u64 {
        self.size - self.old + self.head.len() as u64
    }

    /// The class that the old object is stored in, where classes are used at all.
    async fn class(&self) -> Result<Option<String>, S3Error> {
        match self.bucket.storage_class() {
            None => Ok(None),
            Some(_) => self.bucket.class_of(self.key).await,
        }
    }

    fn replaced(&self) -> S3Error {
        S3Error::Replaced {
            key: self.key.to_owned(),
        }
    }

    /// The first bytes of the old object, once it is known to be that one.
    async fn first(&self, bytes: u64) -> Result<Vec<u8>, S3Error> {
        let mut tries = 1;
        let start = loop {
            match self.bucket.start(self.key, bytes).await {
                Err(
                    error @ (S3Error::Interrupted { .. }
                    | S3Error::TimedOut { .. }
                    | S3Error::Truncated { .. }),
                ) if tries < TRIES => {
                    debug!(key = self.key, %error, "the first part is asked for again");
                    tries += 1;
                }
                start => break start?,
            }
        };
        match start.etag.as_deref() == Some(self.tag) && start.size == self.size {
            true => Ok(start.bytes),
            false => Err(self.replaced()),
        }
    }

    /// The new object up to where the old one was read to.
    fn joined(&self, first: &[u8]) -> Bytes {
        let old = usize::try_from(self.old).unwrap_or(usize::MAX);
        [self.head, first.get(old..).unwrap_or_default()]
            .concat()
            .into()
    }

    async fn put_whole(&self) -> Result<Replacement, S3Error> {
        let whole = self.joined(&self.first(self.size).await?);
        let uploaded = whole.len() as u64;
        let condition = Condition::Tagged(self.tag.to_owned());
        match self.bucket.put_if(self.key, whole, &condition).await {
            Ok(_) => (),
            // After a lost answer its own first attempt is in the way.
            Err(ConditionError::Unmet { .. }) => self.confirm(self.replaced()).await?,
            Err(ConditionError::Store(error)) => return Err(error),
        }
        Ok(Replacement {
            copied: 0,
            uploaded,
        })
    }

    async fn copy_parts(&self) -> Result<Replacement, S3Error> {
        let part = PartPlan::for_size(self.new_size()).part_size();
        // The first part is as long as all others, and its end is where the first copy begins.
        let first = (part + self.old - self.head.len() as u64).min(self.size);
        let content = self.joined(&self.first(first).await?);
        let uploaded = content.len() as u64;
        let class = self.class().await?;
        let terms = Terms {
            copied: true,
            class: class.as_deref(),
        };
        let target = Target::begin(self.bucket, self.key, terms).await?;
        match self.fill(&target, content, first, part).await {
            Ok(()) => {
                target.settle().await;
                Ok(Replacement {
                    copied: self.size - first,
                    uploaded,
                })
            }
            Err(error) => {
                if let Err(trouble) = target.abort().await {
                    warn!(error = %trouble, "upload stays open after its failure");
                }
                Err(error)
            }
        }
    }

    /// Sends the first part, has the others copied, and has all put together.
    async fn fill(
        &self,
        target: &Target,
        content: Bytes,
        first: u64,
        part: u64,
    ) -> Result<(), S3Error> {
        let mut sizes = vec![content.len() as u64];
        let mut sent = vec![target.clone().send(1, content).await?];
        let mut copying = JoinSet::new();
        let mut begin = first;
        while begin < self.size {
            let span = begin..self.size.min(begin + part);
            begin = span.end;
            sizes.push(span.end - span.start);
            // The first one alone: it tells whether the store can.
            while copying.len() >= if sent.len() < 2 { 1 } else { IN_FLIGHT } {
                sent.extend(self.next(&mut copying).await?);
            }
            copying.spawn(copied(
                target.clone(),
                sizes.len(),
                span,
                self.tag.to_owned(),
            ));
        }
        while let Some(copied) = self.next(&mut copying).await? {
            sent.push(copied);
        }
        sent.sort_by_key(|sent| sent.number);
        if target.sizes().await? != sizes {
            return Err(self.bucket.scene().not_s3("copy a part", 200));
        }
        match target.complete(&sent).await {
            Err(error) if is_doubtful(&error) => self.confirm(error).await,
            Err(error) => Err(error),
            Ok(()) => {
                self.confirm(S3Error::SizeAltered {
                    key: self.key.to_owned(),
                    expected: self.new_size(),
                    found: None,
                })
                .await
            }
        }
    }

    async fn next(
        &self,
        copying: &mut JoinSet<Result<Sent, S3Error>>,
    ) -> Result<Option<Sent>, S3Error> {
        let failed = |_| S3Error::UploadFailed {
            key: self.key.to_owned(),
        };
        match copying.join_next().await {
            Some(ended) => ended.map_err(failed)?.map(Some),
            None => Ok(None),
        }
    }

    /// Looks whether the object is the new one; `doubt` is why it may not be.
    async fn confirm(&self, doubt: S3Error) -> Result<(), S3Error> {
        let found = self.bucket.start(self.key, self.head.len() as u64).await;
        match found {
            Ok(Start { bytes, size, .. }) if size == self.new_size() && bytes == *self.head => {
                Ok(())
            }
            Ok(_) | Err(_) => Err(doubt),
        }
    }

    /// Reads all of the old object and sends the new one.
    async fn send_again(&self) -> Result<Replacement, S3Error> {
        let mut body = self.bucket.fetch(self.key).await?;
        if body.etag() != Some(self.tag) || body.size() != self.size {
            return Err(self.replaced());
        }
        let plan = self.bucket.memory().plan(self.new_size());
        let class = self.class().await?;
        let upload =
            Upload::begin_in_class(self.bucket, self.key, plan, SENDING, class.as_deref()).await?;
        let mut upload = upload.in_place_of(self.tag);
        let sent = async {
            upload.write(self.head).await?;
            let mut skip = usize::try_from(self.old).unwrap_or(usize::MAX);
            while let Some(chunk) = body.chunk().await? {
                let skipped = skip.min(chunk.len());
                skip -= skipped;
                upload.write(&chunk[skipped..]).await?;
            }
            Ok(())
        };
        if let Err(error) = sent.await {
            if let Err(trouble) = upload.abort().await {
                warn!(error = %trouble, "upload stays open after its failure");
            }
            return Err(error);
        }
        let completed = upload.complete().await?;
        Ok(Replacement {
            copied: 0,
            uploaded: completed.size,
        })
    }
}

async fn copied(
    target: Target,
    number: usize,
    span: Range<u64>,
    tag: String,
) -> Result<Sent, S3Error> {
    target.copy(number, span, &tag).await
}

/// Whether the store refuses to copy parts, and may well take them.
fn cannot_copy(error: &S3Error) -> bool {
    match error {
        S3Error::Refused { status, .. } => matches!(status, 400 | 403 | 404 | 405 | 411 | 501),
        S3Error::AccessDenied { .. } | S3Error::NotS3 { .. } => true,
        S3Error::BucketMissing { .. }
        | S3Error::KeyUnknown { .. }
        | S3Error::SignatureMismatch { .. }
        | S3Error::Dns { .. }
        | S3Error::Unreachable { .. }
        | S3Error::Tls { .. }
        | S3Error::TimedOut { .. }
        | S3Error::WrongRegion { .. }
        | S3Error::Redirected { .. }
        | S3Error::ClockSkew { .. }
        | S3Error::NotFound { .. }
        | S3Error::Interrupted { .. }
        | S3Error::Truncated { .. }
        | S3Error::Replaced { .. }
        | S3Error::RangeAltered { .. }
        | S3Error::PartAltered { .. }
        | S3Error::Untagged { .. }
        | S3Error::SizeAltered { .. }
        | S3Error::TooLarge { .. }
        | S3Error::Endless { .. }
        | S3Error::UploadFailed { .. } => false,
    }
}
