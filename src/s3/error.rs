//! What can go wrong between us and a store, in kinds that an operator can act upon.

use std::fmt;

/// Why a store did not do what was asked.
///
/// No text holds a credential or a signed header, whatever the store has put into its answer.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// There is no such bucket.
    #[error("bucket {bucket} does not exist at {store}")]
    BucketMissing {
        /// The bucket's name.
        bucket: String,
        /// The store's URL.
        store: String,
    },
    /// The credentials are good and do not allow this; some stores also say so of a key they do not know.
    #[error("{store} does not allow to {task}")]
    AccessDenied {
        /// The store's URL.
        store: String,
        /// What was tried.
        task: String,
    },
    /// The store knows no such access key.
    #[error("{store} does not know the access key")]
    KeyUnknown {
        /// The store's URL.
        store: String,
    },
    /// The secret key is not the one that belongs to the access key.
    #[error("{store} refuses the secret key")]
    SignatureMismatch {
        /// The store's URL.
        store: String,
    },
    /// The store's name, or the proxy's, does not resolve.
    #[error("host name {host} does not resolve")]
    Dns {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        cause: Cause,
    },
    /// No connection came about: refused, no route, or no answer in time.
    #[error("{store} cannot be reached")]
    Unreachable {
        /// The store's URL.
        store: String,
        /// What the system said.
        #[source]
        cause: Cause,
    },
    /// A connection came about, and no trust in it.
    #[error("no trusted connection to {store}: {reason}")]
    Tls {
        /// The store's URL.
        store: String,
        /// What is wrong, as far as it is known.
        reason: TlsReason,
        /// What the TLS library said.
        #[source]
        cause: Cause,
    },
    /// The store fell silent.
    #[error("{store} did not answer in time to {task}")]
    TimedOut {
        /// The store's URL.
        store: String,
        /// What was tried.
        task: String,
    },
    /// The bucket lives in another region, or the store has another name for its own.
    #[error("region {region} is not the bucket's{}", .expected.as_ref().map(|name| format!(", which is {name}")).unwrap_or_default())]
    WrongRegion {
        /// The region that was used.
        region: String,
        /// The region that the store named.
        expected: Option<String>,
    },
    /// What answered sends us to another address.
    #[error("{store} sends us to {location}")]
    Redirected {
        /// The store's URL.
        store: String,
        /// The address, without its path.
        location: String,
    },
    /// The clocks of this machine and of the store are too far apart.
    #[error("the clocks of this machine and of {store} differ too much")]
    ClockSkew {
        /// The store's URL.
        store: String,
    },
    /// There is no such object.
    #[error("object {key} does not exist")]
    NotFound {
        /// The object's key, relative to the relation's path.
        key: String,
    },
    /// The store refused in words of its own.
    #[error("store refused to {task}: {code} ({status}){}{message}", if .message.is_empty() { "" } else { ": " })]
    Refused {
        /// What was tried.
        task: String,
        /// The HTTP status.
        status: u16,
        /// The store's error code.
        code: String,
        /// The store's message, cut and cleared of credentials.
        message: String,
    },
    /// What answered is no S3 store, or one that does not know this call.
    #[error("{store} did not answer as an S3 store to {task} (status {status})")]
    NotS3 {
        /// The store's URL.
        store: String,
        /// What was tried.
        task: String,
        /// The HTTP status, 0 when there was none.
        status: u16,
    },
    /// The store's answer went on and on.
    #[error("{store} answered without an end to {task}: more than {limit} bytes")]
    Endless {
        /// The store's URL.
        store: String,
        /// What was tried.
        task: String,
        /// The most bytes that are read of such an answer.
        limit: u64,
    },
    /// The connection broke.
    #[error("connection to {store} broke while trying to {task}")]
    Interrupted {
        /// The store's URL.
        store: String,
        /// What was tried.
        task: String,
        /// What the system said.
        #[source]
        cause: Cause,
    },
    /// An object's bytes ended too early, or did not end where they should.
    #[error("object {key} has {found} bytes where {expected} were announced")]
    Truncated {
        /// The object's key.
        key: String,
        /// The bytes that came.
        found: u64,
        /// The bytes that were announced.
        expected: u64,
    },
    /// The object under this key is another one than the one whose reading began.
    #[error("{key} was replaced while it was being read")]
    Replaced {
        /// The object's key.
        key: String,
    },
    /// The store answered with other bytes of an object than it was asked for.
    #[error("store answered with {found} of {key} where {asked} was asked for")]
    RangeAltered {
        /// The object's key.
        key: String,
        /// The range that was asked for, as in the request.
        asked: String,
        /// What the store said that it gave.
        found: String,
    },
    /// The store holds other bytes than those that were sent: its digest of a part is not ours.
    #[error("store has other bytes than were sent: part {part} of {key}")]
    PartAltered {
        /// The object's key.
        key: String,
        /// The part's number.
        part: usize,
    },
    /// The store confirmed a part without the tag by which it is named later.
    #[error("store gave no tag for part {part} of {key}")]
    Untagged {
        /// The object's key.
        key: String,
        /// The part's number.
        part: usize,
    },
    /// The store put an object of another size together than was sent, or none.
    #[error("store has {} bytes of {key} where {expected} were sent", .found.map_or("no".to_owned(), |size| size.to_string()))]
    SizeAltered {
        /// The object's key.
        key: String,
        /// The bytes that were sent.
        expected: u64,
        /// The bytes that the store has, or nothing when it has no such object.
        found: Option<u64>,
    },
    /// More was written than the upload's parts can hold.
    #[error("upload of {key} would pass its capacity of {capacity} bytes")]
    TooLarge {
        /// The object's key.
        key: String,
        /// What the plan can hold.
        capacity: u64,
    },
    /// The upload had failed before, so it takes no more.
    #[error("upload of {key} has failed before")]
    UploadFailed {
        /// The object's key.
        key: String,
    },
}

