//! Small writes: objects in one request, and deletions.

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{
    Builder, ConfigBag, Intercept, RequestChecksumCalculation, RuntimeComponents,
};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future;
use md5::{Digest as _, Md5};

use super::bucket::{Bucket, unbuilt, unquoted};
use super::checksum::Sum;
use super::client::Manner;
use super::error::S3Error;
use super::parts::Digests;

/// The most keys that a store takes in one deletion.
const DELETED_AT_ONCE: usize = 1000;
/// Deletions on their way at a time, where a store takes them one by one only.
const AT_A_TIME: usize = 8;

/// What came of a deletion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Deletion {
    /// How many of the keys are gone now, whether or not they were there.
    pub deleted: usize,
    /// The keys that the store kept.
    pub failed: Vec<Undeleted>,
}

/// An object that the store did not delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undeleted {
    /// The key, relative to the relation's path.
    pub key: String,
    /// The store's error code.
    pub code: String,
}

impl Deletion {
    fn add(&mut self, asked: usize, failed: Vec<Undeleted>) {
        self.deleted += asked.saturating_sub(failed.len());
        self.failed.extend(failed);
    }
}

/// Keeps the SDK from adding a checksum of its own choice.
pub(super) fn only(sum: Sum, config: Builder) -> Builder {
    match sum {
        Sum::Crc32c | Sum::Crc64Nvme => config,
        Sum::Md5 | Sum::None => {
            config.request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        }
    }
}

impl Bucket {
    /// Writes a small object in one request and gives its tag.
    ///
    /// The bytes travel with the checksum that the store takes, and the tag is held against their MD5 where it is one.
    pub async fn put(&self, key: &str, content: Bytes) -> Result<Option<String>, S3Error> {
        self.put_patiently(key, content, Manner::Control).await
    }

    /// The same for an object on which a long run depends: it is tried as patiently as a part.
    pub async fn commit(&self, key: &str, content: Bytes) -> Result<Option<String>, S3Error> {
        self.put_patiently(key, content, Manner::Data).await
    }

    async fn put_patiently(
        &self,
        key: &str,
        content: Bytes,
        manner: Manner,
    ) -> Result<Option<String>, S3Error> {
        let mut search = self.search();
        loop {
            match self
                .put_once(key, content.clone(), manner, search.sum)
                .await
            {
                Ok(tag) => {
                    search.taken();
                    return Ok(tag);
                }
                Err(error) => search.refused(error)?,
            }
        }
    }

    async fn put_once(
        &self,
        key: &str,
        content: Bytes,
        manner: Manner,
        sum: Sum,
    ) -> Result<Option<String>, S3Error> {
        let task = format!("write {key}");
        let digests = Digests::of(&content, sum);
        let call = self
            .client()
            .put_object()
            .bucket(self.name())
            .key(self.full(key));
        let call = call
            .set_checksum_crc32_c(digests.value(Sum::Crc32c))
            .set_checksum_crc64_nvme(digests.value(Sum::Crc64Nvme))
            .set_content_md5(digests.content_md5())
            .body(ByteStream::from(content));
        let sent = call
            .customize()
            .config_override(only(sum, self.manner(manner, &task)))
            .send()
            .await;
        let answer = sent.map_err(|error| self.explain(&task, None, &error))?;
        let encrypted = answer.server_side_encryption().is_some();
        let told = match sum {
            Sum::Crc32c => answer.checksum_crc32_c(),
            Sum::Crc64Nvme => answer.checksum_crc64_nvme(),
            Sum::Md5 | Sum::None => None,
        };
        if !digests.agree(answer.e_tag(), told, encrypted) {
            return Err(S3Error::PartAltered {
                key: key.to_owned(),
                part: 1,
            });
        }
        Ok(answer.e_tag().map(unquoted))
    }

