//! Uploads that nobody has completed or aborted.

use jiff::Timestamp;

use super::bucket::{Bucket, timestamp};
use super::client::Manner;
use super::error::S3Error;

/// The most open uploads that one call tells.
const MOST: usize = 10_000;

/// An upload that a store still holds parts of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenUpload {
    /// The key that it would have got, relative to the relation's path.
    pub key: String,
    /// The store's name for it.
    pub id: String,
    /// When it was begun.
    pub initiated: Option<Timestamp>,
}

impl Bucket {
    /// The open uploads below the relation's path, at most ten thousand.
    ///
    /// Stores are asked for the whole bucket, because some find nothing by a prefix. Some do not know the question at all
    /// (an error of status 501), and some keys may not ask it: callers should go on with a warning.
    pub async fn open_uploads(&self) -> Result<Vec<OpenUpload>, S3Error> {
        let task = "list open uploads";
        let mut found = Vec::new();
        let mut markers: (Option<String>, Option<String>) = (None, None);
        loop {
            let call = self.client().list_multipart_uploads().bucket(self.name());
            let call = call
                .set_key_marker(markers.0.clone())
                .set_upload_id_marker(markers.1.clone());
            let sent = call
                .customize()
                .config_override(self.manner(Manner::Control, task))
                .send()
                .await;
            let answer = sent.map_err(|error| self.explain(task, None, &error))?;
            for upload in answer.uploads() {
                if let (Some(key), Some(id)) = (
                    upload.key().filter(|key| self.holds(key)),
                    upload.upload_id(),
                ) {
                    found.push(OpenUpload {
                        key: self.relative(key).to_owned(),
                        id: id.to_owned(),
                        initiated: upload.initiated().and_then(timestamp),
                    });
                }
            }
            let next = (answer.next_key_marker, answer.next_upload_id_marker);
            if answer.is_truncated != Some(true) || found.len() >= MOST || next == markers {
                found.truncate(MOST);
                return Ok(found);
            }
            markers = next;
        }
    }

    /// Aborts an open upload; one that is gone counts as aborted.
    pub async fn abort_upload(&self, upload: &OpenUpload) -> Result<(), S3Error> {
        self.abort(&upload.key, &upload.id).await
    }

    /// Aborts an upload that may be over; tells whether it was open still, as far as the store says.
    pub async fn end_upload(&self, upload: &OpenUpload) -> Result<bool, S3Error> {
        self.abort_open(&upload.key, &upload.id).await
    }

    /// Has the store forget an upload; asks twice, because there are stores that answer well before they have done it, and
    /// parts that were on their way come in behind the first.
    pub(super) async fn abort(&self, key: &str, id: &str) -> Result<(), S3Error> {
        if self.abort_open(key, id).await? {
            let again = self.abort_open(key, id).await;
            if let Err(error) = again {
                tracing::debug!(key, %error, "the abort was confirmed once");
            }
        }
        Ok(())
    }

    async fn abort_open(&self, key: &str, id: &str) -> Result<bool, S3Error> {
        let task = format!("abort the upload of {key}");
        let call = self
            .client()
            .abort_multipart_upload()
            .bucket(self.name())
            .key(self.full(key))
            .upload_id(id);
        let sent = call
            .customize()
            .config_override(self.manner(Manner::Control, &task))
            .send()
            .await;
        let Err(error) = sent else { return Ok(true) };
        match self.explain(&task, None, &error) {
            S3Error::Refused { code, .. } if code == "NoSuchUpload" => Ok(false),
            S3Error::NotS3 { status: 404, .. } => Ok(false),
            other => Err(other),
        }
    }
}