/// Why a store's certificate, or its whole TLS, is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsReason {
    /// Nobody whom we trust vouches for it.
    UntrustedIssuer,
    /// It vouches for itself, and is not among those that we trust.
    SelfSigned,
    /// It was made out to other names.
    NameMismatch,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// A certificate of an authority is used as a server's own.
    AuthorityAsServer,
    /// What answered does not speak TLS.
    NotTls,
    /// Something else, told by the cause.
    Other,
}

/// What lies behind an error, as text: the chain of the libraries' own messages, cleared of credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause(pub(super) String);

impl S3Error {
    /// What an operator can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::BucketMissing { bucket, .. } => format!("create bucket {bucket}, or correct bucket at the S3 integrator"),
            Self::AccessDenied { .. } => {
                "allow the key to list, read, write and delete in the bucket, or correct access-key and secret-key".into()
            }
            Self::KeyUnknown { .. } => "correct access-key at the S3 integrator".into(),
            Self::SignatureMismatch { .. } => "correct secret-key at the S3 integrator".into(),
            Self::Dns { host, .. } => format!("correct endpoint (or the model's proxy), or make {host} known to DNS"),
            Self::Unreachable { .. } => "correct endpoint, or open the way to it (port, firewall, proxy)".into(),
            Self::Tls { reason, .. } => reason.hint().into(),
            Self::TimedOut { .. } => "check that the store is well and that endpoint is the right one".into(),
            Self::WrongRegion { expected: Some(name), .. } => format!("set region={name} at the S3 integrator"),
            Self::WrongRegion { expected: None, .. } => "set region to the bucket's own at the S3 integrator".into(),
            Self::Redirected { location, .. } => format!("set endpoint={location} at the S3 integrator"),
            Self::ClockSkew { .. } => "set the clock of this machine's node, or the store's".into(),
            Self::NotFound { .. } => "list the backups and check the name".into(),
            Self::Refused { code, status, .. } => refused(code, *status).into(),
            Self::NotS3 { .. } | Self::Endless { .. } => "correct endpoint (scheme, host, port); it must be the store's S3 port".into(),
            Self::Interrupted { .. } => "check the network and the store, then try again".into(),
            Self::Replaced { .. } => "find out who else writes to the bucket, list the backups, then try again".into(),
            Self::Untagged { .. } => "try again; if it stays, look for a proxy that takes the header ETag away".into(),
            Self::Truncated { .. } | Self::RangeAltered { .. } | Self::PartAltered { .. } | Self::SizeAltered { .. } => {
                "try again; if it stays, do not trust this store or what lies between".into()
            }
            Self::TooLarge { .. } => "try again: the source grew while it was read".into(),
            Self::UploadFailed { .. } => "see the first error, then try again".into(),
        }
    }
}

/// What can be done about a refusal that has a name.
fn refused(code: &str, status: u16) -> &'static str {
    match (code, status) {
        ("ExpiredToken" | "ExpiredTokenException" | "InvalidToken" | "TokenRefreshRequired", _) => {
            "give new keys, with the session token that belongs to them, at the S3 integrator"
        }
        ("QuotaExceeded" | "InsufficientStorage" | "InsufficientCapacity", _) | (_, 507) => {
            "give the store, or this key's quota, more room"
        }
        ("SlowDown" | "ServiceUnavailable" | "TooManyRequests", _) | (_, 429 | 503) => {
            "the store is busy: try again later, with backup_parallelism or backup_upload_limit lower if it stays"
        }
        ("InvalidObjectState", _) => {
            "bring the object back from the archive of the store, and set a storage class that can be read at once"
        }
        _ => "see the store's message and its log",
    }
}

impl TlsReason {
    fn hint(&self) -> &'static str {
        match self {
            Self::UntrustedIssuer => {
                "give the certificate of the store's authority as tls-ca-chain"
            }
            Self::SelfSigned => "give that very certificate as tls-ca-chain",
            Self::NameMismatch => {
                "use a name in endpoint that the store's certificate holds, or s3-uri-style=path"
            }
            Self::Expired => "renew the store's certificate",
            Self::NotYetValid => "check the clocks, and when the store's certificate begins",
            Self::AuthorityAsServer => {
                "give the store a server certificate that its authority signed, or a self-signed one that is no authority's (basicConstraints=CA:FALSE)"
            }
            Self::NotTls => "write http:// in endpoint, or correct its port",
            Self::Other => "check the store's certificate and tls-ca-chain",
        }
    }
}

impl fmt::Display for TlsReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UntrustedIssuer => "its certificate comes from an unknown issuer",
            Self::SelfSigned => "its certificate is self-signed",
            Self::NameMismatch => "its certificate is for another name",
            Self::Expired => "its certificate has expired",
            Self::NotYetValid => "its certificate is not valid yet",
            Self::AuthorityAsServer => "it shows an authority's certificate as its own",
            Self::NotTls => "it does not speak TLS",
            Self::Other => "the handshake failed",
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Cause {}
