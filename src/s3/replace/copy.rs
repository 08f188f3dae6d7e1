//! Parts that the store copies by itself from the object that is there.

use std::ops::Range;

use super::super::bucket::Bucket;
use super::super::client::Manner;
use super::super::error::S3Error;
use super::super::target::{Sent, Target};

impl Bucket {
    /// The class that an object is stored in, unless it is the usual one.
    pub(super) async fn class_of(&self, key: &str) -> Result<Option<String>, S3Error> {
        let task = format!("look at {key}");
        let call = self
            .client()
            .head_object()
            .bucket(self.name())
            .key(self.full(key));
        let sent = call
            .customize()
            .config_override(self.manner(Manner::Control, &task))
            .send()
            .await;
        let answer = sent.map_err(|error| self.explain(&task, Some(key), &error))?;
        Ok(answer.storage_class.map(|class| class.as_str().to_owned()))
    }
}

impl Target {
    /// Has the store make a part of bytes of the object whose place the upload is to take, if it has still this tag.
    pub(super) async fn copy(
        &self,
        number: usize,
        span: Range<u64>,
        tag: &str,
    ) -> Result<Sent, S3Error> {
        let task = format!("copy part {number} of {}", self.key);
        let bucket = &self.bucket;
        let call = bucket
            .client()
            .upload_part_copy()
            .bucket(bucket.name())
            .key(bucket.full(&self.key))
            .upload_id(&self.id)
            .part_number(i32::try_from(number).unwrap_or(i32::MAX));
        let call = call
            .copy_source(source(bucket, &self.key))
            .copy_source_range(format!("bytes={}-{}", span.start, span.end - 1))
            .copy_source_if_match(format!("\"{tag}\""));
        let sent = call
            .customize()
            .config_override(bucket.manner(Manner::Complete, &task))
            .send()
            .await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => {
                let status = error.raw_response().map(|answer| answer.status().as_u16());
                return Err(match status {
                    Some(412) => S3Error::Replaced {
                        key: self.key.clone(),
                    },
                    _ => bucket.explain(&task, None, &error),
                });
            }
        };
        // What takes it for an ordinary part, and an empty one, says nothing of a copy.
        let copied = answer.copy_part_result;
        let etag = copied.and_then(|copied| copied.e_tag);
        match etag {
            None => Err(bucket.scene().not_s3(&task, 200)),
            etag => Ok(Sent {
                number,
                etag,
                sum: None,
            }),
        }
    }

    /// The sizes of the parts that the store holds, in their order; there are never more than a page of them.
    pub(super) async fn sizes(&self) -> Result<Vec<u64>, S3Error> {
        let bucket = &self.bucket;
        let task = format!("list the parts of {}", self.key);
        let call = bucket
            .client()
            .list_parts()
            .bucket(bucket.name())
            .key(bucket.full(&self.key))
            .upload_id(&self.id);
        let sent = call
            .customize()
            .config_override(bucket.manner(Manner::Control, &task))
            .send()
            .await;
        let answer = sent.map_err(|error| bucket.explain(&task, None, &error))?;
        let mut parts: Vec<(i32, u64)> = answer
            .parts()
            .iter()
            .map(|part| {
                let size = part.size().and_then(|size| u64::try_from(size).ok());
                (
                    part.part_number().unwrap_or_default(),
                    size.unwrap_or_default(),
                )
            })
            .collect();
        parts.sort_unstable();
        Ok(parts.into_iter().map(|(_, size)| size).collect())
    }
}

/// The object as a header names it: bucket and key, with everything escaped that a path may not hold.
fn source(bucket: &Bucket, key: &str) -> String {
    let name = format!("{}/{}", bucket.name(), bucket.full(key));
    name.bytes()
        .map(|byte| match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