    /// Deletes objects, up to a thousand a request; a missing one counts as deleted.
    ///
    /// A failed request ends it with an error; objects that the store keeps are told one by one. A store that knows no
    /// deletion of several is asked for each.
    pub async fn delete<K: AsRef<str>>(&self, keys: &[K]) -> Result<Deletion, S3Error> {
        let mut outcome = Deletion::default();
        let mut singly = false;
        for batch in keys.chunks(DELETED_AT_ONCE) {
            if singly {
                let failed = self.delete_singly(batch).await?;
                outcome.add(batch.len(), failed);
                continue;
            }
            let mut search = self.search();
            let failed = loop {
                match self.delete_batch(batch, search.sum).await {
                    Ok(failed) => {
                        search.taken();
                        break failed;
                    }
                    Err(error) => match search.refused_clearly(error) {
                        Ok(()) => (),
                        Err(error) if knows_no_batch(&error) => {
                            tracing::debug!(%error, "the store deletes objects one by one");
                            singly = true;
                            break self.delete_singly(batch).await?;
                        }
                        Err(error) => return Err(error),
                    },
                }
            };
            outcome.add(batch.len(), failed);
        }
        Ok(outcome)
    }

    async fn delete_singly<K: AsRef<str>>(&self, keys: &[K]) -> Result<Vec<Undeleted>, S3Error> {
        let mut kept = Vec::new();
        for some in keys.chunks(AT_A_TIME) {
            let mut deletions = Vec::with_capacity(some.len());
            for key in some {
                deletions.push(self.delete_one(key.as_ref().to_owned()));
            }
            kept.extend(future::try_join_all(deletions).await?.into_iter().flatten());
        }
        Ok(kept)
    }

    /// Deletes one object; tells when the store keeps just this one.
    async fn delete_one(&self, key: String) -> Result<Option<Undeleted>, S3Error> {
        let task = format!("delete {key}");
        let call = self
            .client()
            .delete_object()
            .bucket(self.name())
            .key(self.full(&key));
        let sent = call
            .customize()
            .config_override(self.manner(Manner::Control, &task))
            .send()
            .await;
        let Err(error) = sent else { return Ok(None) };
        match self.explain(&task, Some(&key), &error) {
            S3Error::NotFound { .. } => Ok(None),
            S3Error::AccessDenied { .. } => Ok(Some(Undeleted {
                key,
                code: "AccessDenied".to_owned(),
            })),
            other => Err(other),
        }
    }

    async fn delete_batch<K: AsRef<str>>(
        &self,
        keys: &[K],
        sum: Sum,
    ) -> Result<Vec<Undeleted>, S3Error> {
        let task = "delete objects";
        let identifiers: Result<Vec<_>, _> = keys
            .iter()
            .map(|key| {
                ObjectIdentifier::builder()
                    .key(self.full(key.as_ref()))
                    .build()
            })
            .collect();
        let delete = identifiers.and_then(|objects| {
            Delete::builder()
                .set_objects(Some(objects))
                .quiet(true)
                .build()
        });
        let delete = delete.map_err(|error| self.explain(task, None, &unbuilt(error)))?;
        let call = self
            .client()
            .delete_objects()
            .bucket(self.name())
            .delete(delete)
            .set_checksum_algorithm(sum.algorithm());
        let call = call
            .customize()
            .config_override(self.manner(Manner::Control, task));
        // A deletion has to come with one of them.
        let call = match sum {
            Sum::Crc32c | Sum::Crc64Nvme => call,
            Sum::Md5 | Sum::None => call.interceptor(Md5Instead),
        };
        let sent = call.send().await;
        let answer = sent.map_err(|error| self.explain(task, None, &error))?;
        let kept = answer
            .errors()
            .iter()
            .filter(|error| error.code() != Some("NoSuchKey"));
        Ok(kept
            .map(|error| Undeleted {
                key: self
                    .scene()
                    .cleared(self.relative(error.key().unwrap_or_default())),
                code: self.scene().cleared(error.code().unwrap_or("no code")),
            })
            .collect())
    }
}

/// Whether a store has refused to delete several objects at a time because it does not know how to.
fn knows_no_batch(error: &S3Error) -> bool {
    matches!(
        error,
        S3Error::Refused {
            status: 405 | 501,
            ..
        } | S3Error::NotS3 {
            status: 405 | 501,
            ..
        }
    )
}

/// Sends a request with its `Content-MD5` in the place of the checksum that the SDK adds by itself.
#[derive(Debug)]
struct Md5Instead;

impl Intercept for Md5Instead {
    fn name(&self) -> &'static str {
        "an MD5 instead of a checksum"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let digest = STANDARD.encode(Md5::digest(request.body().bytes().unwrap_or_default()));
        let headers = request.headers_mut();
        headers.remove("x-amz-sdk-checksum-algorithm");
        headers.remove("x-amz-checksum-crc32");
        headers.insert("content-md5", digest);
        Ok(())
    }
}
