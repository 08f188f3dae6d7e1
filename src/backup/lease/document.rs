//! The document of a lease, and what it means to somebody who reads it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Holder, LeaseError, Task};
use crate::backup::Progress;

/// The version that this program writes. Readers need no other field than those below.
const VERSION: u32 = 1;

/// Who works, at what, and until when nobody else should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Document {
    version: u32,
    pub(super) holder: String,
    pub(super) model: String,
    /// The model's name, which is no more than a help for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) model_name: String,
    pub(super) task: String,
    pub(super) since: Timestamp,
    renewed: Timestamp,
    expires: Timestamp,
    /// The backup that it is about. No field that came later may keep an older lease from being read, nor this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) backup_id: Option<String>,
    /// What was being done at the last renewal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) phase: Option<String>,
    /// How much of that was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) percent: Option<u8>,
    /// Random: tells this lease from every other one, also of the same holder.
    pub(super) token: String,
}

/// What a lease that was found means to somebody who wants one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is none, or it has ended.
    Free,
    /// It is one's own, from a run that was killed.
    Mine,
    /// Somebody else works.
    Busy(Box<Document>),
}

impl Document {
    pub(super) fn new(holder: &Holder, task: &Task, token: String, now: Timestamp) -> Self {
        Self {
            version: VERSION,
            holder: holder.unit.clone(),
            model: holder.model.clone(),
            model_name: holder.model_name.clone(),
            task: task.name.to_owned(),
            since: now,
            renewed: now,
            expires: now,
            backup_id: task.backup.as_ref().map(ToString::to_string),
            phase: None,
            percent: None,
            token,
        }
    }

    /// The same lease, for as long again.
    pub(super) fn renewed(&self, now: Timestamp, lasts: Duration) -> Self {
        let expires = now.checked_add(lasts).unwrap_or(Timestamp::MAX);
        Self {
            renewed: now,
            expires,
            ..self.clone()
        }
    }

    /// The same lease, and how far its holder has come.
    pub(super) fn telling(self, progress: Progress) -> Self {
        Self {
            phase: Some(progress.phase.to_string()),
            percent: progress.percent(),
            ..self
        }
    }

    /// Whether this is the same lease, however often it was renewed.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.token == other.token
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    /// Tells `me` who works.
    pub(super) fn busy(self, me: &Holder) -> LeaseError {
        LeaseError::Busy {
            holder: self.named_for(me),
            task: self.task,
            since: self.since,
            expires: self.expires,
        }
    }

    /// Tells `me` who has taken the lease over.
    pub(super) fn lost(self, me: &Holder) -> LeaseError {
        LeaseError::Lost {
            holder: self.named_for(me),
            task: self.task,
        }
    }

    /// The holder, as `me` knows it: a unit of another model is named with it.
    fn named_for(&self, me: &Holder) -> String {
        match self.model == me.model {
            true => self.holder.clone(),
            false => format!("{} of the model {}", self.holder, self.model_shown()),
        }
    }

    /// The model as people know it.
    pub(super) fn model_shown(&self) -> &str {
        match self.model_name.as_str() {
            "" => &self.model,
            name => name,
        }
    }
}

