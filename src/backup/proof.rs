//! What verifications found out about a backup, kept beside it.
//!
//! ```text
//! verify ---> proof.json, bound to the bytes of one manifest ---> the column `last proven` of a listing
//! ```
//!
//! The document holds the newest result of each level. It is clear and not sealed, so whoever may write to the bucket can
//! write one: it tells an operator when somebody looked last, and nothing relies on it.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::catalogue::{PROOF, store};
use super::format::{FormatError, check_place, check_preamble};
use super::{BackupId, Catalogue, CatalogueError};
use crate::archive::Sha256Hex;
use crate::s3::{Condition, ConditionError, S3Error};

const FORMAT: &str = "synapse-operator-proof";
const VERSION: u32 = 1;
/// The document is small; a larger object is none.
const LIMIT: usize = 256 * 1024;
/// How often it is written while others write it, too.
const ATTEMPTS: usize = 3;
/// Results of levels that a later version knows, and that are kept.
const OTHERS: usize = 16;
/// Findings that are kept of one verification, and characters of each.
const FINDINGS: (usize, usize) = (100, 500);

/// How much of a backup is looked at; each level looks at all that those before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Manifest and sealed inventory, and that every object is there with its size.
    Quick,
    /// Every byte: downloaded, opened to its authenticated end, each member digested.
    Full,
    /// Everything unpacked, and the server started on it where nobody sees it.
    Rehearse,
}

/// What a verification came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All that was looked at is as it should be.
    Good,
    /// Something is not.
    Broken,
}

/// One verification of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Proof {
    /// How much was looked at.
    pub level: Level,
    /// When it ended.
    pub at: Timestamp,
    /// What it came to.
    pub result: Verdict,
    /// How long it took.
    pub seconds: f64,
    /// The unit that did it.
    pub unit: String,
    /// Version of the charm that did it.
    pub charm_version: String,
    /// What is wrong, a sentence each.
    #[serde(default)]
    pub findings: Vec<String>,
    /// Fields of a later minor version.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What all verifications of a backup together say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proven {
    /// It was good when it was looked at last, as far as this level looks.
    Good(Level, Timestamp),
    /// It was broken, and no later look that goes as far has found otherwise.
    Broken(Level, Timestamp),
}

/// The newest results of each level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    format: String,
    version: u32,
    id: BackupId,
    manifest_sha256: Sha256Hex,
    proofs: Vec<Entry>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// A result, or one of a level that only a later version knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    Known(Proof),
    Other(Value),
}

/// What every document says of itself first.
#[derive(Deserialize)]
struct Preamble {
    format: String,
    version: u32,
}

/// Reads any bytes as a document of proofs.
#[cfg(any(test, fuzzing))]
pub(super) fn read_any(bytes: &[u8], id: &BackupId) {
    let _ = Document::read(bytes, id);
}

impl Document {
    fn new(id: &BackupId, manifest: &Sha256Hex) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            id: id.clone(),
            manifest_sha256: manifest.clone(),
            proofs: Vec::new(),
            more: Map::new(),
        }
    }

    fn read(bytes: &[u8], id: &BackupId) -> Result<Self, FormatError> {
        let malformed = |source| FormatError::Malformed {
            document: "proof",
            source,
        };
        let preamble: Preamble = serde_json::from_slice(bytes).map_err(malformed)?;
        check_preamble("proof", FORMAT, &preamble.format, preamble.version)?;
        let document: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        check_place("proof", &document.id, id)?;
        Ok(document)
    }

    /// Puts a result in the place of an older one of its level.
    fn note(&mut self, mut proof: Proof) {
        proof.findings.truncate(FINDINGS.0);
        for finding in &mut proof.findings {
            finding.truncate(finding.floor_char_boundary(FINDINGS.1));
        }
        let newer = |entry: &Entry| matches!(entry, Entry::Known(known) if known.level == proof.level && known.at > proof.at);
        if self.proofs.iter().any(newer) {
            return;
        }
        let other =
            |entry: &Entry| !matches!(entry, Entry::Known(known) if known.level == proof.level);
        self.proofs.retain(other);
        self.proofs.truncate(OTHERS);
        self.proofs.push(Entry::Known(proof));
    }

    fn known(self) -> Vec<Proof> {
        let known = |entry| match entry {
            Entry::Known(proof) => Some(proof),
            Entry::Other(_) => None,
        };
        self.proofs.into_iter().filter_map(known).collect()
    }
}

