//! Calls that are made again: how often, when, and how that is told.
//!
//! The SDK makes a call again where a classifier says so. The one here comes last: it counts, decides how long the pause
//! is, and ends what has had no success for too long. Whether a failure can pass at all is mostly for the others to say.

mod answer;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::{BeforeTransmitInterceptorContextRef, InterceptorContext};
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::retries::classifiers::{RetryClassifierPriority, RetryReason};
use aws_smithy_types::retry::ErrorKind;
use tokio::sync::watch;
use tokio::time::Instant;

use super::limits::Limits;
use answer::Answer;

/// The longest pause that a store can ask for.
pub(super) const LONGEST_ASKED: Duration = Duration::from_secs(60);
/// As many retries are logged for everybody; later ones only for who wants details.
const LOGGED: u64 = 200;
/// A call that is being made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// What it does, as in `write part 7 of a`.
    pub task: String,
    /// Why it has to be made again.
    pub why: String,
    /// When it is made.
    pub next: Instant,
    /// How many calls of this bucket were made again so far, this one included.
    pub count: u64,
}

/// How long the first data of a run may not come through: then nothing is lost yet, and an operator waits for an answer.
const FIRST: Duration = Duration::from_secs(20);

/// The retries of one bucket.
#[derive(Debug, Clone)]
pub(super) struct Retries(Arc<State>);

#[derive(Debug)]
struct State {
    count: AtomicU64,
    last: watch::Sender<Option<Again>>,
    /// Since when no data has come through, if the last that was tried did not.
    fruitless: Mutex<Option<Instant>>,
    /// Whether a part or a piece of a large object has ever come through.
    flows: AtomicBool,
}

impl Default for Retries {
    fn default() -> Self {
        Self(Arc::new(State {
            count: AtomicU64::new(0),
            last: watch::Sender::new(None),
            fruitless: Mutex::new(None),
            flows: AtomicBool::new(false),
        }))
    }
}

impl Retries {
    /// How many calls were made again.
    pub(super) fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// The last call that was made again, and those to come.
    pub(super) fn watch(&self) -> watch::Receiver<Option<Again>> {
        self.0.last.subscribe()
    }

    /// Counts a call that is made again after a pause, and tells of it.
    pub(super) fn tell(&self, task: &str, why: &str, pause: Duration) {
        let count = self.0.count.fetch_add(1, Ordering::Relaxed) + 1;
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        if count <= LOGGED {
            tracing::info!(task, why, pause_ms, count, "trying again");
        } else {
            tracing::debug!(task, why, pause_ms, count, "trying again");
        }
        self.0.last.send_replace(Some(Again {
            task: task.to_owned(),
            why: why.to_owned(),
            next: Instant::now() + pause,
            count,
        }));
    }

    /// Data has come through.
    pub(super) fn succeeded(&self) {
        *self.fruitless() = None;
    }

    /// A part or a piece of a large object has come through: from now on there is work to lose, and patience pays.
    pub(super) fn flowed(&self) {
        self.0.flows.store(true, Ordering::Relaxed);
        self.succeeded();
    }

    /// Data has not come through; tells whether that has been so for `longest`, or for less where none ever has.
    pub(super) fn failed(&self, longest: Duration) -> bool {
        let now = Instant::now();
        let longest = match self.0.flows.load(Ordering::Relaxed) {
            true => longest,
            false => longest.min(FIRST),
        };
        let since = *self.fruitless().get_or_insert(now);
        now - since >= longest
    }

    fn fruitless(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0
            .fruitless
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The attempts of one call: an interceptor that sees them begin, and a classifier that sees them end.
#[derive(Debug, Clone)]
pub(super) struct Attempts(Arc<Call>);

/// What is to be known of a call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) retries: Retries,
    pub(super) limits: Limits,
    pub(super) task: String,
    /// The most attempts.
    pub(super) most: u32,
    /// Whether somebody waits for the answer, and no store may ask for patience.
    pub(super) hurried: bool,
    /// Whether a long time without any success ends it.
    pub(super) bounded: bool,
    /// Whether an answer is the success.
    pub(super) fruit: bool,
    pub(super) state: Mutex<Attempt>,
}

/// How far a call has come.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// Attempts that have ended.
    made: u32,
    /// What was decided of the last one; nothing while one is under way. The SDK may ask more than once.
    decided: Option<RetryAction>,
}

