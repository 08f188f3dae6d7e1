//! Whose backups lie in a bucket and path.
//!
//! ```text
//! owner.json ----------> whose
//! no owner.json, but a finished backup ----------> whose that is
//! neither ----------> nobody's: the first who writes is the owner
//! ```
//!
//! Everybody whom the bucket lets in may list, prove and restore. Adding, deleting and rotating are for the owner: a
//! clone of a model, or a second server that was given the same path by mistake, would mix its backups with those of
//! the first, and delete them by age. An owner is a server in a model. What an operator sets up anew after a loss is
//! another model, and takes the backups over once, by `force=owner`.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::catalogue::store;
use super::newest::named;
use super::{Catalogue, CatalogueError};
use crate::s3::S3Error;

/// Where it lies, beside the backups.
const KEY: &str = "owner.json";
const FORMAT: &str = "synapse-operator-owner";
const VERSION: u32 = 1;
/// It is small; a larger object is none.
const LIMIT: usize = 16 * 1024;
/// The most characters that are shown of a word which somebody else wrote into the bucket.
const WORD: usize = 80;

/// A server in a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The server's name; empty when it has none yet.
    pub server_name: String,
    /// The UUID of its model.
    pub model: String,
    /// The model's name, for people; empty when it is not known.
    pub model_name: String,
    /// Its application in that model, for people; empty when it is not known.
    pub application: String,
}

/// The backups are somebody else's, or one cannot tell whose.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// They are another server's, or of a server in another model.
    #[error("the backups in this bucket and path belong to {0}")]
    Foreign(Box<Owner>),
    /// What lies in the place of the owner is none, or one of a later version.
    #[error("{KEY} in the bucket does not say whose the backups are")]
    Unreadable,
    /// The bucket could not be asked.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

/// What somebody wants who writes beside the backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// To change what is there, unless it is somebody else's.
    Check,
    /// The same, and to be the owner of what is nobody's.
    Own,
    /// To be the owner, whoever's they are.
    Force,
}

/// The document in the bucket.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    format: String,
    version: u32,
    server_name: String,
    model: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    model_name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    application: String,
    /// Since when they are its own.
    since: Timestamp,
}

impl Owner {
    /// Whether it is the same server in the same model.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.server_name == other.server_name && self.model == other.model
    }

    pub(super) fn read(text: &[u8]) -> Result<Self, OwnerError> {
        let document: Document =
            serde_json::from_slice(text).map_err(|_| OwnerError::Unreadable)?;
        if document.format != FORMAT || document.version > VERSION {
            return Err(OwnerError::Unreadable);
        }
        Ok(Self {
            server_name: document.server_name,
            model: document.model,
            model_name: document.model_name,
            application: document.application,
        })
    }
}

impl Catalogue {
    /// Whose the backups are; nobody's when there is none and nobody has said so.
    async fn owner(&self) -> Result<Option<Owner>, OwnerError> {
        match self.stated_owner().await? {
            Some(owner) => Ok(Some(owner)),
            None => self.owner_of_newest().await,
        }
    }

    /// Whose somebody has said that the backups are: one small question.
    pub async fn stated_owner(&self) -> Result<Option<Owner>, OwnerError> {
        let failed = store("ask whose the backups are");
        let object = match self.bucket().get(KEY).await {
            Err(S3Error::NotFound { .. }) => return Ok(None),
            object => object.map_err(&failed)?,
        };
        match object.collect(LIMIT).await {
            Err(S3Error::TooLarge { .. }) => Err(OwnerError::Unreadable),
            text => Owner::read(&text.map_err(&failed)?).map(Some),
        }
    }

    /// Tells whether `me` may change what is there.
    pub async fn owned_by(&self, me: &Owner) -> Result<(), OwnerError> {
        match self.owner().await? {
            Some(owner) if !owner.is(me) => Err(OwnerError::Foreign(Box::new(owner))),
            Some(_) | None => Ok(()),
        }
    }

