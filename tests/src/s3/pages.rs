//! Listings of a bucket, page by page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use s3s::dto::*;
use s3s::{S3Response, S3Result, s3_error};

use super::shelf::Found;
use super::store::{Store, length, strong, well};

/// What a page of a listing may hold.
const LARGEST_PAGE: i32 = 1000;

impl Store {
    pub(super) fn list_objects_v2_of(
        &self,
        input: ListObjectsV2Input,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let prefix = input.prefix.clone().unwrap_or_default();
        let room = usize::try_from(
            input
                .max_keys
                .unwrap_or(LARGEST_PAGE)
                .clamp(0, LARGEST_PAGE),
        )
        .unwrap_or_default();
        let after = match &input.continuation_token {
            Some(token) => unpacked(token)?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let mut entries: Vec<(String, Option<Found>)> = Vec::new();
        for (key, found) in self.shelf.keys(&input.bucket, &prefix)? {
            let end = input.delimiter.as_ref().and_then(|delimiter| {
                key[prefix.len()..]
                    .find(delimiter.as_str())
                    .map(|at| prefix.len() + at + delimiter.len())
            });
            match end.map(|end| key[..end].to_owned()) {
                Some(folder) if entries.last().is_some_and(|(last, _)| *last == folder) => {}
                Some(folder) => entries.push((folder, None)),
                None => entries.push((key, Some(found))),
            }
        }
        entries.retain(|(name, _)| *name > after);
        let truncated = entries.len() > room && room > 0;
        entries.truncate(room);
        let next = entries
            .last()
            .filter(|_| truncated)
            .map(|(name, _)| URL_SAFE.encode(name));
        let count = i32::try_from(entries.len()).ok();
        let (mut contents, mut folders) = (Vec::new(), Vec::new());
        for (name, found) in entries {
            match found {
                None => folders.push(CommonPrefix { prefix: Some(name) }),
                Some(found) => contents.push(Object {
                    e_tag: strong(&self.shelf.tag(&found.path)?.etag),
                    key: Some(name),
                    last_modified: Some(found.modified.into()),
                    size: length(found.size),
                    ..Default::default()
                }),
            }
        }
        well(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(prefix),
            max_keys: i32::try_from(room).ok(),
            key_count: count,
            is_truncated: Some(truncated),
            next_continuation_token: next,
            continuation_token: input.continuation_token,
            contents: Some(contents),
            common_prefixes: Some(folders),
            delimiter: input.delimiter,
            ..Default::default()
        })
    }
}

fn unpacked(token: &str) -> S3Result<String> {
    let invalid = || {
        s3_error!(
            InvalidArgument,
            "The continuation token provided is incorrect"
        )
    };
    String::from_utf8(URL_SAFE.decode(token).map_err(|_| invalid())?).map_err(|_| invalid())
}
