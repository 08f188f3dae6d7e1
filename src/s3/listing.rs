//! Listings, page by page.

use aws_sdk_s3::types;

use super::bucket::{Bucket, Object, timestamp, unquoted};
use super::client::Manner;
use super::error::S3Error;

const TASK: &str = "list the bucket";

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
    /// What the second version calls a token.
    After(String),
    /// The last key of a page of the first version, as the store knows it.
    Behind(String),
    Nothing,
}

/// A page as the store gives it, in whichever version.
struct Answer {
    objects: Vec<types::Object>,
    folders: Vec<types::CommonPrefix>,
    more: More,
}

/// How a page says that there is another.
enum More {
    No,
    After(String),
    Behind(String),
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
    ///
    /// A store that refuses the second version of the call, or takes it for the first, is asked in the first version
    /// from there on; that is remembered for the bucket.
    pub async fn page(&mut self) -> Result<Option<Page>, S3Error> {
        let answer = match &self.next {
            Next::Nothing => return Ok(None),
            Next::Behind(key) => self.ask_v1(Some(key)).await?,
            Next::First if self.bucket.ways().list_v1.is_some() => self.ask_v1(None).await?,
            Next::First => match self.ask_v2(None).await {
                Err(error) if is_unknown(&error) => {
                    // What fails in both versions fails for another reason.
                    let Ok(answer) = self.ask_v1(None).await else {
                        return Err(error);
                    };
                    learn(&self.bucket, &error.to_string());
                    answer
                }
                answer => answer?,
            },
            Next::After(token) => self.ask_v2(Some(token)).await?,
        };
        self.next = match (&self.next, answer.more) {
            (_, More::No) => Next::Nothing,
            (Next::After(before), More::After(next)) if *before == next => {
                return Err(self.circle());
            }
            (_, More::After(next)) => Next::After(next),
            (before, More::Behind(next)) => match before {
                Next::Behind(before) if next <= *before => return Err(self.circle()),
                Next::First | Next::Behind(_) => Next::Behind(next),
                Next::After(_) | Next::Nothing => return Err(self.circle()),
            },
        };
        let bucket = &self.bucket;
        let mut page = Page::default();
        for object in &answer.objects {
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
        for folder in &answer.folders {
            let Some(name) = folder.prefix().filter(|name| bucket.holds(name)) else {
                continue;
            };
            page.folders
                .push(bucket.relative(name).trim_end_matches('/').to_owned());
        }
        Ok(Some(page))
    }

    async fn ask_v2(&self, token: Option<&str>) -> Result<Answer, S3Error> {
        let bucket = &self.bucket;
        let call = bucket
            .client()
            .list_objects_v2()
            .bucket(bucket.name())
            .prefix(bucket.full(&self.prefix))
            .set_continuation_token(token.map(str::to_owned))
            .set_delimiter(self.level.then(|| "/".to_owned()));
        let sent = call
            .customize()
            .config_override(bucket.manner(Manner::Control, TASK))
            .send()
            .await;
        let answer = sent.map_err(|error| bucket.explain(TASK, None, &error))?;
        let (objects, folders) = (answer.contents.unwrap_or_default(), answer.common_prefixes);
        let folders = folders.unwrap_or_default();
        // Only IsTruncated tells that there is more: some stores send a token with the last page, too.
        let more = match (answer.is_truncated, answer.next_continuation_token) {
            (Some(true), Some(next)) => More::After(next),
            // It knows no tokens, so it has not understood which version was asked for.
            (Some(true), None) if token.is_none() => {
                learn(bucket, "it gives no token for the next page");
                More::Behind(last(&objects, &folders).ok_or_else(|| self.circle())?)
            }
            (Some(true), None) => return Err(self.circle()),
            _ => More::No,
        };
        Ok(Answer {
            objects,
            folders,
            more,
        })
    }

    async fn ask_v1(&self, behind: Option<&str>) -> Result<Answer, S3Error> {
        let bucket = &self.bucket;
        let call = bucket
            .client()
            .list_objects()
            .bucket(bucket.name())
            .prefix(bucket.full(&self.prefix))
            .set_marker(behind.map(str::to_owned))
            .set_delimiter(self.level.then(|| "/".to_owned()));
        let sent = call
            .customize()
            .config_override(bucket.manner(Manner::Control, TASK))
            .send()
            .await;
        let answer = sent.map_err(|error| bucket.explain(TASK, None, &error))?;
        let (objects, folders) = (answer.contents.unwrap_or_default(), answer.common_prefixes);
        let folders = folders.unwrap_or_default();
        let more = match (answer.is_truncated, answer.next_marker) {
            (Some(true), Some(next)) if !next.is_empty() => More::Behind(next),
            (Some(true), _) => More::Behind(last(&objects, &folders).ok_or_else(|| self.circle())?),
            _ => More::No,
        };
        Ok(Answer {
            objects,
            folders,
            more,
        })
    }

    /// A listing that does not go on.
    fn circle(&self) -> S3Error {
        self.bucket.scene().not_s3(TASK, 200)
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

impl Bucket {
    /// Asks for one key in the first version of listings.
    pub(super) async fn head_v1(&self, refusal: S3Error) -> Result<(), S3Error> {
        let call = self
            .client()
            .list_objects()
            .bucket(self.name())
            .prefix(self.full(""))
            .max_keys(1);
        let sent = call
            .customize()
            .config_override(self.manner(Manner::Head, TASK))
            .send()
            .await;
        match sent {
            // What fails in both versions fails for another reason.
            Err(_) => Err(refusal),
            Ok(_) => {
                learn(self, &refusal.to_string());
                Ok(())
            }
        }
    }
}

/// Whether a store may not know the second version of listings.
pub(super) fn is_unknown(error: &S3Error) -> bool {
    match error {
        S3Error::Refused { status, code, .. } => match status {
            501 => true,
            400 | 405 => matches!(
                &**code,
                "NotImplemented"
                    | "InvalidArgument"
                    | "InvalidRequest"
                    | "MethodNotAllowed"
                    | "UnsupportedOperation"
            ),
            _ => false,
        },
        _ => false,
    }
}

fn learn(bucket: &Bucket, reason: &str) {
    let reason = reason.to_owned();
    bucket.note(
        "list",
        format!("the store is asked for listings of version 1: {reason}"),
    );
    tracing::info!(
        reason,
        "the store does not know the second version of listings"
    );
    bucket
        .shared()
        .ways
        .change(|ways| ways.list_v1 = Some(reason));
}

/// What comes last of a page.
fn last(objects: &[types::Object], folders: &[types::CommonPrefix]) -> Option<String> {
    let key = objects.last().and_then(types::Object::key);
    let folder = folders.last().and_then(types::CommonPrefix::prefix);
    key.max(folder).map(str::to_owned)
}
