//! Whether a store holds what it is sent against the checksum that comes with it.
//!
//! Where it does, a part that was taken is the part that was sent, and its MD5 need not be held against the tag: an MD5 takes
//! longer than the encryption. But some stores take any checksum unread, so nobody is believed: before the first large upload
//! of a run, the store is sent a part with the checksum of other bytes, in an upload of its own that is given up again. Only
//! one that refuses it for that reason has shown that it looks.

use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use tokio::sync::OnceCell;

use super::bucket::Bucket;
use super::checksum::Sum;
use super::client::Manner;
use super::error::S3Error;
use super::parts::Digests;
use super::target::{Target, Terms};
use super::write::only;

/// What is sent, and what it is said to be.
const SENT: &[u8] = b"not what the checksum says";
const SAID: &[u8] = b"what the checksum says";

/// The number of that part, which no part of a backup has.
const NUMBER: i32 = 1000;

/// Error codes of a body that is not what its checksum says.
const NOTICED: [&str; 3] = ["BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch"];

/// What was found out about a store; all clones of a bucket know it.
#[derive(Debug, Clone, Default)]
pub(super) struct Scrutiny(Arc<OnceCell<bool>>);

impl Bucket {
    /// Whether the store refuses a part that does not fit its checksum; asked at most once, on the way to `key`.
    pub(super) async fn scrutinises(&self, key: &str) -> bool {
        let Scrutiny(known) = &self.shared().scrutiny;
        *known.get_or_init(|| self.try_out(key)).await
    }

    async fn try_out(&self, key: &str) -> bool {
        if self.sum().algorithm().is_none() {
            return false;
        }
        let terms = Terms {
            copied: false,
            class: None,
        };
        let Ok(target) = Target::begin(self, key, terms).await else {
            // What is wrong will be told by the upload itself.
            return false;
        };
        let noticed = self.lie(&target).await;
        if let Err(error) = target.abort().await {
            tracing::warn!(key, %error, "the upload that tried the store out stays open");
        }
        tracing::debug!(noticed, "tried whether the store looks at checksums");
        noticed
    }

    async fn lie(&self, target: &Target) -> bool {
        let sum = target.sum();
        let said = Digests::of(SAID, sum);
        let task = format!("try out the checksum of {}", target.key);
        let call = self
            .client()
            .upload_part()
            .bucket(self.name())
            .key(self.full(&target.key))
            .upload_id(&target.id)
            .part_number(NUMBER);
        let sent = call
            .set_checksum_crc32_c(said.value(Sum::Crc32c))
            .set_checksum_crc64_nvme(said.value(Sum::Crc64Nvme))
            .body(ByteStream::from_static(SENT))
            .customize()
            .config_override(only(sum, self.manner(Manner::Once, &task)))
            .send()
            .await;
        match sent {
            Ok(_) => false,
            Err(error) => is_noticed(&self.explain(&task, None, &error)),
        }
    }
}

fn is_noticed(error: &S3Error) -> bool {
    matches!(error, S3Error::Refused { status: 400..=499, code, .. } if NOTICED.contains(&&**code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_for_that_reason_shows_that_a_store_looks() {
        let refused = |status, code: &str| S3Error::Refused {
            task: "try".to_owned(),
            status,
            code: code.to_owned(),
            message: String::new(),
        };
        for (status, code, noticed) in [
            (400, "BadDigest", true),
            (400, "XAmzContentChecksumMismatch", true),
            (400, "InvalidRequest", false),
            (403, "AccessDenied", false),
            (501, "NotImplemented", false),
            (503, "BadDigest", false),
        ] {
            assert_eq!(
                is_noticed(&refused(status, code)),
                noticed,
                "{code} ({status})"
            );
        }
    }
}
