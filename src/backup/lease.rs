//! Who works on the backups of this bucket and path right now.
//!
//! ```text
//! take ---> lease.json ---> renewed beside the work ---> release
//!              '---> not renewed any more: it ends by itself
//! ```
//!
//! Units of one application share a bucket, and applications of several models may. A lease keeps a deletion from
//! what another unit restores, and tells an operator who is at work. It is written under a condition, and a store that is
//! seen to honour conditions decides who was first. On any other store the lease is written, left to settle, and read
//! again: whoever has asked before the lease was written has written by then, too, and the last one has it.
//!
//! The work goes on when its lease is lost. That happens to a process that could not renew it for long enough, because it
//! stood still or the store was away. To break the work off there could mean to stop within a swap, and whoever holds the
//! lease now can do no harm to a restore that has staged its data, nor to a backup, whose objects bear its own name.
//! What can go wrong, an object that is deleted while it is read, is an error of its own.

mod conditions;
mod document;
mod task;

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::Catalogue;
use crate::s3::{Bucket, Condition, ConditionError, S3Error};
use document::{Document, Verdict, verdict};
pub use task::{AtWork, Task};

/// Where it lies, beside the backups.
const KEY: &str = "lease.json";
/// A lease is small; a larger object is none.
const LIMIT: usize = 16 * 1024;
/// How often taking it is tried while others come and go.
const ATTEMPTS: usize = 3;
/// How long giving it back may take; it ends by itself anyway.
const RELEASING: Duration = Duration::from_secs(10);
/// Random bytes of a token.
const TOKEN: usize = 16;

/// Who wants to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The unit, as in `synapse/0`.
    pub unit: String,
    /// The UUID of its model.
    pub model: String,
    /// The model's name, for people.
    pub model_name: String,
}

/// How long a lease lasts, and how often it is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The time from one renewal to the next.
    pub renewed_every: Duration,
    /// The time from the last renewal to the end.
    pub lasts: Duration,
    /// How long a new lease is left alone before it counts, on a store that lets several write at once.
    ///
    /// Looking and writing may take half of it together.
    pub settles: Duration,
}

/// Why a lease cannot be had, or is no more.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else works.
    #[error("{holder} is at work on these backups ({task}, since {since})")]
    Busy {
        /// The unit, and its model if that is another one.
        holder: String,
        /// What it does, as in `create-backup`.
        task: String,
        /// When it began.
        since: Timestamp,
        /// When its lease ends if it is not renewed.
        expires: Timestamp,
    },
    /// Others took it and let go of it each time that it was looked at.
    #[error("others take the lease in turns")]
    Contended,
    /// It had ended, and somebody else took it; the work of before went on.
    #[error("{holder} has taken the lease over ({task})")]
    Lost {
        /// The unit, and its model if that is another one.
        holder: String,
        /// What it does.
        task: String,
    },
    /// The store lets us read and not write. Nobody works, as far as can be seen.
    #[error("the store takes no lease")]
    ReadOnly(#[source] S3Error),
    /// The store failed.
    #[error("failed to {action} the lease")]
    Store {
        /// What was tried.
        action: &'static str,
        /// What the store said.
        #[source]
        source: S3Error,
    },
    /// The system gave no random bytes.
    #[error("failed to make a token")]
    Random(#[source] getrandom::Error),
    /// The lease could not be put down as text.
    #[error("failed to write the lease down")]
    Format(#[from] serde_json::Error),
}

/// The right to work on the backups of a bucket and path.
///
/// It ends with [`Lease::release`]; when it is only dropped, it ends by itself.
#[derive(Debug)]
pub struct Lease {
    bucket: Bucket,
    holder: Holder,
    document: Document,
    task: Task,
    terms: Terms,
    now: fn() -> Timestamp,
    lost: Option<LeaseError>,
}

/// What lies in the place of a lease.
struct Found {
    /// The lease, unless nothing is there, or something else.
    document: Option<Document>,
    /// What has to hold for it to be overwritten; `None` where the store gives no tags.
    unchanged: Option<Condition>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            renewed_every: Duration::from_secs(30),
            lasts: Duration::from_secs(120),
            settles: Duration::from_secs(4),
        }
    }
}

