//! Stores that are what they are: not a fault at one call, but a way that a whole store has.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::HeaderMap;
use jiff::Timestamp;

use super::faults::error_body;
use super::policy::Policy;
use super::requests::Operation;
use super::uploads::Uploads;

/// How far clocks may be apart, as at AWS.
const SKEW: i64 = 15 * 60;
/// How the time of a request is written.
const AMZ_DATE: &str = "%Y%m%dT%H%M%SZ";

/// A way that a store has and others have not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quirk {
    /// Tags come without the quotes that HTTP demands.
    UnquotedTags,
    /// There are no tags at all.
    NoTags,
    /// All parts but the last must have one size (Cloudflare R2).
    EvenParts,
    /// An upload has no more parts than this (1,000 at Scaleway).
    MostParts(i32),
    /// `ListObjectsV2` is refused as something unknown.
    NoListV2,
    /// `ListObjectsV2` is taken for the first version: its token is passed over, and none is given.
    ListTypeIgnored,
    /// A page of a listing holds no more than this.
    SmallPages(usize),
    /// What is written or deleted has to come with its MD5 or a checksum, as buckets with an object lock demand.
    DemandsChecksum,
    /// The same, and only an MD5 will do.
    DemandsMd5,
    /// A checksum of this kind (as in `crc32c`, or `any`) is refused with this status.
    NoChecksum(&'static str, u16),
    /// Checksums behind the body are refused (Ceph 16.2).
    NoTrailers,
    /// A new object is missing in so many listings.
    LateLists(usize),
    /// A condition of a write is passed over in silence (Garage).
    ConditionsIgnored,
    /// A write with a condition is refused as something unknown.
    ConditionsRefused,
    /// Uploads cannot be listed.
    NoListUploads,
    /// Uploads are listed by their exact key only.
    UploadsByKeyOnly,
    /// The first abort of an upload is answered well and does nothing.
    AbortTwice,
    /// No object is ever deleted, and that is told of each.
    KeepsObjects,
    /// Objects cannot be deleted many at a time.
    NoDeleteMany,
    /// The clock is off by so many seconds, and who disagrees with it is refused.
    Clock(i64),
    /// Requests have to be signed for this region.
    Region(&'static str, Hint),
    /// The key may do no more than this.
    Policy(Policy),
}

/// What a store tells of the right region to one that signs for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// 400 with its name in the body.
    Named,
    /// 400 and no name.
    None,
    /// 301 with its name in a header.
    Moved,
    /// 307 with its name in a header.
    Redirected,
}

/// What a store answers because it is as it is.
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// The ways of one server; they may change while it runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Quirks(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    quirks: Vec<Quirk>,
    /// Uploads whose abort was asked for before.
    aborted: BTreeSet<String>,
}

impl Quirks {
    pub(super) fn new(quirks: Vec<Quirk>) -> Self {
        let quirks_only = Self::default();
        quirks_only.become_of(quirks);
        quirks_only
    }

    pub(super) fn become_of(&self, quirks: Vec<Quirk>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.quirks = quirks;
        state.aborted.clear();
    }

    pub(super) fn has(&self, quirk: &Quirk) -> bool {
        self.find(|held| (held == quirk).then_some(())).is_some()
    }

    /// What the first quirk that has an answer answers.
    pub(super) fn find<T>(&self, ask: impl FnMut(&Quirk) -> Option<T>) -> Option<T> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.quirks.iter().find_map(ask)
    }

    /// How far the clock is off.
    pub(super) fn clock(&self) -> Option<i64> {
        self.find(|quirk| match quirk {
            Quirk::Clock(seconds) => Some(*seconds),
            _ => None,
        })
    }

    /// Whether this request is refused, or answered otherwise, because the store is as it is.
    pub(super) fn refusal(
        &self,
        operation: Operation,
        query: Option<&str>,
        headers: &HeaderMap,
        uploads: &Uploads,
    ) -> Option<Refusal> {
        let call = Call {
            operation,
            query: query.unwrap_or_default(),
            headers,
            uploads,
        };
        let clock = self.clock().unwrap_or_default();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { quirks, aborted } = &mut *state;
        if let Some(refusal) = call.untimely(clock) {
            return Some(refusal);
        }
        quirks.iter().find_map(|quirk| call.refused(quirk, aborted))
    }
}

/// A request, as far as a quirk looks at it.
struct Call<'a> {
    operation: Operation,
    query: &'a str,
    headers: &'a HeaderMap,
    uploads: &'a Uploads,
}

