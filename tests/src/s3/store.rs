//! The store's answers to the calls of the S3 API.

use std::io::SeekFrom;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use s3s::dto::*;
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::quirks::{Quirk, Quirks};
use super::shelf::{Shelf, Tag, broken, hex};
use super::uploads::Uploads;

/// A store over a shelf.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pub(super) shelf: Arc<Shelf>,
    pub(super) uploads: Arc<Uploads>,
    pub(super) quirks: Quirks,
}

/// Marks a request whose range is passed over.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoRange;

pub(super) fn strong(tag: &str) -> Option<ETag> {
    Some(ETag::Strong(tag.to_owned()))
}

pub(super) fn well<T>(output: T) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

pub(super) fn length(size: u64) -> Option<i64> {
    i64::try_from(size).ok()
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        self.shelf
            .create_bucket(&request.input.bucket)
            .map_err(broken)?;
        well(CreateBucketOutput::default())
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.shelf.bucket(&request.input.bucket)?;
        well(HeadBucketOutput::default())
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let place = self.shelf.place(&input.bucket, &input.key)?;
        let received = self.shelf.receive(input.body).await?;
        received.check(
            input.checksum_crc32.as_deref(),
            input.checksum_crc32c.as_deref(),
            input.content_md5.as_deref(),
        )?;
        let tag = Tag {
            etag: hex(&received.md5),
            crc32c: input.checksum_crc32c,
        };
        // One thread answers all: nobody comes between the question and the writing.
        let there = self.shelf.find(&input.bucket, &input.key).ok();
        let ignored = self.quirks.has(&Quirk::ConditionsIgnored);
        let (absent, tagged) = match ignored {
            true => (None, None),
            false => (input.if_none_match, input.if_match),
        };
        match (absent, tagged, there) {
            (Some(_), _, Some(_)) => return Err(unmet()),
            (_, Some(_), None) => {
                return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
            }
            (_, Some(ETagCondition::ETag(wanted)), Some(found))
                if wanted.value() != self.shelf.tag(&found.path)?.etag =>
            {
                return Err(unmet());
            }
            _ => (),
        }
        self.shelf.shelve(&received.path, &place, tag.clone())?;
        well(PutObjectOutput {
            e_tag: strong(&tag.etag),
            checksum_crc32c: tag.crc32c,
            ..Default::default()
        })
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let no_range = request.extensions.get::<NoRange>().is_some();
        let input = request.input;
        let found = self.shelf.find(&input.bucket, &input.key)?;
        let tag = self.shelf.tag(&found.path)?;
        if let Some(ETagCondition::ETag(wanted)) = &input.if_match
            && wanted.value() != tag.etag
        {
            return Err(s3_error!(
                PreconditionFailed,
                "At least one of the pre-conditions you specified did not hold"
            ));
        }
        let range = input.range.filter(|_| !no_range);
        let asked = range.map(|range| range.check(found.size)).transpose();
        let asked =
            asked.map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?;
        let range = asked.clone().unwrap_or(0..found.size);
        let mut file = tokio::fs::File::open(&found.path).await.map_err(broken)?;
        file.seek(SeekFrom::Start(range.start))
            .await
            .map_err(broken)?;
        let pieces = stream::try_unfold(file.take(range.end - range.start), piece);
        let whole = asked.is_none();
        well(GetObjectOutput {
            body: Some(StreamingBlob::wrap(pieces)),
            content_length: length(range.end - range.start),
            content_range: asked
                .map(|range| format!("bytes {}-{}/{}", range.start, range.end - 1, found.size)),
            accept_ranges: Some("bytes".to_owned()),
            e_tag: strong(&tag.etag),
            checksum_crc32c: tag
                .crc32c
                .filter(|_| whole && input.checksum_mode.is_some()),
            last_modified: Some(found.modified.into()),
            ..Default::default()
        })
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let found = self.shelf.find(&request.input.bucket, &request.input.key)?;
        let tag = self.shelf.tag(&found.path)?;
        well(HeadObjectOutput {
            content_length: length(found.size),
            e_tag: strong(&tag.etag),
            last_modified: Some(found.modified.into()),
            ..Default::default()
        })
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.shelf
            .remove(&request.input.bucket, &request.input.key)?;
        well(DeleteObjectOutput::default())
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        self.shelf.bucket(&input.bucket)?;
        if input.delete.objects.len() > 1000 {
            return Err(s3_error!(MalformedXML, "more than 1000 keys"));
        }
        let quiet = input.delete.quiet.unwrap_or_default();
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        let keeps = self.quirks.has(&Quirk::KeepsObjects);
        for object in input.delete.objects {
            let removed = match keeps {
                true => Err(s3_error!(
                    AccessDenied,
                    "Access Denied because object protected by object lock."
                )),
                false => self.shelf.remove(&input.bucket, &object.key),
            };
            match removed {
                Ok(()) => deleted.push(DeletedObject {
                    key: Some(object.key),
                    ..Default::default()
                }),
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(object.key),
                    message: error.message().map(str::to_owned),
                    version_id: None,
                }),
            }
        }
        well(DeleteObjectsOutput {
            deleted: (!quiet).then_some(deleted),
            errors: Some(errors),
            ..Default::default()
        })
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.list_objects_v2_of(request.input)
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        self.list_objects_of(request.input)
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        self.shelf.place(&input.bucket, &input.key)?;
        let checked = input
            .checksum_algorithm
            .as_ref()
            .is_some_and(|name| name.as_str() == "CRC32C");
        let id = self.uploads.begin(&input.bucket, &input.key, checked);
        well(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            checksum_algorithm: input.checksum_algorithm,
            upload_id: Some(id),
            ..Default::default()
        })
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        if !(1..=10_000).contains(&input.part_number) {
            return Err(s3_error!(
                InvalidArgument,
                "Part number must be an integer between 1 and 10000, inclusive"
            ));
        }
        // Read to its end before it is refused: else the client may see a broken connection instead of the refusal.
        let received = self.shelf.receive(input.body).await?;
        self.uploads
            .check(&input.upload_id, &input.bucket, &input.key)?;
        received.check(
            input.checksum_crc32.as_deref(),
            input.checksum_crc32c.as_deref(),
            input.content_md5.as_deref(),
        )?;
        let tag = hex(&received.md5);
        self.uploads
            .add(&input.upload_id, input.part_number, received)?;
        well(UploadPartOutput {
            e_tag: strong(&tag),
            checksum_crc32: input.checksum_crc32,
            checksum_crc32c: input.checksum_crc32c,
            ..Default::default()
        })
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        self.upload_part_copy_of(request.input).await
    }

    async fn list_parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        self.list_parts_of(request.input).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        self.uploads
            .check(&input.upload_id, &input.bucket, &input.key)?;
        let named = input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default();
        let tag = self
            .uploads
            .complete(&self.shelf, &input.upload_id, &named)?;
        well(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: strong(&tag.etag),
            checksum_crc32c: tag.crc32c,
            ..Default::default()
        })
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = request.input;
        self.uploads
            .check(&input.upload_id, &input.bucket, &input.key)?;
        self.uploads.remove(&input.upload_id)?;
        well(AbortMultipartUploadOutput::default())
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = request.input;
        self.shelf.bucket(&input.bucket)?;
        let by_key = self.quirks.has(&Quirk::UploadsByKeyOnly);
        let all = self
            .uploads
            .all()
            .into_iter()
            .filter(|(_, open)| open.bucket == input.bucket)
            .filter(|(_, open)| !by_key || input.prefix.as_ref() == Some(&open.key));
        let uploads = all.map(|(id, open)| MultipartUpload {
            initiated: Some(open.initiated.into()),
            key: Some(open.key),
            upload_id: Some(id),
            ..Default::default()
        });
        let uploads = uploads.collect();
        well(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            is_truncated: Some(false),
            uploads: Some(uploads),
            ..Default::default()
        })
    }
}

/// The next bytes of a file, until there are none.
pub(super) async fn piece(
    mut file: tokio::io::Take<tokio::fs::File>,
) -> std::io::Result<Option<(Bytes, tokio::io::Take<tokio::fs::File>)>> {
    let mut buffer = Vec::with_capacity(256 << 10);
    let count = (&mut file).take(256 << 10).read_to_end(&mut buffer).await?;
    Ok((count > 0).then(|| (Bytes::from(buffer), file)))
}

pub(super) fn unmet() -> S3Error {
    s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold"
    )
}