impl Attempts {
    pub(super) fn of(call: Call) -> Self {
        Self(Arc::new(call))
    }
}

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "sees attempts begin"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.decided = None;
        Ok(())
    }
}

impl ClassifyRetry for Attempts {
    fn classify_retry(&self, _: &InterceptorContext) -> RetryAction {
        RetryAction::NoActionIndicated
    }

    fn classify_retry_v2(
        &self,
        context: &InterceptorContext,
        verdict: &RetryAction,
    ) -> RetryAction {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decided) = &state.decided {
            return decided.clone();
        }
        state.made += 1;
        let decided = self.0.decide(state.made, context, verdict);
        state.decided = Some(decided.clone());
        decided
    }

    fn name(&self) -> &'static str {
        "counts and tells what is tried again"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::run_after(
            RetryClassifierPriority::transient_error_classifier(),
        ))
    }
}

impl Call {
    fn decide(
        &self,
        attempt: u32,
        context: &InterceptorContext,
        verdict: &RetryAction,
    ) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else {
            if self.fruit {
                self.retries.flowed();
            }
            return RetryAction::NoActionIndicated;
        };
        let answer = context.response().map(Answer::of);
        let (kind, asked) = match verdict {
            RetryAction::RetryIndicated(RetryReason::RetryableError { kind, retry_after }) => {
                (*kind, *retry_after)
            }
            _ if answer.as_ref().is_some_and(Answer::passes) => (ErrorKind::TransientError, None),
            _ => return RetryAction::NoActionIndicated,
        };
        if attempt >= self.most {
            return RetryAction::NoActionIndicated;
        }
        let fault = answer.as_ref().is_some_and(Answer::is_fault);
        if fault && attempt >= self.limits.fault_attempts {
            return RetryAction::RetryForbidden;
        }
        if self.bounded && self.retries.failed(self.limits.fruitless) {
            tracing::warn!(task = self.task, "nothing has come through for too long");
            return RetryAction::RetryForbidden;
        }
        let mut random = [u8::MAX];
        // Without randomness the pause is the longest.
        let _ = getrandom::fill(&mut random);
        let own = self.limits.pause(attempt, random[0]);
        let asked = answer.as_ref().and_then(|answer| answer.wait).or(asked);
        let pause = match asked.filter(|_| !self.hurried) {
            Some(asked) => asked.min(LONGEST_ASKED).max(own),
            None => own,
        };
        let why = match (&answer, error.as_connector_error()) {
            (Some(answer), _) => answer.told(),
            (None, Some(error)) if error.is_timeout() => "nothing moved for too long".to_owned(),
            (None, Some(_)) => "the connection broke".to_owned(),
            (None, None) => "no answer came in time".to_owned(),
        };
        self.retries.tell(&self.task, &why, pause);
        RetryAction::RetryIndicated(RetryReason::RetryableError {
            kind,
            retry_after: Some(pause),
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_without_success_is_measured_from_the_first_failure() {
        let retries = Retries::default();
        assert!(!retries.failed(Duration::from_nanos(1)));
        tokio::task::yield_now().await;
        assert!(retries.failed(Duration::ZERO));
        assert!(!retries.failed(Duration::from_secs(900)));
        retries.succeeded();
        assert!(!retries.failed(Duration::from_secs(900)));
    }

    #[test]
    fn retries_are_counted_and_the_last_is_told() {
        let retries = Retries::default();
        let watch = retries.watch();
        assert_eq!(*watch.borrow(), None);
        retries.tell("write a", "SlowDown (503)", Duration::from_secs(2));
        retries.tell("write part 7 of a", "status 502", Duration::ZERO);
        let told = watch.borrow().clone().unwrap();
        assert_eq!(
            (told.count, &*told.task, &*told.why),
            (2, "write part 7 of a", "status 502")
        );
        assert_eq!(retries.count(), 2);
    }
}
