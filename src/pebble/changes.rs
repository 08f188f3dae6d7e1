//! Changes: what the daemon does in the background, and waiting for it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use super::client::{Client, REQUEST, required};
use super::duration::Span;
use super::envelope::is_id;
use super::error::PebbleError;

/// How long the daemon is asked to hold one request for a change's end.
const SLICE: Duration = Duration::from_secs(4);

/// How long to leave a daemon alone that cannot be reached, before trying again.
const RETRY: Duration = Duration::from_millis(200);

/// How much of the tasks' logs an error carries.
const LOG_BYTES: usize = 4 * 1024;

/// Something that the daemon does in the background.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Change {
    /// The id, a decimal number.
    pub id: String,
    /// What it does, such as `start` or `exec`.
    pub kind: String,
    /// What it does, in the daemon's words.
    #[serde(default)]
    pub summary: String,
    /// How it stands, such as `Doing`, `Done` or `Error`.
    pub status: String,
    /// The steps it is made of.
    #[serde(default)]
    pub tasks: Option<Vec<Task>>,
    /// Whether it has ended, well or not.
    pub ready: bool,
    /// What went wrong.
    #[serde(default)]
    pub err: Option<String>,
}

/// One step of a change.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Task {
    /// The id, which is not the change's.
    pub id: String,
    /// What it does, in the daemon's words.
    #[serde(default)]
    pub summary: String,
    /// How it stands.
    pub status: String,
    /// The last ten entries of its log.
    #[serde(default)]
    pub log: Option<Vec<String>>,
    /// What it has to say besides; an exec leaves its exit code here.
    #[serde(default)]
    pub data: Option<BTreeMap<String, serde_json::Value>>,
}

impl Change {
    /// Tells whether it ended as it should; an ended change that did not is the error.
    pub fn check(&self) -> Result<(), PebbleError> {
        if self.ready && self.err.is_none() && self.status == "Done" {
            return Ok(());
        }
        let err = match &self.err {
            Some(err) => err.clone(),
            None => format!("it ended with status {}", self.status),
        };
        Err(PebbleError::Change {
            kind: self.kind.clone(),
            summary: self.summary.clone(),
            err,
            log: self.log_tail(),
        })
    }

    /// What an exec's command exited with; absent if it never ran, or if a restarted daemon has forgotten.
    pub(super) fn exit_code(&self) -> Option<i64> {
        self.tasks
            .iter()
            .flatten()
            .find_map(|task| task.data.as_ref()?.get("exit-code")?.as_i64())
    }

    /// The end of the tasks' logs, of a bounded size.
    fn log_tail(&self) -> String {
        let lines: Vec<&str> = self
            .tasks
            .iter()
            .flatten()
            .flat_map(|task| task.log.iter().flatten())
            .map(String::as_str)
            .collect();
        let log = lines.join("\n");
        let mut start = log.len().saturating_sub(LOG_BYTES);
        while !log.is_char_boundary(start) {
            start += 1;
        }
        log[start..].to_owned()
    }
}

impl Client {
    /// Looks at a change.
    pub async fn change(&self, id: &str) -> Result<Change, PebbleError> {
        let target = target(id)?;
        required(&target, self.get(&target, REQUEST).await?)
    }

    /// Waits until a change has ended, well or not; ask [`Change::check`] which.
    ///
    /// The wait is made of short requests. A daemon that cannot be reached in between, because it is being restarted,
    /// is asked again until `limit` has passed.
    pub async fn wait(&self, id: &str, limit: Duration) -> Result<Change, PebbleError> {
        self.wait_noting(id, limit, |_| true).await
    }

    /// As [`Client::wait`]; `patient` hears of each loss of the daemon and says whether to go on.
    pub(super) async fn wait_noting(
        &self,
        id: &str,
        limit: Duration,
        mut patient: impl FnMut(&PebbleError) -> bool,
    ) -> Result<Change, PebbleError> {
        let deadline = Instant::now() + limit;
        let base = target(id)?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let slice = SLICE.min(left).max(Duration::from_millis(1));
            let wait = format!("{base}/wait?timeout={}", Span(slice));
            match self.get::<Change>(&wait, slice + REQUEST).await {
                Ok(change) => {
                    let change = required(&base, change)?;
                    if change.ready {
                        return Ok(change);
                    }
                }
                Err(PebbleError::Api { code: 504, .. }) => {}
                Err(error) if error.is_connection() => {
                    let next = Instant::now() + RETRY;
                    if next >= deadline || !patient(&error) {
                        return Err(error);
                    }
                    sleep_until(next).await;
                }
                Err(error) => return Err(error),
            }
            if Instant::now() >= deadline {
                return Err(PebbleError::TimedOut {
                    what: format!("change {id}"),
                    after: limit,
                });
            }
        }
    }

    /// Asks the daemon to give a change up; it is refused if the change has already ended.
    pub async fn abort(&self, id: &str) -> Result<Change, PebbleError> {
        let target = target(id)?;
        let body = serde_json::json!({"action": "abort"});
        required(&target, self.post(&target, &body).await?)
    }
}

fn target(id: &str) -> Result<String, PebbleError> {
    if is_id(id) {
        Ok(format!("/v1/changes/{id}"))
    } else {
        Err(PebbleError::protocol(
            "a change",
            format_args!("{id:?} is no id of a change"),
        ))
    }
}
