//! Notes of uploads under way, for stores that cannot tell which there are.
//!
//! ```text
//! begin ---> uploads/<random>.json ---> parts ---> complete or abort ---> the note is gone
//!                    '---> left by a process that was killed: whoever sweeps knows which upload to abort
//! ```

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::bucket::Bucket;
use super::error::S3Error;
use super::uploads::OpenUpload;

/// Where notes lie, below the relation's path.
const FOLDER: &str = "uploads/";
const FORMAT: &str = "synapse-operator-upload";
const VERSION: u32 = 1;
/// A note is small; a larger object is none.
const LIMIT: usize = 8 << 10;
/// The most notes that are read.
const MOST: usize = 1000;
/// Random bytes of a name.
const RANDOM: usize = 16;
/// How long taking a note away may take: one that stays is swept.
const FORGETTING: Duration = Duration::from_secs(10);

/// A note of an upload, which may be over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedUpload {
    /// The note's key.
    pub note: String,
    /// The upload; what stands for its beginning is when the note was written.
    pub upload: OpenUpload,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Note {
    format: String,
    version: u32,
    key: String,
    upload_id: String,
}

impl Note {
    fn read(text: &[u8]) -> Option<Self> {
        let note: Self = serde_json::from_slice(text).ok()?;
        (note.format == FORMAT && note.version == VERSION).then_some(note)
    }
}

/// Reads any bytes as a note.
#[cfg(any(test, fuzzing))]
pub(super) fn read_any(bytes: &[u8]) {
    let _ = Note::read(bytes);
}

impl Bucket {
    /// The uploads that were noted and not taken back, at most a thousand.
    ///
    /// What lies there and is no note of ours is passed over.
    pub async fn noted_uploads(&self) -> Result<Vec<NotedUpload>, S3Error> {
        let mut found = Vec::new();
        let mut listing = self.list_level(FOLDER);
        while let Some(page) = listing.page().await? {
            for object in page.objects {
                if !is_note(&object.key) || object.size > LIMIT as u64 {
                    continue;
                }
                let text = match self.get(&object.key).await {
                    Err(S3Error::NotFound { .. }) => continue,
                    text => text?.collect(LIMIT).await?,
                };
                let Some(note) = Note::read(&text) else {
                    continue;
                };
                found.push(NotedUpload {
                    note: object.key,
                    upload: OpenUpload {
                        key: note.key,
                        id: note.upload_id,
                        initiated: object.modified,
                    },
                });
            }
            if found.len() >= MOST {
                break;
            }
        }
        found.truncate(MOST);
        Ok(found)
    }

    /// Notes an upload that has begun, and gives the note's key. Without a note the upload goes on all the same.
    pub(super) async fn note_upload(&self, key: &str, id: &str) -> Option<String> {
        let mut random = [0; RANDOM];
        getrandom::fill(&mut random).ok()?;
        let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let place = format!("{FOLDER}{name}.json");
        let note = Note {
            format: FORMAT.to_owned(),
            version: VERSION,
            key: key.to_owned(),
            upload_id: id.to_owned(),
        };
        let text = serde_json::to_vec_pretty(&note).ok()?;
        match self.put(&place, Bytes::from(text)).await {
            Ok(_) => Some(place),
            Err(error) => {
                tracing::warn!(key, %error, "nobody will know of this upload if it stays open");
                None
            }
        }
    }

    /// Takes a note back, if the store lets us soon.
    pub(super) async fn forget_upload(&self, note: &str) {
        match timeout(FORGETTING, self.delete(&[note])).await {
            Ok(Ok(deletion)) if deletion.failed.is_empty() => (),
            Ok(Ok(_)) | Err(_) => tracing::debug!(note, "a note stays until the next sweep"),
            Ok(Err(error)) => tracing::debug!(note, %error, "a note stays until the next sweep"),
        }
    }
}

/// Whether a key has the shape of a note's.
fn is_note(key: &str) -> bool {
    let name = key
        .strip_prefix(FOLDER)
        .and_then(|name| name.strip_suffix(".json"));
    name.is_some_and(|name| {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        name.len() == 2 * RANDOM && name.bytes().all(hex)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_of_our_own_shape_are_notes() {
        assert!(is_note("uploads/0123456789abcdef0123456789abcdef.json"));
        for key in [
            "uploads/0123456789abcdef0123456789abcde.json",
            "uploads/0123456789ABCDEF0123456789abcdef.json",
            "uploads/x/0123456789abcdef0123456789abcdef.json",
            "uploads/0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef.json",
            "uploads/",
        ] {
            assert!(!is_note(key), "{key}");
        }
        assert!(Note::read(br#"{"format":"x","version":1,"key":"a","upload-id":"b"}"#).is_none());
        assert!(Note::read(b"{}").is_none());
    }
}
