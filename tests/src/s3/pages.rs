//! Listings of a bucket, page by page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use s3s::dto::*;
use s3s::{S3Response, S3Result, s3_error};

use super::quirks::Quirk;
use super::shelf::Found;
use super::store::{Store, length, strong, well};

/// What a page of a listing may hold.
const LARGEST_PAGE: i32 = 1000;

impl Store {
    pub(super) fn list_objects_v2_of(
        &self,
        input: ListObjectsV2Input,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let first_version = self.quirks.has(&Quirk::ListTypeIgnored);
        self.page(input, first_version)
    }

    fn page(
        &self,
        input: ListObjectsV2Input,
        first_version: bool,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let prefix = input.prefix.clone().unwrap_or_default();
        let largest = self.quirks.find(|quirk| match quirk {
            Quirk::SmallPages(keys) => i32::try_from(*keys).ok(),
            _ => None,
        });
        let largest = largest.unwrap_or(LARGEST_PAGE);
        let room = input.max_keys.unwrap_or(largest).clamp(0, largest);
        let room = usize::try_from(room).unwrap_or_default();
        let after = match &input.continuation_token {
            _ if first_version => String::new(),
            Some(token) => unpacked(token)?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let mut entries: Vec<(String, Option<Found>)> = Vec::new();
        for (key, found) in self.shelf.keys(&input.bucket, &prefix)? {
            if self.shelf.is_late(&found.path) {
                continue;
            }
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
            .filter(|_| truncated && !first_version)
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
            key_count: count.filter(|_| !first_version),
            is_truncated: Some(truncated),
            next_continuation_token: next,
            continuation_token: input.continuation_token.filter(|_| !first_version),
            contents: Some(contents),
            common_prefixes: Some(folders),
            delimiter: input.delimiter,
            ..Default::default()
        })
    }

    /// The first version: what is behind a marker, which is a key.
    pub(super) fn list_objects_of(
        &self,
        input: ListObjectsInput,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let asked = ListObjectsV2Input {
            bucket: input.bucket,
            prefix: input.prefix,
            delimiter: input.delimiter,
            max_keys: input.max_keys,
            start_after: input.marker.clone(),
            ..Default::default()
        };
        let page = self.page(asked, false)?.output;
        // Only where there is a delimiter; else the last key is meant.
        let next = page.next_continuation_token.as_deref().map(unpacked);
        well(ListObjectsOutput {
            name: page.name,
            prefix: page.prefix,
            marker: input.marker,
            max_keys: page.max_keys,
            is_truncated: page.is_truncated,
            next_marker: next.transpose()?.filter(|_| page.delimiter.is_some()),
            contents: page.contents,
            common_prefixes: page.common_prefixes,
            delimiter: page.delimiter,
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
