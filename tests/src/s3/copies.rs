//! Parts that the store copies by itself, and what it tells of parts.

use std::io::SeekFrom;

use futures_util::stream;
use s3s::dto::*;
use s3s::{S3Response, S3Result, s3_error};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::shelf::{broken, hex};
use super::store::{Store, length, piece, strong, unmet, well};

impl Store {
    pub(super) async fn upload_part_copy_of(
        &self,
        input: UploadPartCopyInput,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "only objects are copied"));
        };
        let found = self.shelf.find(bucket, key)?;
        if let Some(ETagCondition::ETag(wanted)) = &input.copy_source_if_match
            && wanted.value() != self.shelf.tag(&found.path)?.etag
        {
            return Err(unmet());
        }
        let invalid = || s3_error!(InvalidArgument, "The range specified is not valid");
        let range = match &input.copy_source_range {
            None => 0..found.size,
            Some(text) => {
                let range = Range::parse(text).map_err(|_| invalid())?;
                range.check(found.size).map_err(|_| invalid())?
            }
        };
        let mut file = tokio::fs::File::open(&found.path).await.map_err(broken)?;
        file.seek(SeekFrom::Start(range.start))
            .await
            .map_err(broken)?;
        let bytes = stream::try_unfold(file.take(range.end - range.start), piece);
        let received = self.shelf.receive(Some(StreamingBlob::wrap(bytes))).await?;
        self.uploads
            .check(&input.upload_id, &input.bucket, &input.key)?;
        let tag = hex(&received.md5);
        self.uploads
            .add(&input.upload_id, input.part_number, received)?;
        well(UploadPartCopyOutput {
            copy_part_result: Some(CopyPartResult {
                e_tag: strong(&tag),
                ..Default::default()
            }),
            ..Default::default()
        })
    }

    pub(super) async fn list_parts_of(
        &self,
        input: ListPartsInput,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        self.uploads
            .check(&input.upload_id, &input.bucket, &input.key)?;
        let sizes = self.uploads.sizes(&input.upload_id);
        let parts = sizes.into_iter().map(|(number, size)| Part {
            part_number: Some(number),
            size: length(size),
            ..Default::default()
        });
        well(ListPartsOutput {
            parts: Some(parts.collect()),
            is_truncated: Some(false),
            ..Default::default()
        })
    }
}
