//! Faults that a test orders from the store in this process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::HeaderMap;
use tokio::sync::watch;

use super::held::Release;
use super::requests::Operation;

/// The calls of a kind whose headers are kept.
const HEADS: usize = 1000;

/// An order: which calls shall go wrong, and how.
#[derive(Debug, Clone)]
pub struct Fault {
    operation: Operation,
    /// The end of the key at which it begins; nothing once that has been seen, or when any key will do.
    first: Option<&'static str>,
    skip: usize,
    times: usize,
    effect: Effect,
}

/// How a call goes wrong.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Nothing is done; this is the answer.
    Answer {
        /// The status.
        status: u16,
        /// Headers beside the usual ones.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// The call is carried out, and this is the answer all the same.
    AnswerAfter {
        /// The status.
        status: u16,
        /// The body.
        body: String,
    },
    /// Nothing is done, and the refusal quotes all that came: the URL, the headers, and the secret that the store knows.
    Echo(u16),
    /// The call is carried out and answered with the tag of other bytes.
    WrongTag,
    /// The call is carried out, and this header of the answer says something else; without a text it is left out.
    Header(&'static str, Option<&'static str>),
    /// The call is carried out as if no range had been asked for, and the answer may break off after so many bytes.
    Whole(Option<u64>),
    /// Nothing is done and nothing is answered, ever.
    Stall,
    /// The connection is closed without an answer.
    Drop,
    /// The call is carried out, and the connection is closed without an answer.
    Lose,
    /// The answer's body breaks off after so many bytes.
    Cut(u64),
    /// The answer's body stops after so many bytes, and the connection stays.
    StallBody(u64),
    /// The call is carried out and answered well, and then its object is lost.
    Forget,
    /// The call is carried out and answered well, and then its object loses its last byte.
    Shorten,
    /// Nothing is done until the orders are taken back; then all goes well.
    Hold,
    /// The answer's body stops after so many bytes, and goes on when the orders are taken back.
    HoldBody(u64),
}

impl Fault {
    /// The next call of this kind goes wrong.
    #[must_use]
    pub fn on(operation: Operation, effect: Effect) -> Self {
        Self {
            operation,
            first: None,
            skip: 0,
            times: 1,
            effect,
        }
    }

    /// Lets all calls pass until one is for a key that ends like this, which is the first that goes wrong.
    #[must_use]
    pub fn starting_at(self, key: &'static str) -> Self {
        Self {
            first: Some(key),
            ..self
        }
    }

    /// Lets so many calls pass before.
    #[must_use]
    pub fn after(self, calls: usize) -> Self {
        Self {
            skip: calls,
            ..self
        }
    }

    /// So many calls in a row go wrong.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// All calls from there on go wrong.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }
}

impl Effect {
    /// A refusal with an S3 error code.
    #[must_use]
    pub fn refuse(status: u16, code: &str) -> Self {
        Self::Answer {
            status,
            headers: Vec::new(),
            body: error_body(code, "ordered by the test"),
        }
    }

    /// A refusal with an S3 error code after the call was carried out.
    #[must_use]
    pub fn refuse_after(status: u16, code: &str) -> Self {
        Self::AnswerAfter {
            status,
            body: error_body(code, "ordered by the test"),
        }
    }
}

/// The body of an S3 error.
pub(super) fn error_body(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    )
}

/// The orders of one server, and the calls that it has seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    orders: Vec<Fault>,
    calls: BTreeMap<Operation, usize>,
    /// Calls that went wrong by an order.
    struck: usize,
    heads: BTreeMap<Operation, VecDeque<HeaderMap>>,
    /// The calls whose answers have not ended yet.
    open: BTreeMap<Operation, usize>,
    cleared: watch::Sender<()>,
}

impl Faults {
    pub(super) fn order(&self, fault: Fault) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .orders
            .push(fault);
    }

    pub(super) fn clear(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.orders.clear();
        state.cleared.send_replace(());
    }

    /// Ends when the orders are taken back the next time.
    pub(super) fn released(&self) -> Release {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cleared = state.cleared.subscribe();
        // The sender lives as long as the server.
        Box::pin(async move { drop(cleared.changed().await) })
    }

    pub(super) fn calls(&self, operation: Operation) -> usize {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .calls
            .get(&operation)
            .copied()
            .unwrap_or_default()
    }

    /// How many calls went wrong because it was ordered.
    pub(super) fn struck(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).struck
    }

    /// The headers of the last calls of a kind, in order.
    pub(super) fn headers(&self, operation: Operation) -> Vec<HeaderMap> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let heads = state.heads.get(&operation);
        heads.into_iter().flatten().cloned().collect()
    }

    /// How many calls of a kind are being answered.
    pub(super) fn open(&self, operation: Operation) -> usize {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.open.get(&operation).copied().unwrap_or_default()
    }

    /// Counts a call as being answered until the guard is dropped.
    pub(super) fn begin(&self, operation: Operation) -> Answering {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state.open.entry(operation).or_default() += 1;
        Answering {
            faults: self.clone(),
            operation,
        }
    }

    /// Notes a call and tells what is to go wrong with it. Of several orders the first that is due counts.
    pub(super) fn strike(
        &self,
        operation: Operation,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<Effect> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        *state.calls.entry(operation).or_default() += 1;
        let heads = state.heads.entry(operation).or_default();
        heads.push_back(headers.clone());
        if heads.len() > HEADS {
            heads.pop_front();
        }
        for order in state
            .orders
            .iter_mut()
            .filter(|order| order.operation == operation)
        {
            if order.first.is_some_and(|key| !path.ends_with(key)) {
                continue;
            }
            order.first = None;
            if order.skip > 0 {
                order.skip -= 1;
            } else if order.times > 0 {
                order.times = order
                    .times
                    .saturating_sub(usize::from(order.times != usize::MAX));
                state.struck += 1;
                return Some(order.effect.clone());
            }
        }
        None
    }
}

/// A call that is being answered.
#[derive(Debug)]
pub(super) struct Answering {
    faults: Faults,
    operation: Operation,
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.faults.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = state.open.get_mut(&self.operation) {
            *open = open.saturating_sub(1);
        }
    }
}
