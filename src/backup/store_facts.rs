//! What is remembered of a store beside the backups, so that the next process need not find it out again.
//!
//! It lies in clear and is a memory, nothing else: what cannot be read is as good as nothing, and what is old is found out
//! anew, because stores are replaced and learn.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tracing::debug;

use super::Catalogue;
use super::catalogue::store;
use crate::s3::{Sum, Ways};

/// Where it lies, beside the backups.
const KEY: &str = "store.json";
const FORMAT: &str = "synapse-operator-store";
const VERSION: u32 = 1;
/// It is small; a larger object is none.
const LIMIT: usize = 16 * 1024;
/// How long it is believed.
const BELIEVED: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The most characters of a reason.
const REASON: usize = 300;

/// What is known of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StoreFacts {
    format: String,
    version: u32,
    /// What it takes as a checksum, if not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<ChecksumFact>,
    /// `v1` where the second version of listings is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// When it was found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Fields of a later minor version, and of others who know something of the store.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What a store takes as a checksum, and why not another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChecksumFact {
    /// Its name, as the option `backup_checksum` knows it.
    pub mode: String,
    /// Why.
    pub reason: String,
    /// When it was found out.
    pub at: Timestamp,
}

impl StoreFacts {
    fn read(text: &[u8]) -> Option<Self> {
        let facts: Self = serde_json::from_slice(text).ok()?;
        (facts.format == FORMAT && facts.version == VERSION).then_some(facts)
    }

    /// What a bucket can be told, as far as it is still believed.
    fn ways(&self, now: Timestamp) -> Ways {
        let believed = |at: Timestamp| at <= now && now.duration_since(at) < BELIEVED;
        let sum = self.checksum.as_ref().filter(|fact| believed(fact.at));
        let sum = sum.and_then(|fact| Some((Sum::named(&fact.mode)?, fact.reason.clone())));
        let list_v1 = self.list.as_deref() == Some("v1") && self.at.is_some_and(believed);
        Ways {
            sum,
            list_v1: list_v1.then(|| "as it was before".to_owned()),
        }
    }

    /// The same with what a bucket has learnt.
    fn with(self, ways: &Ways, now: Timestamp) -> Self {
        let checksum = ways.sum.as_ref().map(|(sum, reason)| ChecksumFact {
            mode: sum.name().to_owned(),
            reason: reason
                .chars()
                .filter(|c| !c.is_control())
                .take(REASON)
                .collect(),
            at: now,
        });
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            checksum,
            list: ways.list_v1.is_some().then(|| "v1".to_owned()),
            at: Some(now),
            more: self.more,
        }
    }
}

impl Catalogue {
    /// What is remembered of the store; nothing when nobody can tell.
    pub async fn store_facts(&self) -> StoreFacts {
        let read = async {
            let object = self.bucket().get(KEY).await.ok()?;
            StoreFacts::read(&object.collect(LIMIT).await.ok()?)
        };
        read.await.unwrap_or_default()
    }

    /// Tells the bucket what was learnt of its store before; gives that, to be compared afterwards.
    pub async fn recall(&self, now: Timestamp) -> Ways {
        let ways = self.store_facts().await.ways(now);
        self.bucket().adopt(ways.clone());
        ways
    }

    /// Remembers what was learnt of the store since, if anything. Where it cannot be, it is learnt again.
    pub async fn remember(&self, before: &Ways, now: Timestamp) {
        let ways = self.bucket().ways();
        let kinds = |ways: &Ways| {
            (
                ways.sum.as_ref().map(|(sum, _)| *sum),
                ways.list_v1.is_some(),
            )
        };
        if kinds(&ways) == kinds(before) {
            return;
        }
        let facts = self.store_facts().await.with(&ways, now);
        let Ok(text) = serde_json::to_vec_pretty(&facts) else {
            return;
        };
        let written = self.bucket().put(KEY, Bytes::from(text)).await;
        if let Err(error) = written.map_err(store("remember the store")) {
            debug!(%error, "what was learnt of the store is not remembered");
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_was_learnt_is_written_down_and_believed_for_a_month() {
        let now = at("2026-11-21T12:00:00Z");
        let ways = Ways {
            sum: Some((
                Sum::Md5,
                "crc32c was refused: NotImplemented (501)".to_owned(),
            )),
            list_v1: Some("refused".to_owned()),
        };
        let more = Map::from_iter([("conditional-put".to_owned(), "ignored".into())]);
        let facts = StoreFacts {
            more,
            ..StoreFacts::default()
        };
        let text = serde_json::to_string_pretty(&facts.with(&ways, now)).unwrap();
        insta::assert_snapshot!(text, @r#"
        {
          "format": "synapse-operator-store",
          "version": 1,
          "checksum": {
            "mode": "md5",
            "reason": "crc32c was refused: NotImplemented (501)",
            "at": "2026-11-21T12:00:00Z"
          },
          "list": "v1",
          "at": "2026-11-21T12:00:00Z",
          "conditional-put": "ignored"
        }
        "#);
        let read = StoreFacts::read(text.as_bytes()).unwrap();
        let told = read.ways(at("2026-12-20T12:00:00Z"));
        assert_eq!((told.sum, told.list_v1.is_some()), (ways.sum, true));
        assert_eq!(read.ways(at("2026-12-21T12:00:00Z")), Ways::default());
        assert_eq!(read.ways(at("2026-11-20T12:00:00Z")), Ways::default());
    }

    #[test]
    fn what_is_no_memory_of_a_store_is_nothing() {
        for text in ["", "{}", "[]", r#"{"format":"x","version":1}"#] {
            assert_eq!(StoreFacts::read(text.as_bytes()), None, "{text}");
        }
        let unknown = r#"{"format":"synapse-operator-store","version":1,"checksum":{"mode":"sha1","reason":"","at":"2026-11-21T12:00:00Z"}}"#;
        let read = StoreFacts::read(unknown.as_bytes()).unwrap();
        assert_eq!(read.ways(at("2026-11-21T12:00:00Z")), Ways::default());
    }
}
