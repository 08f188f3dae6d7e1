//! The life of one service: what state it is in, and the process that it is.

use jiff::Timestamp;
use rustix::process::Signal;
use tokio::sync::oneshot;

use super::duration::Span;
use super::layer::Service;
use super::process::Process;
use super::signal;

/// Where a service is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// About to be started.
    Initial,
    /// Started, and not yet known to last.
    Starting,
    Running,
    /// Asked to end.
    Terminating,
    /// Made to end.
    Killing,
    Stopped,
    /// Ended by itself, to be started again.
    Backoff,
    /// Ended by itself, and left alone.
    Exited,
}

type Teller = oneshot::Sender<Result<(), String>>;

/// One service that was started at least once.
pub(crate) struct Life {
    pub(crate) config: Service,
    state: State,
    since: Option<Timestamp>,
    /// Counts the transitions, so that a timer can tell whether it was set for this one.
    turn: u64,
    pub(crate) process: Option<Process>,
    backoff: Option<Span>,
    pub(crate) started: Option<Teller>,
    pub(crate) stopped: Option<Teller>,
    pub(crate) restarting: bool,
}

impl Life {
    pub(crate) fn new(config: Service) -> Self {
        Self {
            config,
            state: State::Initial,
            since: None,
            turn: 0,
            process: None,
            backoff: None,
            started: None,
            stopped: None,
            restarting: false,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// When the status last became another.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Goes over to another state; the number by which a timer knows it.
    pub(crate) fn become_(&mut self, state: State) -> u64 {
        if self.since.is_none() || self.state.status() != state.status() {
            self.since = Some(Timestamp::now());
        }
        self.state = state;
        self.turn += 1;
        self.turn
    }

    /// Whether it is still in that state, from that transition on.
    pub(crate) fn is_still(&self, state: State, turn: u64) -> bool {
        self.state == state && self.turn == turn
    }

    /// Whether this is its process.
    pub(crate) fn is(&self, process: &Process) -> bool {
        self.process
            .as_ref()
            .is_some_and(|mine| mine.pid() == process.pid())
    }

    /// How long to wait before the next start, a little longer each time.
    pub(crate) fn next_backoff(&mut self) -> Span {
        let limit = self.backoff_limit();
        let first = self.config.backoff_delay.unwrap_or(Span::from_millis(500));
        let next = match self.backoff {
            None => first,
            Some(last) if last >= limit => limit,
            Some(last) => last
                .times(self.config.backoff_factor.unwrap_or(2.0))
                .min(limit),
        };
        self.backoff = Some(next);
        next
    }

    pub(crate) fn backoff_limit(&self) -> Span {
        self.config
            .backoff_limit
            .unwrap_or(Span::from_millis(30_000))
    }

    /// It has run long enough to be trusted again.
    pub(crate) fn forget_backoff(&mut self) {
        self.backoff = None;
    }

    /// What is to be done when it ends with that code.
    pub(crate) fn on_exit(&self, code: i32) -> &str {
        let action = if code == 0 {
            &self.config.on_success
        } else {
            &self.config.on_failure
        };
        action
            .as_deref()
            .filter(|action| !action.is_empty())
            .unwrap_or("restart")
    }

    /// Sends a signal by name to the main process.
    pub(crate) fn signal(&self, name: &str) -> Result<(), String> {
        match (self.state, &self.process) {
            (State::Starting | State::Running, Some(process)) => {
                let signal =
                    signal::by_name(name).ok_or_else(|| format!("invalid signal name {name:?}"))?;
                process.signal(signal)
            }
            _ => Err("service is not running".to_owned()),
        }
    }

    /// Sends a signal to the whole process group.
    pub(crate) fn signal_group(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal_group(signal);
        }
    }

    pub(crate) fn tell_started(&mut self, result: Result<(), String>) {
        if let Some(teller) = self.started.take() {
            let _nobody = teller.send(result);
        }
    }

    pub(crate) fn tell_stopped(&mut self, result: Result<(), String>) {
        if let Some(teller) = self.stopped.take() {
            let _nobody = teller.send(result);
        }
    }
}

impl State {
    /// What `current` says.
    pub(crate) fn status(self) -> &'static str {
        match self {
            Self::Initial | Self::Starting | Self::Running => "active",
            Self::Terminating | Self::Killing | Self::Stopped => "inactive",
            Self::Backoff => "backoff",
            Self::Exited => "error",
        }
    }
}
