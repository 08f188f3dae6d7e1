//! Waiting for a condition with a limit: what stands in the place of every sleep.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long to rest between two looks.
const REST: Duration = Duration::from_millis(10);

/// A moment up to which something may be waited for.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    limit: Duration,
    end: Instant,
}

impl Deadline {
    /// A deadline that lies `limit` ahead.
    pub fn after(limit: Duration) -> Self {
        Self {
            limit,
            end: Instant::now() + limit,
        }
    }

    /// What is left until the deadline, nothing when it has passed.
    pub fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Looks until there is an answer; past the deadline the error names `what` was waited for and the last thing seen.
    pub fn wait_for<T, S: Display>(
        &self,
        what: &str,
        mut look: impl FnMut() -> Result<Look<T, S>>,
    ) -> Result<T> {
        loop {
            let seen = match look()? {
                Look::Done(value) => return Ok(value),
                Look::NotYet(seen) => seen,
            };
            if self.left().is_zero() {
                bail!(
                    "waited {} s for {what}; last seen: {seen}",
                    self.limit.as_secs()
                );
            }
            std::thread::sleep(REST);
        }
    }
}

/// What one look gave.
#[derive(Debug)]
pub enum Look<T, S> {
    /// The answer.
    Done(T),
    /// None yet, and what was seen instead.
    NotYet(S),
}
