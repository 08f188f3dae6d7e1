//! The control connection, held by a task of its own for as long as the command lives.
//!
//! ```text
//! Process ── orders ──▶┌────────┐── signals ──▶ control
//! Stdin ── its half ──▶│ keeper │◀─ end: the command is gone
//!                      └────────┘── gone ─────▶ Stdin, Process
//! ```
//!
//! The keeper kills when it is told to, when the `Process` is dropped, and when a `Stdin` is dropped unended. In that
//! last case it holds on to the input until the command is gone, so the command never sees an end of input that nobody
//! meant. When the runtime ends, the keeper ends with it, control breaks off, and the daemon kills the command.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::super::signal::Signal;
use super::stdin::Input;
use super::websocket::{self, Socket};

/// How long a killed command may take to be gone, and a signal to be sent.
pub(super) const KILL: Duration = Duration::from_secs(10);

/// Signals that wait to be sent; each is a byte.
const ORDERS: usize = 8;

/// How the command stands, as far as control tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It runs.
    Running,
    /// It has exited, or the daemon has.
    Gone,
    /// The keeper gave up on it: it was killed but did not go in time.
    Lost,
}

/// The near end of the leash. Dropped, it kills the command.
#[derive(Debug)]
pub(super) struct Leash {
    orders: mpsc::Sender<Signal>,
    life: watch::Receiver<Life>,
    abandoned: watch::Receiver<bool>,
}

/// What a `Stdin` needs: where to leave its half if it is given up, and how to hear that the command is gone.
pub(super) struct Hold {
    pub(super) give_up: oneshot::Sender<Input>,
    pub(super) life: watch::Receiver<Life>,
}

impl Leash {
    /// Takes control into the hands of a new keeper.
    pub(super) fn new(control: Socket) -> (Self, Hold) {
        let (orders, ordered) = mpsc::channel(ORDERS);
        let (give_up, given_up) = oneshot::channel();
        let (living, life) = watch::channel(Life::Running);
        let (abandon, abandoned) = watch::channel(false);
        let keeper = Keeper {
            control,
            ordered,
            given_up,
            living,
            abandon,
        };
        tokio::spawn(keeper.keep());
        let leash = Self {
            orders,
            life: life.clone(),
            abandoned,
        };
        (leash, Hold { give_up, life })
    }

    /// Has a signal sent; false when the command is gone already.
    pub(super) async fn signal(&self, signal: Signal) -> bool {
        self.orders.send(signal).await.is_ok()
    }

    /// Waits until the command is gone.
    pub(super) async fn gone(&mut self) -> Life {
        let life = self.life.wait_for(|life| *life != Life::Running).await;
        // A keeper that is no more has let go of control, so the daemon kills; whether it has is not known.
        life.map_or(Life::Lost, |life| *life)
    }

    /// Whether the command was killed because its input was given up.
    pub(super) fn was_abandoned(&self) -> bool {
        *self.abandoned.borrow()
    }
}

struct Keeper {
    control: Socket,
    ordered: mpsc::Receiver<Signal>,
    given_up: oneshot::Receiver<Input>,
    living: watch::Sender<Life>,
    abandon: watch::Sender<bool>,
}

impl Keeper {
    async fn keep(mut self) {
        let mut input = None;
        let mut held = true;
        let mut input_open = true;
        let mut deadline: Option<Instant> = None;
        let life = loop {
            // Each arm may lose against another at any time: receiving from a channel and reading a message leave
            // what they have not taken where it is, and the sleep is made anew with the same deadline.
            let signal = tokio::select! {
                order = self.ordered.recv(), if held => order.unwrap_or_else(|| {
                    held = false;
                    Signal::Kill
                }),
                half = &mut self.given_up, if input_open => {
                    input_open = false;
                    let Ok(half) = half else { continue };
                    input = Some(half);
                    self.abandon.send_replace(true);
                    Signal::Kill
                }
                message = self.control.next() => match message {
                    Some(Ok(_)) => continue,
                    Some(Err(_)) | None => break Life::Gone,
                },
                () = until(deadline), if deadline.is_some() => break Life::Lost,
            };
            if signal == Signal::Kill && deadline.is_none() {
                deadline = Some(Instant::now() + KILL);
            }
            // A send that fails means that the command is gone; reading will tell.
            match timeout(KILL, self.control.send(websocket::signal(signal))).await {
                Ok(Ok(()) | Err(_)) => {}
                Err(_) => break Life::Lost,
            }
        };
        // Control first: if the command should live yet, this kills it, and only then its input ends.
        drop(self.control);
        self.living.send_replace(life);
        drop(input);
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
