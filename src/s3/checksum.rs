//! What bodies travel with so that a store can check them, and how the store's own way is found.
//!
//! Stores disagree about checksums: some know all, some refuse what they do not know, and old ones demand an MD5 for buckets
//! with an object lock. So each kind is tried in turn, once: what was refused is not tried again for this bucket.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::types::ChecksumAlgorithm;

use super::bucket::Bucket;
use super::error::S3Error;

/// What an operator can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checksum {
    /// The first that the store takes.
    #[default]
    Auto,
    /// CRC64NVME only.
    Crc64Nvme,
    /// CRC32C only.
    Crc32c,
    /// The header `Content-MD5` only.
    ContentMd5,
    /// None: the SHA-256 of each body is signed.
    None,
}

/// A kind of checksum that requests carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// CRC32C, which all stores of the contract take.
    Crc32c,
    /// CRC64NVME.
    Crc64Nvme,
    /// The header `Content-MD5`.
    Md5,
    /// None: the SHA-256 of each body is signed.
    None,
}

/// What was learnt of a store's ways, which another process may be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ways {
    /// What it takes as a checksum instead of the usual one, and why not that.
    pub sum: Option<(Sum, String)>,
    /// Why it is asked for listings of the first version, if it is.
    pub list_v1: Option<String>,
}

/// The ways that all clones of a bucket know.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(Arc<Mutex<Ways>>);

impl Checksum {
    /// The one kind that was chosen, if one was.
    #[must_use]
    pub fn fixed(self) -> Option<Sum> {
        match self {
            Self::Auto => None,
            Self::Crc64Nvme => Some(Sum::Crc64Nvme),
            Self::Crc32c => Some(Sum::Crc32c),
            Self::ContentMd5 => Some(Sum::Md5),
            Self::None => Some(Sum::None),
        }
    }
}

impl Sum {
    /// All kinds, in the order in which they are tried.
    pub const ALL: [Self; 4] = [Self::Crc32c, Self::Crc64Nvme, Self::Md5, Self::None];

    /// Its name, as the option and `store.json` write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32c => "crc32c",
            Self::Crc64Nvme => "crc64nvme",
            Self::Md5 => "md5",
            Self::None => "none",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sum| sum.name() == name)
    }

    /// How S3 names it; nothing for what is no checksum of S3's.
    pub(super) fn algorithm(self) -> Option<ChecksumAlgorithm> {
        match self {
            Self::Crc32c => Some(ChecksumAlgorithm::Crc32C),
            Self::Crc64Nvme => Some(ChecksumAlgorithm::Crc64Nvme),
            Self::Md5 | Self::None => None,
        }
    }

    /// What to try when this one is refused.
    fn next(self, wanted: Option<Self>) -> Option<Self> {
        let behind = Self::ALL.into_iter().skip_while(|sum| *sum != self).skip(1);
        let mut behind = behind.filter(|sum| wanted.is_none_or(|wanted| wanted == *sum));
        behind.next().or_else(|| match wanted {
            // What was asked for has been tried.
            Some(_) => self.next(None),
            None => None,
        })
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Known {
    pub(super) fn get(&self) -> Ways {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Ways)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Bucket {
    /// What was learnt of the store's ways so far.
    #[must_use]
    pub fn ways(&self) -> Ways {
        self.shared().ways.get()
    }

    /// Takes over what another process has learnt, as far as this one knows nothing yet.
    pub fn adopt(&self, ways: Ways) {
        self.shared().ways.change(|known| {
            known.sum = known.sum.take().or(ways.sum);
            known.list_v1 = known.list_v1.take().or(ways.list_v1);
        });
    }

    /// The checksum that requests carry right now.
    pub(super) fn sum(&self) -> Sum {
        let fixed = self.limits().checksum.fixed();
        let learnt = || self.ways().sum.map(|(sum, _)| sum);
        fixed.or_else(learnt).unwrap_or(Sum::Crc32c)
    }

    /// Begins to find out which checksum a call is taken with.
    pub(super) fn search(&self) -> Search<'_> {
        Search {
            bucket: self,
            sum: self.sum(),
            first: None,
        }
    }
}

/// The search for a checksum with which a call is taken.
#[derive(Debug)]
pub(super) struct Search<'a> {
    bucket: &'a Bucket,
    /// What to send next.
    pub(super) sum: Sum,
    /// How the first kind was refused.
    first: Option<(Sum, S3Error)>,
}

