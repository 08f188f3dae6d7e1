//! What a request asks of a store, told from its method, its URL and its headers.

use hyper::{HeaderMap, Method};

/// What may be asked of a bucket besides its objects.
const SETTINGS: [&str; 8] = [
    "location",
    "versioning",
    "versions",
    "object-lock",
    "lifecycle",
    "policy",
    "policyStatus",
    "encryption",
];

/// A call of the S3 API, as far as the charm makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// `ListObjectsV2`, which is also how the charm asks for the bucket.
    ListObjects,
    /// `ListObjects`, the first version.
    ListObjectsV1,
    /// `ListMultipartUploads`.
    ListUploads,
    /// `DeleteObjects`.
    DeleteObjects,
    /// `GetObject`.
    GetObject,
    /// `HeadObject`.
    HeadObject,
    /// `PutObject`.
    PutObject,
    /// `CreateMultipartUpload`.
    CreateUpload,
    /// `UploadPart`.
    UploadPart,
    /// `UploadPart` with a number that no part of a backup has: whether the store looks at checksums.
    TryPart,
    /// `UploadPartCopy`.
    CopyPart,
    /// `ListParts`.
    ListParts,
    /// `CompleteMultipartUpload`.
    CompleteUpload,
    /// `AbortMultipartUpload`.
    AbortUpload,
    /// Any other.
    Other,
}

impl Operation {
    /// Tells the operation of a path-style request.
    #[must_use]
    pub fn of(method: &Method, path: &str, query: Option<&str>, headers: &HeaderMap) -> Self {
        let pairs = || query.unwrap_or_default().split('&');
        let asks = |asked: &str| pairs().any(|pair| pair == asked);
        let has = |name: &str| pairs().any(|pair| pair.split('=').next() == Some(name));
        let on_object = path
            .trim_start_matches('/')
            .split_once('/')
            .is_some_and(|(_, key)| !key.is_empty());
        match (method.as_str(), on_object) {
            ("GET", false) if has("uploads") => Self::ListUploads,
            ("GET", false) if has("list-type") => Self::ListObjects,
            ("GET", false) if !SETTINGS.iter().any(|name| has(name)) => Self::ListObjectsV1,
            ("POST", false) if has("delete") => Self::DeleteObjects,
            ("GET", true) if has("uploadId") => Self::ListParts,
            ("GET", true) => Self::GetObject,
            ("HEAD", true) => Self::HeadObject,
            ("PUT", true) if headers.contains_key("x-amz-copy-source") => Self::CopyPart,
            ("PUT", true) if asks("partNumber=1000") => Self::TryPart,
            ("PUT", true) if has("partNumber") => Self::UploadPart,
            ("PUT", true) => Self::PutObject,
            ("POST", true) if has("uploads") => Self::CreateUpload,
            ("POST", true) if has("uploadId") => Self::CompleteUpload,
            ("DELETE", true) if has("uploadId") => Self::AbortUpload,
            _ => Self::Other,
        }
    }
}
