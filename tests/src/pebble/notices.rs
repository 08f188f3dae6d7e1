//! Notices: counted by type and key, listed by the time of their last repetition, waited for.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::duration::Span;
use super::guarded::Guarded;

/// How long notices are kept, as the API says it.
const KEPT: &str = "168h0m0s";
/// How many notices are kept.
const MOST: usize = 1_000;

/// The notices of a daemon's life; they are not kept beyond it.
pub(crate) struct Notices {
    list: Guarded<Vec<Notice>>,
    next: Guarded<u64>,
    changed: watch::Sender<u64>,
}

struct Notice {
    id: u64,
    user: Option<u32>,
    kind: String,
    key: String,
    first: Timestamp,
    occurred: Timestamp,
    repeated: Timestamp,
    count: u64,
    data: BTreeMap<String, String>,
    repeat_after: Option<Span>,
}

/// What is added.
pub(crate) struct News {
    pub(crate) user: Option<u32>,
    pub(crate) kind: &'static str,
    pub(crate) key: String,
    pub(crate) data: BTreeMap<String, String>,
    pub(crate) repeat_after: Option<Span>,
}

/// Which notices are asked for.
pub(crate) struct Filter {
    /// Those of this user and of nobody; all when there is none.
    pub(crate) user: Option<u32>,
    pub(crate) kinds: Vec<String>,
    pub(crate) keys: Vec<String>,
    pub(crate) after: Option<Timestamp>,
}

impl Notices {
    pub(crate) fn new() -> Self {
        Self {
            list: Guarded::default(),
            next: Guarded::new(1),
            changed: watch::Sender::new(0),
        }
    }

    /// Adds a notice, or counts it once more; its id.
    pub(crate) fn add(&self, news: News) -> String {
        let mut list = self.list.lock();
        let now = later_than(list.iter().map(|notice| notice.repeated).max());
        let known = list.iter_mut().find(|notice| {
            notice.user == news.user && notice.kind == news.kind && notice.key == news.key
        });
        let id = match known {
            Some(notice) => {
                notice.count += 1;
                notice.occurred = now;
                notice.data = news.data;
                notice.repeat_after = news.repeat_after;
                let quiet = news.repeat_after.map_or(Duration::ZERO, Span::as_duration);
                if notice.repeated.duration_until(now).unsigned_abs() >= quiet {
                    notice.repeated = now;
                }
                notice.id
            }
            None => {
                let mut next = self.next.lock();
                let id = *next;
                *next += 1;
                if list.len() >= MOST {
                    list.remove(0);
                }
                list.push(Notice {
                    id,
                    user: news.user,
                    kind: news.kind.to_owned(),
                    key: news.key,
                    first: now,
                    occurred: now,
                    repeated: now,
                    count: 1,
                    data: news.data,
                    repeat_after: news.repeat_after,
                });
                id
            }
        };
        drop(list);
        self.changed.send_modify(|count| *count += 1);
        id.to_string()
    }

    /// The notice of that id, with whose it is.
    pub(crate) fn find(&self, id: &str) -> Option<(Option<u32>, Value)> {
        let list = self.list.lock();
        list.iter()
            .find(|notice| notice.id.to_string() == id)
            .map(|notice| (notice.user, notice.to_json()))
    }

    /// Those that are asked for, by the time of their last repetition.
    pub(crate) fn matching(&self, filter: &Filter) -> Vec<Value> {
        let list = self.list.lock();
        let mut found: Vec<&Notice> = list.iter().filter(|notice| filter.fits(notice)).collect();
        found.sort_by_key(|notice| notice.repeated);
        found.into_iter().map(Notice::to_json).collect()
    }

    /// The same, waiting so long for the first of them.
    pub(crate) async fn wait(&self, filter: &Filter, patience: Duration) -> Vec<Value> {
        let mut changed = self.changed.subscribe();
        let search = async {
            loop {
                changed.mark_unchanged();
                let found = self.matching(filter);
                if !found.is_empty() || changed.changed().await.is_err() {
                    return found;
                }
            }
        };
        tokio::time::timeout(patience, search)
            .await
            .unwrap_or_default()
    }
}

impl Filter {
    fn fits(&self, notice: &Notice) -> bool {
        let one_of = |list: &[String], text: &String| list.is_empty() || list.contains(text);
        let theirs = match (self.user, notice.user) {
            (Some(asked), Some(owner)) => asked == owner,
            _ => true,
        };
        theirs
            && one_of(&self.kinds, &notice.kind)
            && one_of(&self.keys, &notice.key)
            && self.after.is_none_or(|after| notice.repeated > after)
    }
}

impl Notice {
    fn to_json(&self) -> Value {
        let mut shown = json!({
            "id": self.id.to_string(),
            "user-id": self.user,
            "type": self.kind,
            "key": self.key,
            "first-occurred": self.first,
            "last-occurred": self.occurred,
            "last-repeated": self.repeated,
            "occurrences": self.count,
            "expire-after": KEPT,
        });
        if !self.data.is_empty() {
            shown["last-data"] = json!(self.data);
        }
        if let Some(span) = self.repeat_after {
            shown["repeat-after"] = json!(span);
        }
        shown
    }
}

/// Now, but surely later than what was last: the order of notices rests on it.
fn later_than(last: Option<Timestamp>) -> Timestamp {
    let now = Timestamp::now();
    let next = last.and_then(|last| last.checked_add(jiff::SignedDuration::from_nanos(1)).ok());
    next.map_or(now, |next| next.max(now))
}
