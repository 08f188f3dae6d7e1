//! The object that a fetch reads, as it was when the reading began, and the requests for ranges of it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, ResponseChecksumValidation, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::ByteStream;

use super::span::{self, ContentRange};
use crate::s3::bucket::{Bucket, unquoted};
use crate::s3::client::Manner;
use crate::s3::error::S3Error;

const OK: u16 = 200;
const PARTIAL: u16 = 206;
const NO_LONGER: u16 = 412;
const NO_SUCH_RANGE: u16 = 416;

/// An object that is pinned.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) bucket: Bucket,
    pub(super) key: Arc<str>,
    pub(super) size: u64,
    /// The store's tag as it came, if it is a strong one.
    pub(super) tag: Option<Arc<str>>,
    /// Whether the store gives ranges. Else the object is one piece.
    ranged: bool,
}

/// The bytes of an answer.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) stream: ByteStream,
    /// How many of them come before those that were asked for.
    pub(super) skip: u64,
}

/// What a store said to a request for an object.
struct Reply {
    status: u16,
    range: Option<String>,
    length: Option<u64>,
    tag: Option<String>,
    stream: ByteStream,
}

/// A request that brought nothing.
struct Unmet {
    status: u16,
    error: S3Error,
}

impl Source {
    /// Asks for the first piece, and so for the size and the tag.
    ///
    /// An empty object has no range, so stores refuse to give one; some give the whole object instead of a range. And
    /// without a strong tag nothing tells that a second answer is about the same object. In all these cases the whole
    /// object is the one piece.
    pub(super) async fn begin(
        bucket: &Bucket,
        key: &str,
        piece: u64,
    ) -> Result<(Self, Body), S3Error> {
        let reply = match ask(bucket, key, Some(&(0..piece)), None).await {
            Ok(reply) => reply,
            Err(unmet) if unmet.status == NO_SUCH_RANGE => return Self::whole(bucket, key).await,
            Err(unmet) => return Err(unmet.error),
        };
        if reply.status != PARTIAL {
            return Self::of_whole(bucket, key, reply);
        }
        if reply.strong_tag().is_none() || reply.length == Some(0) {
            return Self::whole(bucket, key).await;
        }
        let total = reply.told().map_or(piece, |told| told.total);
        reply.holds(bucket, key, &(0..piece.min(total)))?;
        Ok(Self::of(bucket, key, reply, total))
    }

    async fn whole(bucket: &Bucket, key: &str) -> Result<(Self, Body), S3Error> {
        let reply = ask(bucket, key, None, None).await;
        Self::of_whole(bucket, key, reply.map_err(|unmet| unmet.error)?)
    }

    fn of_whole(bucket: &Bucket, key: &str, reply: Reply) -> Result<(Self, Body), S3Error> {
        match (reply.status, reply.length) {
            (OK, Some(size)) => Ok(Self::of(bucket, key, reply, size)),
            (status, _) => Err(bucket.scene().not_s3(&task(key), status)),
        }
    }

    fn of(bucket: &Bucket, key: &str, reply: Reply, size: u64) -> (Self, Body) {
        let source = Self {
            bucket: bucket.clone(),
            key: Arc::from(key),
            size,
            tag: reply.strong_tag().map(Arc::from),
            ranged: reply.status == PARTIAL,
        };
        let body = Body {
            stream: reply.stream,
            skip: 0,
        };
        (source, body)
    }

    /// Where the piece ends that begins at a byte.
    pub(super) fn end_of_piece(&self, start: u64, piece: u64) -> u64 {
        if self.ranged {
            self.size.min(start + piece)
        } else {
            self.size
        }
    }

    /// Whether a second request is known to be about the same object.
    pub(super) fn is_pinned(&self) -> bool {
        self.tag.is_some()
    }