impl Proven {
    /// What these say together, if there are any.
    ///
    /// A broken result stands until a later look that goes as far, or farther, finds the backup good: a quick look does not
    /// outweigh a full one. Of the good ones the newest that read every byte is told, or else the newest quick one.
    pub fn of(proofs: &[Proof]) -> Option<Self> {
        let good = || proofs.iter().filter(|proof| proof.result == Verdict::Good);
        let outweighed =
            |broken: &&Proof| good().any(|good| good.level >= broken.level && good.at > broken.at);
        let broken = proofs
            .iter()
            .filter(|proof| proof.result == Verdict::Broken);
        let standing = broken.filter(|broken| !outweighed(broken));
        if let Some(broken) = standing.max_by_key(|proof| proof.at) {
            return Some(Self::Broken(broken.level, broken.at));
        }
        let best = good().max_by_key(|proof| (proof.level.min(Level::Full), proof.at))?;
        Some(Self::Good(best.level, best.at))
    }
}

impl Catalogue {
    /// The newest verification of each level of the backup whose manifest has this digest.
    ///
    /// What was proven of another manifest counts for nothing, nor does a document that cannot be read.
    pub async fn proofs(
        &self,
        id: &BackupId,
        manifest: &Sha256Hex,
    ) -> Result<Vec<Proof>, CatalogueError> {
        let (found, _) = self.proof_document(id).await?;
        Ok(match found {
            Some(Ok(document)) if document.manifest_sha256 == *manifest => document.known(),
            Some(Ok(_)) | None => Vec::new(),
            Some(Err(error)) => {
                tracing::warn!(backup = %id, %error, "what lies in the place of a proof is none");
                Vec::new()
            }
        })
    }

    /// Keeps a verification beside the backup whose manifest has this digest.
    ///
    /// An older one of the same level is replaced, and so is a document about another manifest. One that a later version
    /// wrote is left as it is, with an error.
    pub async fn note_proof(
        &self,
        id: &BackupId,
        manifest: &Sha256Hex,
        proof: Proof,
    ) -> Result<(), CatalogueError> {
        let key = Self::key(id, PROOF);
        let failed = |source| CatalogueError::Proof {
            id: id.clone(),
            source,
        };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (found, unchanged) = self.proof_document(id).await?;
            let mut document = match found {
                Some(Ok(document)) if document.manifest_sha256 == *manifest => document,
                Some(Err(error @ FormatError::Newer { .. })) => return Err(failed(error)),
                Some(_) | None => Document::new(id, manifest),
            };
            document.note(proof.clone());
            let malformed = |source| FormatError::Malformed {
                document: "proof",
                source,
            };
            let text = serde_json::to_vec_pretty(&document).map_err(malformed);
            let text = Bytes::from(text.map_err(failed)?);
            match unchanged {
                // Several have been written in the meantime: one of them is lost, and no more than that.
                Some(condition) if attempt < ATTEMPTS => {
                    match self.bucket().put_if(&key, text, &condition).await {
                        Ok(_) => return Ok(()),
                        Err(ConditionError::Unmet { .. }) => (),
                        Err(ConditionError::Store(source)) => {
                            return Err(store("write the proof")(source));
                        }
                    }
                }
                Some(_) | None => {
                    let written = self.bucket().put(&key, text).await;
                    return written.map(drop).map_err(store("write the proof"));
                }
            }
        }
    }

    /// What lies in the place of a proof, and what has to hold for it to be overwritten.
    async fn proof_document(&self, id: &BackupId) -> Result<Found, CatalogueError> {
        let object = match self.bucket().get(&Self::key(id, PROOF)).await {
            Err(S3Error::NotFound { .. }) => return Ok((None, Some(Condition::Absent))),
            object => object.map_err(store("read the proof"))?,
        };
        let unchanged = object.etag().map(|tag| Condition::Tagged(tag.to_owned()));
        let bytes = match object.collect(LIMIT).await {
            Err(S3Error::TooLarge { .. }) => Vec::new(),
            bytes => bytes.map_err(store("read the proof"))?,
        };
        Ok((Some(Document::read(&bytes, id)), unchanged))
    }
}

/// What was read in the place of a proof, and what has to hold for it to be overwritten.
type Found = (Option<Result<Document, FormatError>>, Option<Condition>);

#[cfg(test)]
mod tests;