impl Lease {
    /// Takes the lease for a task, unless somebody else has it.
    ///
    /// `random` fills a token. An own lease of before, and one that has ended, are taken over at once.
    pub async fn take(
        catalogue: &Catalogue,
        holder: Holder,
        task: impl Into<Task>,
        terms: Terms,
        random: fn(&mut [u8]) -> Result<(), getrandom::Error>,
        now: fn() -> Timestamp,
    ) -> Result<Self, LeaseError> {
        let mut token = [0; TOKEN];
        random(&mut token).map_err(LeaseError::Random)?;
        let token = token.iter().map(|byte| format!("{byte:02x}")).collect();
        let task = task.into();
        let mut lease = Self {
            bucket: catalogue.bucket().clone(),
            document: Document::new(&holder, &task, token, now()),
            holder,
            task,
            terms,
            now,
            lost: None,
        };
        let mut decided = None;
        for _ in 0..ATTEMPTS {
            let asked = Instant::now();
            let found = read(&lease.bucket).await?;
            if let Verdict::Busy(document) = verdict(found.document, &lease.holder, now()) {
                return Err(document.busy(&lease.holder));
            }
            lease.write(found.unchanged).await.map_err(denied)?;
            let took = asked.elapsed();
            let honoured = match decided {
                Some(honoured) => honoured,
                None => conditions::honoured(&lease.bucket, &lease.document.token).await,
            };
            decided = Some(honoured);
            if !honoured && !lease.settle(took).await {
                continue;
            }
            // Whatever the store made of the condition: the one who is read has it.
            let found = read(&lease.bucket).await?.document;
            if found.is_some_and(|document| document.is(&lease.document)) {
                return Ok(lease);
            }
        }
        Err(LeaseError::Contended)
    }

    /// Waits until all who saw no lease before this one was written have written theirs, too.
    ///
    /// Whoever was slow may have overwritten one that counted already. Then its own is taken away again, and its holder
    /// is given the time to renew it; this one is no good in that case.
    async fn settle(&self, took: Duration) -> bool {
        let Terms {
            renewed_every,
            settles,
            ..
        } = self.terms;
        if took <= settles / 2 {
            sleep(settles).await;
            return true;
        }
        tracing::warn!(
            seconds = took.as_secs_f32(),
            "the store is too slow to tell who came first, trying again"
        );
        self.withdraw().await;
        sleep(renewed_every + settles).await;
        false
    }

    /// Does the work while the lease is renewed beside it.
    ///
    /// The work is always carried to its end; [`Lease::lost`] tells afterwards whether it had the lease all the time.
    pub async fn while_held<T>(&mut self, work: impl Future<Output = T>) -> T {
        let work = Box::pin(work);
        tokio::select! {
            // The work is never dropped before its end. The renewal may be, at any point: what it writes is whole or is
            // not there, and whoever goes on reads first.
            outcome = work => outcome,
            never = self.renew() => match never {},
        }
    }

    /// Who has taken the lease over while the work went on.
    pub fn lost(&self) -> Option<&LeaseError> {
        self.lost.as_ref()
    }

    /// Gives the lease back. Where that fails, it ends by itself.
    pub async fn release(self) {
        self.withdraw().await;
    }

    /// Removes the lease from the bucket if it is this one.
    async fn withdraw(&self) {
        let releasing = async {
            let found = read(&self.bucket).await?.document;
            if !found.is_some_and(|document| document.is(&self.document)) {
                return Ok(());
            }
            let deleted = self.bucket.delete(&[KEY]).await;
            let deletion = deleted.map_err(store("delete"))?;
            if let Some(kept) = deletion.failed.first() {
                tracing::warn!(code = %kept.code, "the store keeps the lease");
            }
            Ok::<_, LeaseError>(())
        };
        match timeout(RELEASING, releasing).await {
            Ok(Ok(())) => (),
            Ok(Err(error)) => tracing::warn!(%error, "the lease ends by itself"),
            Err(_) => tracing::warn!("the store does not answer: the lease ends by itself"),
        }
    }

