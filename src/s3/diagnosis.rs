//! From the SDK's errors to ours.
//!
//! Nothing of the SDK's error is kept but a few facts: its own texts and debug forms hold whole answers, and an answer
//! to a wrong signature holds the string to sign.

use std::error::Error;
use std::io;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use rustls::CertificateError;

use super::answer::Endless;
use super::error::{Cause, S3Error, TlsReason};
use super::learnt::Learnt;
use super::params::{Params, shown};
use super::region;
use super::self_signed::SelfSigned;
use super::wire::{Silence, Unresolved};

const LONGEST_MESSAGE: usize = 300;
/// As much of a foreign text is looked through: much more than is shown, because what is withheld makes it shorter.
const LONGEST_READ: usize = 32 << 10;

/// What is needed to tell an error in the operator's words.
#[derive(Debug)]
pub(super) struct Scene {
    store: String,
    bucket: String,
    learnt: Learnt,
}

/// The facts of one failed call.
pub(super) struct Facts<'a> {
    pub(super) status: u16,
    pub(super) code: Option<&'a str>,
    message: &'a str,
    body: &'a [u8],
    region_header: Option<&'a str>,
    location: Option<&'a str>,
}

impl Scene {
    pub(super) fn new(params: &Params, learnt: &Learnt) -> Self {
        Self {
            store: params.store(),
            bucket: params.bucket().to_owned(),
            learnt: learnt.clone(),
        }
    }

