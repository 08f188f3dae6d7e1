//! Multipart uploads under way.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32c};
use s3s::dto::CompletedPart;
use s3s::{S3Result, s3_error};

use super::shelf::{Received, Shelf, Tag, broken, hex};

/// The smallest part that is not the last.
const SMALLEST_PART: u64 = 5 << 20;

/// All uploads of a store by their ids.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    open: BTreeMap<String, Open>,
}

#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) initiated: SystemTime,
    checked: bool,
    parts: BTreeMap<i32, Received>,
}

impl Uploads {
    pub(super) fn begin(&self, bucket: &str, key: &str, checked: bool) -> String {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.next += 1;
        let id = format!("upload-{}", state.next);
        let open = Open {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            initiated: SystemTime::now(),
            checked,
            parts: BTreeMap::new(),
        };
        state.open.insert(id.clone(), open);
        id
    }

    pub(super) fn all(&self) -> BTreeMap<String, Open> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .open
            .clone()
    }

    /// Makes all uploads older.
    pub(super) fn age(&self, by: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for open in state.open.values_mut() {
            open.initiated -= by;
        }
    }

    pub(super) fn check(&self, id: &str, bucket: &str, key: &str) -> S3Result<()> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state
            .open
            .get(id)
            .filter(|open| open.bucket == bucket && open.key == key)
            .map(drop)
            .ok_or_else(unknown)
    }

    /// The parts of an upload: numbers and sizes.
    pub(super) fn sizes(&self, id: &str) -> Vec<(i32, u64)> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = state.open.get(id);
        open.map_or_else(Vec::new, |open| {
            let parts = open.parts.iter();
            parts.map(|(number, part)| (*number, part.size)).collect()
        })
    }

    pub(super) fn add(&self, id: &str, number: i32, part: Received) -> S3Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = state.open.get_mut(id).ok_or_else(unknown)?;
        if let Some(old) = open.parts.insert(number, part) {
            let _ = fs::remove_file(old.path);
        }
        Ok(())
    }

    /// Forgets an upload and its parts.
    pub(super) fn remove(&self, id: &str) -> S3Result<()> {
        let open = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .open
            .remove(id)
            .ok_or_else(unknown)?;
        for part in open.parts.values() {
            let _ = fs::remove_file(&part.path);
        }
        Ok(())
    }

    pub(super) fn forget_all(&self) {
        for id in self.all().into_keys() {
            let _ = self.remove(&id);
        }
    }

    /// Puts the named parts together to an object, whose tag comes back.
    pub(super) fn complete(
        &self,
        shelf: &Shelf,
        id: &str,
        named: &[CompletedPart],
    ) -> S3Result<Tag> {
        let open = self.all().remove(id).ok_or_else(unknown)?;
        let parts = open.select(named)?;
        let workpiece = shelf.workpiece();
        let mut whole = fs::File::create(&workpiece).map_err(broken)?;
        let mut md5 = Md5::new();
        let mut crcs = ChecksumHasher {
            crc32c: Some(Crc32c::new()),
            ..Default::default()
        };
        for part in &parts {
            io::copy(&mut fs::File::open(&part.path).map_err(broken)?, &mut whole)
                .map_err(broken)?;
            md5.update(part.md5);
            crcs.update(
                &STANDARD
                    .decode(part.crc32c.as_deref().unwrap_or_default())
                    .unwrap_or_default(),
            );
        }
        let composite = crcs
            .finalize()
            .checksum_crc32c
            .map(|sum| format!("{sum}-{}", parts.len()));
        let tag = Tag {
            etag: format!("{}-{}", hex(&md5.finalize()), parts.len()),
            crc32c: composite.filter(|_| open.checked),
        };
        shelf.shelve(
            &workpiece,
            &shelf.place(&open.bucket, &open.key)?,
            tag.clone(),
        )?;
        self.remove(id)?;
        Ok(tag)
    }
}

impl Open {
    fn select(&self, named: &[CompletedPart]) -> S3Result<Vec<&Received>> {
        let invalid = || {
            s3_error!(
                InvalidPart,
                "One or more of the specified parts could not be found."
            )
        };
        let mut parts = Vec::new();
        let mut last = 0;
        for part in named {
            let number = part.part_number.ok_or_else(invalid)?;
            if number <= last {
                return Err(s3_error!(
                    InvalidPartOrder,
                    "The list of parts was not in ascending order."
                ));
            }
            last = number;
            let received = self.parts.get(&number).ok_or_else(invalid)?;
            let tag = part.e_tag.as_ref().map(|tag| tag.value().to_owned());
            if tag != Some(hex(&received.md5)) {
                return Err(invalid());
            }
            // As versitygw and Garage do: a checksum may be given back only when the upload had named its algorithm.
            if part.checksum_crc32c.is_some() != self.checked
                || (self.checked && part.checksum_crc32c != received.crc32c)
            {
                return Err(invalid());
            }
            parts.push(received);
        }
        let small = parts
            .iter()
            .rev()
            .skip(1)
            .any(|part| part.size < SMALLEST_PART);
        match (parts.is_empty(), small) {
            (true, _) => Err(s3_error!(MalformedXML, "an upload has at least one part")),
            (_, true) => Err(s3_error!(
                EntityTooSmall,
                "a part that is not the last is too small"
            )),
            _ => Ok(parts),
        }
    }
}

pub(super) fn unknown() -> s3s::S3Error {
    s3_error!(
        NoSuchUpload,
        "The specified multipart upload does not exist."
    )
}
