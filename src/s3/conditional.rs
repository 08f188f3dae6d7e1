//! Writing an object only while nobody else has: how two writers who do not know of each other agree.

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;

use super::bucket::{Bucket, unquoted};
use super::checksum::Sum;
use super::client::Manner;
use super::error::S3Error;
use super::parts::Digests;
use super::write::only;

/// What has to hold for an object to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is none yet.
    Absent,
    /// The one that is there has this tag, as an earlier answer told it.
    Tagged(String),
}

/// Why an object was not written.
#[derive(Debug, thiserror::Error)]
pub enum ConditionError {
    /// The condition did not hold, or somebody wrote at the same moment.
    #[error("{key} is not as it was when it was looked at")]
    Unmet {
        /// The object's key.
        key: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] S3Error),
}

impl Bucket {
    /// Writes a small object if a condition holds, and gives its tag.
    ///
    /// There are stores that pass conditions over in silence, and others that refuse them; for those it is written
    /// all the same. Whoever relies on the condition has to read the object again. After a lost answer the call is
    /// repeated, and then finds its own first attempt in the way: reading again tells that, too.
    ///
    /// Ceph's gateway compares the tag with its quotes, as HTTP wants them around it, and so finds none ever the same. When a
    /// store denies a tag that the object still has, it is given the tag once more without quotes.
    pub async fn put_if(
        &self,
        key: &str,
        content: Bytes,
        condition: &Condition,
    ) -> Result<Option<String>, ConditionError> {
        let quoted = match condition {
            Condition::Absent => None,
            Condition::Tagged(tag) => Some(format!("\"{tag}\"")),
        };
        match (self.put_as(key, &content, quoted).await, condition) {
            (Err(ConditionError::Unmet { .. }), Condition::Tagged(tag))
                if self.still_has(key, tag).await? =>
            {
                self.put_as(key, &content, Some(tag.clone())).await
            }
            (outcome, _) => outcome,
        }
    }

    /// Whether the object has this tag now.
    async fn still_has(&self, key: &str, tag: &str) -> Result<bool, S3Error> {
        let found = self.stat(key).await?.and_then(|object| object.etag);
        Ok(found.as_deref() == Some(tag))
    }

    /// Writes it over the object whose tag is given in the store's own spelling, or, without one, where there is none.
    async fn put_as(
        &self,
        key: &str,
        content: &Bytes,
        tag: Option<String>,
    ) -> Result<Option<String>, ConditionError> {
        let mut search = self.search();
        loop {
            let sent = self.put_as_once(key, content, tag.clone(), search.sum);
            let error = match sent.await {
                Ok(tag) => {
                    search.taken();
                    return Ok(tag);
                }
                Err(error) => error,
            };
            let status = status(&error);
            match status {
                // 409: somebody writes right now. 404: the object whose tag was given is gone.
                Some(409 | 412) => return Err(unmet(key)),
                Some(404) if tag.is_some() => return Err(unmet(key)),
                _ => (),
            }
            let told = self.explain(&format!("write {key}"), None, &error);
            if let Err(error) = search.refused_clearly(told) {
                return match status {
                    Some(501) => Ok(self.put(key, content.clone()).await?),
                    _ => Err(error.into()),
                };
            }
        }
    }

    async fn put_as_once(
        &self,
        key: &str,
        content: &Bytes,
        tag: Option<String>,
        sum: Sum,
    ) -> Result<Option<String>, SdkError<PutObjectError, HttpResponse>> {
        let digests = Digests::of(content, sum);
        let call = self
            .client()
            .put_object()
            .bucket(self.name())
            .key(self.full(key))
            .set_checksum_crc32_c(digests.value(Sum::Crc32c))
            .set_checksum_crc64_nvme(digests.value(Sum::Crc64Nvme))
            .set_content_md5(digests.content_md5())
            .body(ByteStream::from(content.clone()));
        let call = match tag {
            None => call.if_none_match("*"),
            Some(tag) => call.if_match(tag),
        };
        let manner = self.manner(Manner::Control, &format!("write {key}"));
        let sent = call
            .customize()
            .config_override(only(sum, manner))
            .send()
            .await?;
        Ok(sent.e_tag().map(unquoted))
    }
}

fn unmet(key: &str) -> ConditionError {
    let key = key.to_owned();
    ConditionError::Unmet { key }
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|answer| answer.status().as_u16())
}
