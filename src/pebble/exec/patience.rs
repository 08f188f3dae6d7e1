//! A limit on how long a stream may stand still.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// Runs out when nothing moves for a while; each movement sets it back.
#[derive(Debug)]
pub(super) struct Patience {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, sleep: None }
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// To be called when nothing moves: ready once that has lasted for the limit.
    pub(super) fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        self.sleep
            .get_or_insert_with(|| Box::pin(sleep(limit)))
            .as_mut()
            .poll(cx)
    }

    /// To be called when something moved.
    pub(super) fn reset(&mut self) {
        self.sleep = None;
    }
}