    async fn renew(&mut self) -> std::convert::Infallible {
        let mut tick = interval(self.terms.renewed_every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once, and the lease is fresh.
        tick.tick().await;
        while self.lost.is_none() {
            tick.tick().await;
            match self.renew_once().await {
                Ok(()) => (),
                Err(error @ LeaseError::Lost { .. }) => {
                    tracing::warn!(%error, "the work goes on without its lease");
                    self.lost = Some(error);
                }
                Err(error) => {
                    tracing::warn!(%error, "the lease was not renewed; it is tried again")
                }
            }
        }
        std::future::pending().await
    }

    async fn renew_once(&mut self) -> Result<(), LeaseError> {
        let now = (self.now)();
        let found = read(&self.bucket).await?;
        match found.document {
            Some(other) if !other.is(&self.document) && !other.has_ended(now) => {
                return Err(other.lost(&self.holder));
            }
            // It is ours, or nobody's: somebody deleted it, or had it for a while in between.
            Some(_) | None => (),
        }
        self.write(found.unchanged).await
    }

    /// Writes the lease in the place of what was found. A condition that does not hold is no error: reading tells.
    async fn write(&mut self, unchanged: Option<Condition>) -> Result<(), LeaseError> {
        let mut document = self.document.renewed((self.now)(), self.terms.lasts);
        if let Some(progress) = &self.task.progress {
            document = document.telling(*progress.borrow());
        }
        let text = Bytes::from(serde_json::to_vec_pretty(&document)?);
        let written = match unchanged {
            Some(condition) => self.bucket.put_if(KEY, text, &condition).await,
            None => Ok(self.bucket.put(KEY, text).await.map_err(store("write"))?),
        };
        match written {
            Ok(_) => {
                self.document = document;
                Ok(())
            }
            Err(ConditionError::Unmet { .. }) => Ok(()),
            Err(ConditionError::Store(source)) => Err(store("write")(source)),
        }
    }
}

impl Catalogue {
    /// Who works on the backups right now, if anybody does.
    pub async fn at_work(&self, now: Timestamp) -> Result<Option<AtWork>, LeaseError> {
        let found = read(self.bucket()).await?.document;
        Ok(found.and_then(|document| document.at_work(now)))
    }
}

/// Reads the lease that lies in the bucket. What is there and is no lease can be overwritten.
async fn read(bucket: &Bucket) -> Result<Found, LeaseError> {
    let object = match bucket.get(KEY).await {
        Err(S3Error::NotFound { .. }) => {
            return Ok(Found {
                document: None,
                unchanged: Some(Condition::Absent),
            });
        }
        object => object.map_err(store("read"))?,
    };
    let unchanged = object.etag().map(|tag| Condition::Tagged(tag.to_owned()));
    let text = match object.collect(LIMIT).await {
        Err(S3Error::TooLarge { .. }) => Vec::new(),
        text => text.map_err(store("read"))?,
    };
    let document = serde_json::from_slice(&text)
        .inspect_err(|error| tracing::warn!(%error, "what lies in the place of a lease is none"));
    Ok(Found {
        document: document.ok(),
        unchanged,
    })
}

fn store(action: &'static str) -> impl Fn(S3Error) -> LeaseError {
    move |source| LeaseError::Store { action, source }
}

/// Tells a store that lets nobody write from one that fails.
fn denied(error: LeaseError) -> LeaseError {
    match error {
        LeaseError::Store {
            source:
                source @ (S3Error::AccessDenied { .. }
                | S3Error::Refused {
                    status: 403 | 405, ..
                }
                | S3Error::NotS3 {
                    status: 403 | 405, ..
                }),
            ..
        } => LeaseError::ReadOnly(source),
        other => other,
    }
}

/// Reads any bytes as a lease.
#[cfg(any(test, fuzzing))]
pub(super) fn read_any(bytes: &[u8], now: Timestamp) {
    if let Ok(document) = serde_json::from_slice::<Document>(bytes) {
        let _ = (document.at_work(now), document.renewed(now, Duration::MAX));
    }
}
