//! Listings, page by page.

use super::bucket::{Bucket, Object, timestamp, unquoted};
use super::client::Manner;
use super::error::S3Error;

/// A listing that is under way. Nothing is asked before the first page is wanted.
#[derive(Debug)]
pub struct Listing {
    bucket: Bucket,
    prefix: String,
    level: bool,
    next: Next,
}

/// What a listing knows of its end.
#[derive(Debug)]
enum Next {
    First,
    After(String),
    Nothing,
}

/// A part of a listing, at most a thousand entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Objects in the order of their keys.
    pub objects: Vec<Object>,
    /// Names that go on behind a slash (without it), when one level is listed.
    pub folders: Vec<String>,
}

impl Listing {
    pub(super) fn new(bucket: Bucket, prefix: &str, level: bool) -> Self {
        Self {
            bucket,
            prefix: prefix.to_owned(),
            level,
            next: Next::First,
        }
    }

    /// The next page, or nothing when all have been given.
    pub async fn page(&mut self) -> Result<Option<Page>, S3Error> {
        let token = match &self.next {
            Next::First => None,
            Next::After(token) => Some(token.clone()),
            Next::Nothing => return Ok(None),
        };
        let bucket = &self.bucket;
        let call = bucket
            .client()
            .list_objects_v2()
            .bucket(bucket.name())
            .prefix(bucket.full(&self.prefix));
        let call = call
            .set_continuation_token(token.clone())
            .set_delimiter(self.level.then(|| "/".to_owned()));
        let sent = call
            .customize()
            .config_override(bucket.manner(Manner::Control, "list the bucket"))
            .send()
            .await;
        let answer = sent.map_err(|error| bucket.explain("list the bucket", None, &error))?;
        // Only IsTruncated tells that there is more: some stores send a token with the last page, too.
        self.next = match (answer.is_truncated(), answer.next_continuation_token()) {
            (Some(true), Some(next)) if token.as_deref() != Some(next) => {
                Next::After(next.to_owned())
            }
            (Some(true), _) => return Err(bucket.scene().not_s3("list the bucket", 200)),
            _ => Next::Nothing,
        };
        let mut page = Page::default();
        for object in answer.contents() {
            let Some(key) = object.key().filter(|key| bucket.holds(key)) else {
                continue;
            };
            page.objects.push(Object {
                key: bucket.relative(key).to_owned(),
                size: object
                    .size()
                    .and_then(|size| u64::try_from(size).ok())
                    .unwrap_or_default(),
                etag: object.e_tag().map(unquoted),
                modified: object.last_modified().and_then(timestamp),
            });
        }
        for folder in answer.common_prefixes() {
            let Some(name) = folder.prefix().filter(|name| bucket.holds(name)) else {
                continue;
            };
            page.folders
                .push(bucket.relative(name).trim_end_matches('/').to_owned());
        }
        Ok(Some(page))
    }

    /// All pages in one, or an error of kind `Refused` when there are more than `most` entries.
    pub async fn all(mut self, most: usize) -> Result<Page, S3Error> {
        let mut all = Page::default();
        while let Some(page) = self.page().await? {
            all.objects.extend(page.objects);
            all.folders.extend(page.folders);
            if all.objects.len() + all.folders.len() > most {
                return Err(S3Error::Refused {
                    task: "list the bucket".to_owned(),
                    status: 200,
                    code: "TooManyKeys".to_owned(),
                    message: format!("there are more than {most} below this path"),
                });
            }
        }
        Ok(all)
    }
}