/// What the lease that was found means to `me`.
///
/// One unit runs one action at a time: whatever of its own it finds was left by a run that was killed.
pub(super) fn verdict(found: Option<Document>, me: &Holder, now: Timestamp) -> Verdict {
    match found {
        None => Verdict::Free,
        Some(found) if found.holder == me.unit && found.model == me.model => Verdict::Mine,
        Some(found) if found.has_ended(now) => Verdict::Free,
        Some(found) => Verdict::Busy(Box::new(found)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::backup::{BackupId, Phase};

    const LASTS: Duration = Duration::from_secs(120);

    fn holder(unit: &str, model: &str) -> Holder {
        Holder {
            unit: unit.to_owned(),
            model: model.to_owned(),
            model_name: String::new(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_262_640 + second).unwrap()
    }

    fn found(unit: &str, model: &str) -> Document {
        let fresh = Document::new(
            &holder(unit, model),
            &Task::from("create-backup"),
            "token".to_owned(),
            at(0),
        );
        fresh.renewed(at(30), LASTS)
    }

    #[test]
    fn lease_is_free_mine_or_of_somebody_who_still_works() {
        let me = holder("synapse/0", "here");
        let theirs = || Some(found("synapse/1", "here"));
        let elsewhere = || Some(found("synapse/0", "there"));
        let mine = || Some(found("synapse/0", "here"));
        let busy = |document: Option<Document>| Verdict::Busy(Box::new(document.unwrap()));
        for (document, now, expected) in [
            (None, 0, Verdict::Free),
            (mine(), 31, Verdict::Mine),
            (mine(), 9999, Verdict::Mine),
            (theirs(), 31, busy(theirs())),
            (theirs(), 149, busy(theirs())),
            (theirs(), 150, Verdict::Free),
            (theirs(), 9999, Verdict::Free),
            // Clocks that differ: it ends when it says.
            (theirs(), -9999, busy(theirs())),
            (elsewhere(), 149, busy(elsewhere())),
            (elsewhere(), 150, Verdict::Free),
        ] {
            assert_eq!(
                verdict(document.clone(), &me, at(now)),
                expected,
                "{document:?} {now}"
            );
        }
    }

    #[test]
    fn busy_names_who_works_at_what_since_when() {
        let me = holder("synapse/0", "here");
        let told = |document: Document| document.busy(&me).to_string();
        assert_eq!(
            told(found("synapse/1", "here")),
            "synapse/1 is at work on these backups (create-backup, since 2026-11-21T12:04:00Z)"
        );
        assert_eq!(
            told(found("synapse/0", "there")),
            "synapse/0 of the model there is at work on these backups (create-backup, since 2026-11-21T12:04:00Z)"
        );
        let named = Document {
            model_name: "prod".to_owned(),
            ..found("synapse/0", "there")
        };
        assert!(told(named).starts_with("synapse/0 of the model prod is at work"));
    }

    #[test]
    fn document_is_written_as_the_format_says() {
        let written = serde_json::to_string_pretty(&found("synapse/1", "here")).unwrap();
        insta::assert_snapshot!(written, @r#"
        {
          "version": 1,
          "holder": "synapse/1",
          "model": "here",
          "task": "create-backup",
          "since": "2026-11-21T12:04:00Z",
          "renewed": "2026-11-21T12:04:30Z",
          "expires": "2026-11-21T12:06:30Z",
          "token": "token"
        }
        "#);
        let later = written.replace("\"version\": 1", "\"version\": 2, \"more\": []");
        assert!(serde_json::from_str::<Document>(&later).is_ok());
    }

    #[test]
    fn lease_tells_how_far_its_holder_has_come() {
        let id = BackupId::at(at(0));
        let task = Task {
            backup: Some(id.clone()),
            ..Task::from("create-backup")
        };
        let document = Document::new(&holder("synapse/1", "here"), &task, "t".to_owned(), at(0));
        let progress = Progress {
            phase: Phase::Uploading,
            bytes: 43,
            total: 100,
        };
        let document = document.renewed(at(30), LASTS).telling(progress);
        let written = serde_json::to_string(&document).unwrap();
        let read: Document = serde_json::from_str(&written).unwrap();
        let told = read.at_work(at(31)).unwrap();
        assert_eq!((told.backup, told.percent), (Some(id), Some(43)));
        assert_eq!(told.phase.unwrap(), "uploading");
        assert_eq!(read.at_work(at(150)), None);
    }

    #[test]
    fn what_a_lease_says_is_cut_and_made_printable() {
        let document = Document {
            holder: format!("a\u{1b}[31m{}", "x".repeat(10_000)),
            backup_id: Some("../x".to_owned()),
            percent: Some(200),
            ..found("synapse/1", "here")
        };
        let told = document.at_work(at(31)).unwrap();
        assert!(told.unit.starts_with("a[31mx") && told.unit.len() == 80);
        assert_eq!((told.backup, told.percent), (None, Some(100)));
    }

    #[test]
    fn renewal_keeps_who_and_since_when_and_never_overflows() {
        let document = found("synapse/1", "here");
        let renewed = document.renewed(at(60), LASTS);
        assert!(renewed.is(&document));
        assert_eq!((renewed.since, renewed.expires), (at(0), at(180)));
        let forever = document.renewed(Timestamp::MAX, LASTS);
        assert_eq!(forever.expires, Timestamp::MAX);
    }
}