    /// Gives `me` what it wants, if the backups are its own or nobody's; by force whoever's they are.
    ///
    /// To be called by whoever holds the lease, so that of two at once one is first.
    pub async fn claim(&self, me: &Owner, claim: Claim, now: Timestamp) -> Result<(), OwnerError> {
        let (stated, owner) = match self.stated_owner().await {
            Ok(None) => (false, self.owner_of_newest().await),
            stated => (true, stated),
        };
        match (owner, claim) {
            (Ok(Some(owner)), Claim::Check) if owner.is(me) => return Ok(()),
            (Ok(Some(owner)), _) if owner.is(me) && stated => return Ok(()),
            // Nobody has said so yet.
            (Ok(Some(owner)), _) if owner.is(me) => (),
            (Ok(Some(owner)), Claim::Check | Claim::Own) => {
                return Err(OwnerError::Foreign(Box::new(owner)));
            }
            (Ok(None), Claim::Check) => return Ok(()),
            (Ok(Some(owner)), Claim::Force) => {
                tracing::warn!(before = %owner, "the backups are taken over");
            }
            (Ok(None), Claim::Own | Claim::Force) | (Err(OwnerError::Unreadable), Claim::Force) => {
            }
            (Err(error), _) => return Err(error),
        }
        let document = Document {
            format: FORMAT.to_owned(),
            version: VERSION,
            server_name: me.server_name.clone(),
            model: me.model.clone(),
            model_name: me.model_name.clone(),
            application: me.application.clone(),
            since: now,
        };
        let mut text = serde_json::to_vec_pretty(&document).map_err(|_| OwnerError::Unreadable)?;
        text.push(b'\n');
        let written = self.bucket().put(KEY, Bytes::from(text)).await;
        written.map_err(store("note whose the backups are"))?;
        Ok(())
    }

    /// Removes the word of the owner when there is no backup any more; the lease is held.
    pub async fn disown_if_empty(&self) -> Result<(), CatalogueError> {
        let failed = store("list the backups");
        if !named(self).await.map_err(&failed)?.is_empty() {
            return Ok(());
        }
        let deletion = self.bucket().delete(&[KEY]).await.map_err(&failed)?;
        match deletion.failed.first() {
            None => Ok(()),
            Some(kept) => Err(CatalogueError::Undeleted {
                key: kept.key.clone(),
                code: kept.code.clone(),
            }),
        }
    }

    /// Whose the newest finished backup is, where nobody has said whose all of them are.
    async fn owner_of_newest(&self) -> Result<Option<Owner>, OwnerError> {
        let Some(id) = self.newest_manifest().await? else {
            return Ok(None);
        };
        let manifest = match self.manifest(&id).await {
            // What cannot be read tells nothing; a listing says what is wrong with it.
            Err(CatalogueError::Manifest { .. } | CatalogueError::Absent(_)) => return Ok(None),
            manifest => manifest?,
        };
        let unit = manifest.unit.unwrap_or_default();
        Ok(Some(Owner {
            server_name: manifest.server_name,
            model: manifest.model.unwrap_or_default(),
            model_name: String::new(),
            application: unit.split('/').next().unwrap_or_default().to_owned(),
        }))
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let server = match word(&self.server_name) {
            name if name.is_empty() => "a server without a name".to_owned(),
            name => name,
        };
        let model = match word(&self.model_name) {
            name if name.is_empty() => word(&self.model),
            name => name,
        };
        match word(&self.application) {
            application if application.is_empty() => write!(formatter, "{server} in model {model}"),
            application => write!(formatter, "{server} ({application} in model {model})"),
        }
    }
}

/// A word of somebody else's, made fit to be shown.
fn word(text: &str) -> String {
    let printable = text.chars().filter(|letter| !letter.is_control());
    printable.take(WORD).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn owner_is_a_server_in_a_model_and_told_in_names() {
        let owner = Owner {
            server_name: "example.com".to_owned(),
            model: "uuid".to_owned(),
            model_name: "prod".to_owned(),
            application: "synapse".to_owned(),
        };
        assert_eq!(owner.to_string(), "example.com (synapse in model prod)");
        let renamed = Owner {
            model_name: "production".to_owned(),
            application: "matrix".to_owned(),
            ..owner.clone()
        };
        assert!(renamed.is(&owner));
        for other in [
            Owner {
                server_name: "example.org".to_owned(),
                ..owner.clone()
            },
            Owner {
                model: "clone".to_owned(),
                ..owner.clone()
            },
        ] {
            assert!(!other.is(&owner));
        }
    }

    #[test]
    fn what_is_no_owner_is_nobodys_word() {
        let good = r#"{"format":"synapse-operator-owner","version":1,"server-name":"a","model":"b","since":"2026-11-21T12:04:00Z","more":1}"#;
        assert_eq!(Owner::read(good.as_bytes()).unwrap().server_name, "a");
        for bad in [
            "",
            "{}",
            &good.replace(":1,", ":2,"),
            &good.replace("-owner", ""),
        ] {
            let read = Owner::read(bad.as_bytes());
            assert!(matches!(read, Err(OwnerError::Unreadable)), "{bad}");
        }
    }
}
