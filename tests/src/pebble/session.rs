//! The websockets of one exec: which there are, which are connected, and who waits for them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};

use super::guarded::Guarded;
use super::websocket::{Message, Receiver, Sender};

/// How long a socket is left open that nobody needs any more. The real daemon leaves that to its garbage collector.
const LEFT_OPEN: Duration = Duration::from_secs(3);
/// How long a pong may take to be written.
const PONG: Duration = Duration::from_secs(1);

/// One websocket, its halves in the hands of whoever reads and writes.
pub(crate) struct Socket {
    pub(crate) receiver: Receiver,
    pub(crate) sender: SharedSender,
}

/// The sending half, which answers to pings share with the stream.
pub(crate) type SharedSender = Arc<Mutex<Sender>>;

/// The websockets of an exec.
pub(crate) struct Session {
    slots: Guarded<Slots>,
    connected: watch::Sender<bool>,
    control: watch::Sender<bool>,
}

#[derive(Default)]
struct Slots {
    control: Slot,
    stdio: Slot,
    stderr: Option<Slot>,
    over: bool,
}

#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Waiting(Socket),
    Taken,
}

/// Why a handshake is refused.
pub(crate) enum Unfit {
    Unknown,
    Connected,
}

impl Session {
    pub(crate) fn new(split_stderr: bool) -> Arc<Self> {
        let slots = Slots {
            stderr: split_stderr.then(Slot::default),
            ..Slots::default()
        };
        Arc::new(Self {
            slots: Guarded::new(slots),
            connected: watch::Sender::new(false),
            control: watch::Sender::new(false),
        })
    }

    /// Whether a websocket of that name may be connected.
    pub(crate) fn admits(&self, name: &str) -> Result<(), Unfit> {
        match self.slots.lock().of(name) {
            None => Err(Unfit::Unknown),
            Some(Slot::Empty) => Ok(()),
            Some(Slot::Waiting(_) | Slot::Taken) => Err(Unfit::Connected),
        }
    }

    /// Takes in a websocket whose handshake is done. Of two of the same name the later one is dropped.
    pub(crate) fn connect(&self, name: &str, receiver: Receiver, sender: Sender) {
        let mut slots = self.slots.lock();
        if slots.over {
            return;
        }
        let Some(slot @ Slot::Empty) = slots.of(name) else {
            return;
        };
        *slot = Slot::Waiting(Socket {
            receiver,
            sender: Arc::new(Mutex::new(sender)),
        });
        let complete =
            !matches!(slots.stdio, Slot::Empty) && !matches!(slots.stderr, Some(Slot::Empty));
        drop(slots);
        if name == "control" {
            self.control.send_replace(true);
        } else if complete {
            self.connected.send_replace(true);
        }
    }

    /// Waits until all that the process needs is connected.
    pub(crate) async fn connected(&self) {
        let mut connected = self.connected.subscribe();
        let _never_closed = connected.wait_for(|connected| *connected).await;
    }

    /// Waits until control is connected.
    pub(crate) async fn control_connected(&self) {
        let mut connected = self.control.subscribe();
        let _never_closed = connected.wait_for(|connected| *connected).await;
    }

    /// Hands over a websocket that is connected.
    pub(crate) fn take(&self, name: &str) -> Option<Socket> {
        let mut slots = self.slots.lock();
        let slot = slots.of(name)?;
        match std::mem::replace(slot, Slot::Taken) {
            Slot::Waiting(socket) => Some(socket),
            other => {
                *slot = other;
                None
            }
        }
    }

    /// Ends the session: control is closed, the others are left hanging for a while.
    pub(crate) fn end(&self) {
        let mut slots = self.slots.lock();
        slots.over = true;
        drop(std::mem::take(&mut slots.control));
        let left = [
            std::mem::take(&mut slots.stdio),
            slots.stderr.take().unwrap_or_default(),
        ];
        drop(slots);
        for slot in left {
            if let Slot::Waiting(socket) = slot {
                leave_open(socket);
            }
        }
    }
}

/// Keeps something open for a while that has had its last word.
pub(crate) fn leave_open<T: Send + 'static>(left: T) {
    tokio::spawn(async move {
        tokio::time::sleep(LEFT_OPEN).await;
        drop(left);
    });
}

impl Slots {
    fn of(&mut self, name: &str) -> Option<&mut Slot> {
        match name {
            "control" => Some(&mut self.control),
            "stdio" => Some(&mut self.stdio),
            "stderr" => self.stderr.as_mut(),
            _ => None,
        }
    }
}

/// What a stream's reader makes of the next message.
pub(crate) enum Heard<'a> {
    Bytes(&'a [u8]),
    Text(Vec<u8>),
    /// Ended politely, or with a breach that was answered.
    Closed,
}

impl Socket {
    /// The next that is of interest; pings, Close and breaches are answered here.
    pub(crate) async fn hear(&mut self) -> io::Result<Heard<'_>> {
        loop {
            match self.receiver.next().await? {
                Message::Ping(payload) => {
                    let sender = Arc::clone(&self.sender);
                    let answer = async move { sender.lock().await.pong(&payload).await };
                    let _too_late = tokio::time::timeout(PONG, answer).await;
                }
                Message::Close => {
                    let _gone = self.sender.lock().await.close(1000, "").await;
                    return Ok(Heard::Closed);
                }
                Message::Breach(reason) => {
                    let _gone = self.sender.lock().await.close(1002, reason).await;
                    return Ok(Heard::Closed);
                }
                Message::Text(text) => return Ok(Heard::Text(text)),
                Message::Bytes => break,
            }
        }
        Ok(Heard::Bytes(self.receiver.last()))
    }
}
