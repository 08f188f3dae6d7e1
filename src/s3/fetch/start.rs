//! The first bytes of an object, and what it is.

use super::source::{Body, Source};
use crate::s3::bucket::{Bucket, unquoted};
use crate::s3::error::S3Error;

/// The beginning of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The first bytes: as many as were asked for, or all that there are.
    pub bytes: Vec<u8>,
    /// The whole object's size.
    pub size: u64,
    /// The store's tag of the content, without quotes, if it gave a strong one.
    pub etag: Option<String>,
}

impl Bucket {
    /// Reads the first bytes of an object in one request.
    ///
    /// A store that gives the whole object instead is listened to no longer than for these.
    pub async fn start(&self, key: &str, bytes: u64) -> Result<Start, S3Error> {
        let (source, Body { mut stream, .. }) = Source::begin(self, key, bytes).await?;
        let wanted = source.size.min(bytes);
        let mut first = Vec::new();
        while (first.len() as u64) < wanted {
            let waited = tokio::time::timeout(self.limits().silence, stream.next()).await;
            match waited {
                Err(_) => return Err(self.scene().timed_out(&source.task())),
                Ok(Some(Err(error))) => {
                    return Err(self.scene().explain_body(&source.task(), &error));
                }
                Ok(Some(Ok(chunk))) => {
                    self.shared().download.pass(chunk.len()).await;
                    first.extend_from_slice(&chunk);
                }
                Ok(None) => return Err(source.truncated(first.len() as u64)),
            }
        }
        first.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        Ok(Start {
            bytes: first,
            size: source.size,
            etag: source.tag.as_deref().map(unquoted),
        })
    }
}