    /// Tells why a call failed. `key` is the object that the call was about, if any.
    pub(super) fn explain<E>(
        &self,
        task: &str,
        key: Option<&str>,
        error: &SdkError<E, HttpResponse>,
    ) -> S3Error
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(error) => self.explain_connection(task, error),
                None => self.interrupted(task, "the request was not sent"),
            },
            SdkError::TimeoutError(_) => self.timed_out(task),
            SdkError::ServiceError(_) => self.explain_answer(task, key, &Facts::of(error)),
            SdkError::ResponseError(broken) if broken.raw().body().bytes().is_some() => {
                self.not_s3(task, broken.raw().status().as_u16())
            }
            SdkError::ResponseError(_) => self.explain_broken(task, error.source()),
            SdkError::ConstructionFailure(_) => S3Error::Refused {
                task: task.to_owned(),
                status: 0,
                code: "InvalidRequest".to_owned(),
                message: "the request could not be built from these parameters".to_owned(),
            },
            _ => self.interrupted(task, "an unknown failure"),
        }
    }

    /// Tells why an answer could not be read to its end.
    fn explain_broken(&self, task: &str, cause: Option<&(dyn Error + 'static)>) -> S3Error {
        if let Some(Endless(limit)) = cause.and_then(find::<Endless>) {
            return S3Error::Endless {
                store: self.store.clone(),
                task: task.to_owned(),
                limit: *limit,
            };
        }
        match cause.and_then(find::<Silence>) {
            Some(_) => self.timed_out(task),
            None => self.interrupted(task, "the answer ended too early"),
        }
    }

    /// Tells what a chain of a connection's errors means.
    pub(super) fn explain_connection(&self, task: &str, error: &(dyn Error + 'static)) -> S3Error {
        let store = self.store.clone();
        let cause = self.cause(error);
        if let Some(unresolved) = find::<Unresolved>(error) {
            return S3Error::Dns {
                host: unresolved.host.clone(),
                cause,
            };
        }
        if let Some(tls) = find::<rustls::Error>(error) {
            let reason = match find::<SelfSigned>(error) {
                Some(_) => TlsReason::SelfSigned,
                None => tls_reason(tls),
            };
            return S3Error::Tls {
                store,
                reason,
                cause,
            };
        }
        if find::<Silence>(error).is_some() {
            return self.timed_out(task);
        }
        let timed_out = find::<ConnectorError>(error).is_some_and(ConnectorError::is_timeout);
        if timed_out || find::<io::Error>(error).is_some_and(|error| is_unreachable(error.kind())) {
            return S3Error::Unreachable { store, cause };
        }
        S3Error::Interrupted {
            store,
            task: task.to_owned(),
            cause,
        }
    }

    /// Tells why an object's body ended too early.
    pub(super) fn explain_body(&self, task: &str, error: &(dyn Error + 'static)) -> S3Error {
        S3Error::Interrupted {
            store: self.store.clone(),
            task: task.to_owned(),
            cause: self.cause(error),
        }
    }

    pub(super) fn timed_out(&self, task: &str) -> S3Error {
        S3Error::TimedOut {
            store: self.store.clone(),
            task: task.to_owned(),
        }
    }

    fn explain_answer(&self, task: &str, key: Option<&str>, facts: &Facts<'_>) -> S3Error {
        let store = self.store.clone();
        let named = facts.named_region();
        let missing = |key: &str| S3Error::NotFound {
            key: key.to_owned(),
        };
        match (facts.code, facts.status) {
            (Some("NoSuchBucket"), _) => S3Error::BucketMissing {
                bucket: self.bucket.clone(),
                store,
            },
            (Some("InvalidAccessKeyId" | "XAdminUserNotFound" | "NotSignedUp"), _) => {
                S3Error::KeyUnknown { store }
            }
            (Some("SignatureDoesNotMatch"), _) => S3Error::SignatureMismatch { store },
            (Some("RequestTimeTooSkewed"), _) => S3Error::ClockSkew { store },
            (Some("AuthorizationHeaderMalformed"), _)
                if named.is_none() && !facts.message.contains("region") =>
            {
                self.refused(task, facts)
            }
            (None, 301 | 302 | 303 | 307 | 308)
                if named.is_none() && facts.elsewhere().is_some() =>
            {
                let location = self.cleared(&facts.elsewhere().unwrap_or_default());
                S3Error::Redirected { store, location }
            }
            (
                Some(
                    "PermanentRedirect"
                    | "TemporaryRedirect"
                    | "AuthorizationHeaderMalformed"
                    | "IllegalLocationConstraintException",
                ),
                _,
            )
            | (_, 301 | 307 | 308) => S3Error::WrongRegion {
                region: self.learnt.home().wrong(named.as_deref()),
                expected: named,
            },
            (Some("NoSuchUpload"), _) => self.refused(task, facts),
            (Some("NoSuchKey" | "NotFound"), _) if key.is_some() => {
                missing(key.unwrap_or_default())
            }
            (None, 404) if key.is_some() && facts.body.is_empty() => {
                missing(key.unwrap_or_default())
            }
            (Some("Unauthorized"), 401)
            | (Some("AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "Forbidden"), _)
            | (None, 401 | 403) => S3Error::AccessDenied {
                store,
                task: task.to_owned(),
            },
            (Some(_), _) => self.refused(task, facts),
            (None, 500..) => self.refused(task, facts),
            (None, status) => self.not_s3(task, status),
        }
    }

    /// That something is not allowed, as told in the middle of a good answer.
    pub(super) fn denied(&self, task: &str) -> S3Error {
        S3Error::AccessDenied {
            store: self.store.clone(),
            task: task.to_owned(),
        }
    }

    /// The store's URL.
    pub(super) fn store(&self) -> &str {
        &self.store
    }

    fn refused(&self, task: &str, facts: &Facts<'_>) -> S3Error {
        S3Error::Refused {
            task: task.to_owned(),
            status: facts.status,
            code: self.cleared(facts.code.unwrap_or("no code")),
            message: self.cleared(facts.message),
        }
    }

    pub(super) fn not_s3(&self, task: &str, status: u16) -> S3Error {
        S3Error::NotS3 {
            store: self.store.clone(),
            task: task.to_owned(),
            status,
        }
    }

    fn interrupted(&self, task: &str, what: &str) -> S3Error {
        S3Error::Interrupted {
            store: self.store.clone(),
            task: task.to_owned(),
            cause: Cause(what.to_owned()),
        }
    }

    /// The chain of messages behind an error, each once.
    fn cause(&self, error: &(dyn Error + 'static)) -> Cause {
        let mut texts: Vec<String> = Vec::new();
        for error in chain(error).skip(1) {
            let text = error.to_string();
            if !texts.iter().any(|known| known.contains(&text)) {
                texts.push(text);
            }
        }
        Cause(self.cleared(&texts.join(": ")))
    }

    /// A foreign text on one line, cut, and without our credentials.
    pub(super) fn cleared(&self, text: &str) -> String {
        let text = text
            .chars()
            .take(LONGEST_READ)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let text = self.learnt.keys().cleared(text);
        match text.char_indices().nth(LONGEST_MESSAGE) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text,
        }
    }
}

impl<'a> Facts<'a> {
    pub(super) fn of<E: ProvideErrorMetadata>(error: &'a SdkError<E, HttpResponse>) -> Self {
        let metadata = error.as_service_error().map(ProvideErrorMetadata::meta);
        let response = error.raw_response();
        Self {
            status: response.map_or(0, |response| response.status().as_u16()),
            code: metadata.and_then(|metadata| metadata.code()),
            message: metadata
                .and_then(|metadata| metadata.message())
                .unwrap_or_default(),
            body: response
                .and_then(|response| response.body().bytes())
                .unwrap_or_default(),
            region_header: response
                .and_then(|response| response.headers().get("x-amz-bucket-region")),
            location: response.and_then(|response| response.headers().get("location")),
        }
    }

    /// The region that the store would have liked better, wherever it says so.
    fn named_region(&self) -> Option<String> {
        region::named(self.region_header, self.body)
    }

    /// Where an answer sends us that is about no region: to another address of the store, or away from it.
    fn elsewhere(&self) -> Option<String> {
        let location = self.location?;
        let whole = location.starts_with("http://") || location.starts_with("https://");
        let end = location.match_indices('/').nth(2).map(|(at, _)| at);
        (whole && !location.contains('@'))
            .then(|| shown(&location[..end.unwrap_or(location.len())]))
    }
}

/// Whether a connection's error stays, however often one tries.
pub(super) fn is_permanent(error: &ConnectorError, reached: bool) -> bool {
    if find::<rustls::Error>(error).is_some() || error.is_user() {
        return true;
    }
    let in_connecting = find::<Unresolved>(error).is_some()
        || (error.is_timeout() && find::<Silence>(error).is_none())
        || find::<io::Error>(error).is_some_and(|error| is_unreachable(error.kind()));
    in_connecting && !reached
}

fn is_unreachable(kind: io::ErrorKind) -> bool {
    use io::ErrorKind;
    matches!(
        kind,
        ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable
            | ErrorKind::TimedOut
    )
}

fn tls_reason(error: &rustls::Error) -> TlsReason {
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            // A signature that does not fit: an authority of the same name with another key, as after it was made anew.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                TlsReason::UntrustedIssuer
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsReason::NameMismatch
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                TlsReason::Expired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsReason::NotYetValid
            }
            // The library gives this case no variant of its own.
            other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
                TlsReason::AuthorityAsServer
            }
            _ => TlsReason::Other,
        },
        rustls::Error::InvalidMessage(_) => TlsReason::NotTls,
        _ => TlsReason::Other,
    }
}

pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref::<E>())
}

/// An error and all that lies behind it. An I/O error's own `source` would pass over the error that it wraps.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        wrapped
            .map(|inner| inner as &(dyn Error + 'static))
            .or_else(|| error.source())
    })
}
