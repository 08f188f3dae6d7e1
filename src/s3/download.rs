//! An object on its way in.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::bucket::Bucket;
use super::error::S3Error;

/// An object's bytes as they come, never more than one piece of them in memory.
///
/// The end is reported only after as many bytes as the store had announced: a connection cut half-way is an error.
#[derive(Debug)]
pub struct Download {
    bucket: Bucket,
    key: String,
    size: Option<u64>,
    etag: Option<String>,
    body: ByteStream,
    received: u64,
}

impl Download {
    pub(super) fn new(
        bucket: Bucket,
        key: &str,
        size: Option<u64>,
        etag: Option<String>,
        body: ByteStream,
    ) -> Self {
        Self {
            bucket,
            key: key.to_owned(),
            size,
            etag,
            body,
            received: 0,
        }
    }

    /// The size that the store announced.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// The store's tag of the content, without quotes.
    #[must_use]
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The next bytes, or nothing at the object's true end.
    ///
    /// Waits no longer than [`Limits::silence`](super::Limits::silence) for them.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, S3Error> {
        let task = || format!("read {}", self.key);
        let waited = tokio::time::timeout(self.bucket.limits().silence, self.body.next()).await;
        let chunk = match waited {
            Err(_) => return Err(self.bucket.scene().timed_out(&task())),
            Ok(Some(Err(error))) => return Err(self.bucket.scene().explain_body(&task(), &error)),
            Ok(Some(Ok(chunk))) => Some(chunk),
            Ok(None) => None,
        };
        if let Some(chunk) = &chunk {
            let shared = self.bucket.shared();
            shared.retries.succeeded();
            shared.download.pass(chunk.len()).await;
            self.received += chunk.len() as u64;
        }
        let ended = chunk.is_none();
        match self.size {
            Some(size) if self.received > size || (ended && self.received < size) => {
                Err(S3Error::Truncated {
                    key: self.key.clone(),
                    found: self.received,
                    expected: size,
                })
            }
            _ => Ok(chunk),
        }
    }

    /// The whole object, or an error when it is larger than `most` bytes.
    pub async fn collect(mut self, most: usize) -> Result<Vec<u8>, S3Error> {
        let too_large = |key: &str| S3Error::TooLarge {
            key: key.to_owned(),
            capacity: most as u64,
        };
        if self.size.is_some_and(|size| size > most as u64) {
            return Err(too_large(&self.key));
        }
        let mut content = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if content.len() + chunk.len() > most {
                return Err(too_large(&self.key));
            }
            content.extend_from_slice(&chunk);
        }
        Ok(content)
    }
}