impl Call<'_> {
    fn refused(&self, quirk: &Quirk, aborted: &mut BTreeSet<String>) -> Option<Refusal> {
        let operation = self.operation;
        let unknown = |is: bool| is.then(|| refuse(501, "NotImplemented", "not implemented here"));
        match quirk {
            Quirk::EvenParts => self.uneven(),
            Quirk::MostParts(most) => {
                let number: i32 = self.parameter("partNumber")?.parse().ok()?;
                let text = format!("Part number must be an integer between 1 and {most}");
                (number > *most).then(|| refuse(400, "InvalidArgument", &text))
            }
            Quirk::NoListV2 => unknown(operation == Operation::ListObjects),
            Quirk::DemandsChecksum | Quirk::DemandsMd5 => {
                let summed = self.headers.contains_key("content-md5")
                    || (*quirk == Quirk::DemandsChecksum && self.checksums().next().is_some());
                let text = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
                (self.writes() && !summed).then(|| refuse(400, "InvalidRequest", text))
            }
            Quirk::NoChecksum(kind, status) => {
                let named = self.header("x-amz-checksum-algorithm");
                let named = named.or_else(|| self.header("x-amz-sdk-checksum-algorithm"));
                let is = |name: &str| *kind == "any" || name.eq_ignore_ascii_case(kind);
                let asked = named.is_some_and(is) || self.checksums().any(is);
                let code = match status {
                    501 => "NotImplemented",
                    _ => "InvalidArgument",
                };
                asked.then(|| refuse(*status, code, "this checksum is not supported"))
            }
            Quirk::NoTrailers => {
                let trailed = self.headers.contains_key("x-amz-trailer")
                    || self
                        .header("x-amz-content-sha256")
                        .is_some_and(|kind| kind.starts_with("STREAMING-"));
                let text =
                    "The provided 'x-amz-content-sha256' header does not match what was computed.";
                trailed.then(|| refuse(400, "XAmzContentSHA256Mismatch", text))
            }
            Quirk::ConditionsRefused => {
                let conditional = ["if-none-match", "if-match"]
                    .iter()
                    .any(|name| self.headers.contains_key(*name));
                unknown(operation == Operation::PutObject && conditional)
            }
            Quirk::NoListUploads => unknown(operation == Operation::ListUploads),
            Quirk::NoDeleteMany => unknown(operation == Operation::DeleteObjects),
            Quirk::AbortTwice => {
                let first = operation == Operation::AbortUpload
                    && aborted.insert(self.parameter("uploadId")?.to_owned());
                first.then(|| Refusal {
                    status: 204,
                    headers: Vec::new(),
                    body: String::new(),
                })
            }
            Quirk::Region(name, hint) => self.elsewhere(name, *hint),
            Quirk::Clock(_)
            | Quirk::UnquotedTags
            | Quirk::NoTags
            | Quirk::ListTypeIgnored
            | Quirk::SmallPages(_)
            | Quirk::LateLists(_)
            | Quirk::ConditionsIgnored
            | Quirk::UploadsByKeyOnly
            | Quirk::KeepsObjects
            // The keys of a deletion stand in its body.
            | Quirk::Policy(_) => None,
        }
    }

    /// A request whose time is not that of a clock which is so far off.
    fn untimely(&self, off: i64) -> Option<Refusal> {
        let told = self.header("x-amz-date")?;
        let told = jiff::civil::DateTime::strptime(AMZ_DATE, told).ok()?;
        let told = told.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        let apart = (told.as_second() - Timestamp::now().as_second() - off).abs();
        let text = "The difference between the request time and the current time is too large.";
        (apart > SKEW).then(|| refuse(403, "RequestTimeTooSkewed", text))
    }

    fn uneven(&self) -> Option<Refusal> {
        if self.operation != Operation::CompleteUpload {
            return None;
        }
        let sizes = self.uploads.sizes(self.parameter("uploadId")?);
        let (_, before) = sizes.split_last()?;
        let even = before.windows(2).all(|two| two[0].1 == two[1].1)
            && sizes.last()?.1 <= before.first().unwrap_or(sizes.last()?).1;
        let text = "All non-trailing parts must have the same length.";
        (!even).then(|| refuse(400, "InvalidPart", text))
    }

    fn elsewhere(&self, name: &str, hint: Hint) -> Option<Refusal> {
        let scope = self.header("authorization")?.split_once("Credential=")?.1;
        let signed = scope.split('/').nth(2)?;
        if signed == name {
            return None;
        }
        let text = format!("the region '{signed}' is wrong");
        let header = vec![("x-amz-bucket-region", name.to_owned())];
        let told = |status, code: &str, headers| Refusal {
            status,
            headers,
            body: error_body(code, &text),
        };
        Some(match hint {
            Hint::Named => Refusal {
                body: error_body("AuthorizationHeaderMalformed", &text)
                    .replace("</Error>", &format!("<Region>{name}</Region></Error>")),
                ..told(400, "AuthorizationHeaderMalformed", Vec::new())
            },
            Hint::None => told(400, "AuthorizationHeaderMalformed", Vec::new()),
            Hint::Moved => told(301, "PermanentRedirect", header),
            Hint::Redirected => told(307, "TemporaryRedirect", header),
        })
    }

    fn writes(&self) -> bool {
        matches!(
            self.operation,
            Operation::PutObject
                | Operation::UploadPart
                | Operation::TryPart
                | Operation::DeleteObjects
        )
    }

    /// The kinds of checksums that came in headers, or are to come behind the body.
    fn checksums(&self) -> impl Iterator<Item = &str> {
        let names = self.headers.keys().map(hyper::header::HeaderName::as_str);
        let behind = self.header("x-amz-trailer").into_iter();
        let kinds = names.chain(behind);
        kinds
            .filter_map(|name| name.strip_prefix("x-amz-checksum-"))
            .filter(|kind| !["algorithm", "type", "mode"].contains(kind))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value)
            .next()
    }
}

fn refuse(status: u16, code: &str, message: &str) -> Refusal {
    Refusal {
        status,
        headers: Vec::new(),
        body: error_body(code, message),
    }
}