impl Search<'_> {
    /// Goes on to the next kind, if the error is about this one and there is another; else it is the call's error.
    pub(super) fn refused(&mut self, error: S3Error) -> Result<(), S3Error> {
        self.refused_if(error, |objection| objection.is_some())
    }

    /// The same, for a call that may be refused for other reasons with the same words.
    pub(super) fn refused_clearly(&mut self, error: S3Error) -> Result<(), S3Error> {
        self.refused_if(error, |objection| {
            objection.is_some_and(|found| found.clear)
        })
    }

    fn refused_if(
        &mut self,
        error: S3Error,
        counts: impl Fn(Option<&Objection>) -> bool,
    ) -> Result<(), S3Error> {
        let objection = Objection::of(&error);
        if !counts(objection.as_ref()) {
            return Err(error);
        }
        let fixed = self.bucket.limits().checksum.fixed().is_some();
        let wanted = objection.and_then(|objection| objection.wanted);
        let next = self.sum.next(wanted).filter(|_| !fixed);
        let first = self.first.take();
        match next {
            None => Err(first.map_or(error, |(_, first)| first)),
            Some(next) => {
                tracing::debug!(sum = %self.sum, %error, "the store refuses this checksum");
                self.first = Some(first.unwrap_or((self.sum, error)));
                self.sum = next;
                Ok(())
            }
        }
    }

    /// The call was taken: remembers with which kind, if it is not the first that was tried.
    pub(super) fn taken(self) {
        let Some((refused, error)) = self.first else {
            return;
        };
        let reason = format!("{refused} was refused: {}", Objection::told(&error));
        let text = format!("the store takes {} as a checksum: {reason}", self.sum);
        tracing::info!(checksum = %self.sum, reason, "the store has another way of checking");
        self.bucket.note("checksum", text);
        let learnt = (self.sum, reason);
        self.bucket
            .shared()
            .ways
            .change(|ways| ways.sum = Some(learnt));
    }
}

/// A store's objection to a checksum, or to there being none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Objection {
    /// What it asks for.
    wanted: Option<Sum>,
    /// Whether it says that it is about checksums.
    clear: bool,
}

impl Objection {
    fn of(error: &S3Error) -> Option<Self> {
        let S3Error::Refused {
            status,
            code,
            message,
            ..
        } = error
        else {
            return None;
        };
        // A body that does not fit its checksum was damaged, and the checksum understood.
        if matches!(
            &**code,
            "BadDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch"
        ) {
            return None;
        }
        let text = format!("{code} {message}").to_ascii_lowercase();
        let names = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let clear = names(&[
            "checksum",
            "crc32",
            "crc64",
            "content-md5",
            "contentmd5",
            "x-amz-trailer",
        ]) && matches!(status, 400 | 405 | 411 | 501);
        let md5 = names(&["content-md5", "contentmd5"]) && names(&["requir", "missing", "must"]);
        (clear || *status == 501).then_some(Self {
            wanted: md5.then_some(Sum::Md5),
            clear,
        })
    }

    fn told(error: &S3Error) -> String {
        match error {
            S3Error::Refused { status, code, .. } => format!("{code} ({status})"),
            other => other.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str, message: &str) -> S3Error {
        S3Error::Refused {
            task: "write a".to_owned(),
            status,
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn objections_to_checksums_are_told_from_other_refusals() {
        let clear = |wanted| {
            Some(Objection {
                wanted,
                clear: true,
            })
        };
        let vague = Some(Objection {
            wanted: None,
            clear: false,
        });
        let lock = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
        for (status, code, message, objection) in [
            (
                501,
                "NotImplemented",
                "Header 'x-amz-checksum-algorithm' with value 'CRC32C' not implemented",
                clear(None),
            ),
            (
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented.",
                vague,
            ),
            (
                400,
                "InvalidArgument",
                "unsupported header x-amz-checksum-crc32c",
                clear(None),
            ),
            (400, "InvalidRequest", lock, clear(Some(Sum::Md5))),
            (
                400,
                "InvalidRequest",
                "Missing required header for this request: Content-MD5",
                clear(Some(Sum::Md5)),
            ),
            (
                400,
                "MissingContentMD5",
                "a Content-MD5 is missing",
                clear(Some(Sum::Md5)),
            ),
            (
                400,
                "BadDigest",
                "The CRC32C you specified did not match the calculated checksum.",
                None,
            ),
            (
                400,
                "XAmzContentSHA256Mismatch",
                "does not match what was computed",
                None,
            ),
            (400, "InvalidStorageClass", "no such class", None),
            (403, "AccessDenied", "checksum", None),
            (503, "SlowDown", "checksum", None),
        ] {
            assert_eq!(
                Objection::of(&refused(status, code, message)),
                objection,
                "{code} {message}"
            );
        }
    }

    #[test]
    fn each_kind_is_tried_once_and_the_one_that_is_asked_for_first() {
        assert_eq!(Sum::Crc32c.next(None), Some(Sum::Crc64Nvme));
        assert_eq!(Sum::Crc32c.next(Some(Sum::Md5)), Some(Sum::Md5));
        assert_eq!(Sum::Md5.next(Some(Sum::Md5)), Some(Sum::None));
        assert_eq!(Sum::None.next(Some(Sum::Md5)), None);
        assert_eq!(
            Sum::ALL.map(|sum| Sum::named(sum.name())),
            Sum::ALL.map(Some)
        );
    }
}