    /// Asks for bytes of the pinned object, and for no others.
    pub(super) async fn open(&self, span: Range<u64>) -> Result<Body, S3Error> {
        let reply = match ask(&self.bucket, &self.key, Some(&span), self.tag.as_deref()).await {
            Ok(reply) => reply,
            // Where there were bytes before, a range that cannot be given means another object, too.
            Err(Unmet {
                status: NO_LONGER | NO_SUCH_RANGE,
                ..
            }) => return Err(self.replaced()),
            Err(unmet) => return Err(unmet.error),
        };
        // Not every store knows the condition.
        if reply.tag.as_deref().map(unquoted) != self.tag.as_deref().map(unquoted) {
            return Err(self.replaced());
        }
        let everything = reply.status == OK && !self.ranged;
        if everything && reply.length != Some(self.size) {
            return Err(self.replaced());
        }
        if !everything {
            if reply.told().is_some_and(|told| told.total != self.size) {
                return Err(self.replaced());
            }
            reply.holds(&self.bucket, &self.key, &span)?;
        }
        Ok(Body {
            stream: reply.stream,
            skip: if everything { span.start } else { 0 },
        })
    }

    /// The text of what is being tried.
    pub(super) fn task(&self) -> String {
        task(&self.key)
    }

    /// The object ended after so many bytes.
    pub(super) fn truncated(&self, found: u64) -> S3Error {
        S3Error::Truncated {
            key: self.key.to_string(),
            found,
            expected: self.size,
        }
    }

    fn replaced(&self) -> S3Error {
        S3Error::Replaced {
            key: self.key.to_string(),
        }
    }
}

impl Reply {
    /// The tag as it came, unless it is a weak one, which may stand for different bytes.
    fn strong_tag(&self) -> Option<&str> {
        let tag = self.tag.as_deref();
        tag.filter(|tag| !tag.is_empty() && !tag.starts_with("W/"))
    }

    fn told(&self) -> Option<ContentRange> {
        self.range.as_deref().and_then(ContentRange::parse)
    }

    /// Checks that the answer says it holds these bytes and no others.
    fn holds(&self, bucket: &Bucket, key: &str, asked: &Range<u64>) -> Result<(), S3Error> {
        let length = asked.end - asked.start;
        let fits = self.told().is_some_and(|told| told.span == *asked)
            && self.length.is_none_or(|told| told == length);
        if self.status == PARTIAL && fits {
            return Ok(());
        }
        Err(S3Error::RangeAltered {
            key: key.to_owned(),
            asked: span::asked(asked),
            found: match &self.range {
                Some(text) => bucket.scene().cleared(text),
                None => format!("no range (status {})", self.status),
            },
        })
    }
}

fn task(key: &str) -> String {
    format!("read {key}")
}

/// Sends one request for an object, as often as it fails in a way that passes.
async fn ask(
    bucket: &Bucket,
    key: &str,
    span: Option<&Range<u64>>,
    tag: Option<&str>,
) -> Result<Reply, Unmet> {
    let status = Status::default();
    let call = bucket
        .client()
        .get_object()
        .bucket(bucket.name())
        .key(bucket.full(key))
        .set_range(span.map(span::asked))
        .set_if_match(tag.map(str::to_owned));
    // Some stores give the checksum of the whole object with a range of it, and then a good range looks damaged.
    let manner = bucket
        .manner(Manner::Read, &task(key))
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    let sent = call
        .customize()
        .config_override(manner)
        .interceptor(status.clone())
        .send()
        .await;
    let status = status.get();
    let answer = sent.map_err(|error| Unmet {
        status,
        error: bucket.explain(&task(key), Some(key), &error),
    })?;
    Ok(Reply {
        status,
        length: answer
            .content_length()
            .and_then(|length| u64::try_from(length).ok()),
        range: answer.content_range,
        tag: answer.e_tag,
        stream: answer.body,
    })
}

/// The status of the last answer, which the SDK keeps to itself.
#[derive(Debug, Clone, Default)]
struct Status(Arc<AtomicU16>);

impl Status {
    fn get(&self) -> u16 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for Status {
    fn name(&self) -> &'static str {
        "note the status"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0
            .store(context.response().status().as_u16(), Ordering::Relaxed);
        Ok(())
    }
}
