//! Users who write and upload all through something else, and what the server has acknowledged to them, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow, ensure};
use sha2::{Digest, Sha256};

use crate::matrix::{Homeserver, Session, picture};

/// One upload for so many messages.
const MESSAGES: u32 = 3;
/// Bytes of an upload that is no picture.
const FILE: usize = 100_000;

/// Users at work.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    messages: Arc<AtomicU64>,
    users: Vec<JoinHandle<Result<Told>>>,
}

/// What was acknowledged to all of them.
#[derive(Debug)]
pub struct Record {
    told: Vec<Told>,
}

/// What was acknowledged to one.
#[derive(Debug)]
struct Told {
    session: Session,
    room: String,
    events: Vec<(SystemTime, String)>,
    media: Vec<(SystemTime, String, String)>,
}

/// How much was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// Messages.
    pub events: usize,
    /// Uploads.
    pub media: usize,
}

impl Load {
    /// Sets users to work who are logged in already: each in a room of its own, one request after the other.
    pub fn begin(sessions: Vec<Session>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let messages = Arc::new(AtomicU64::new(0));
        let users = sessions.into_iter().enumerate().map(|(number, session)| {
            let (stop, messages) = (Arc::clone(&stop), Arc::clone(&messages));
            std::thread::spawn(move || work(session, number, &stop, &messages))
        });
        let users = users.collect();
        Self {
            stop,
            messages,
            users,
        }
    }

    /// How many messages were acknowledged up to now.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Lets everybody end what was begun, and gives what was acknowledged. A request that failed is an error.
    pub fn finish(self) -> Result<Record> {
        self.stop.store(true, Ordering::Relaxed);
        let told = self.users.into_iter().map(|user| {
            user.join()
                .map_err(|_| anyhow!("a user of the load panicked"))?
        });
        let told = told.collect::<Result<_>>()?;
        Ok(Record { told })
    }
}

impl Record {
    /// How much was acknowledged before a moment.
    pub fn before(&self, moment: SystemTime) -> Amount {
        let told = || self.told.iter();
        Amount {
            events: told()
                .flat_map(|told| &told.events)
                .filter(|(at, _)| *at < moment)
                .count(),
            media: told()
                .flat_map(|told| &told.media)
                .filter(|(at, _, _)| *at < moment)
                .count(),
        }
    }

    /// Checks on a server that all that was acknowledged before a moment is there: sessions, messages, files by SHA-256.
    pub fn check(&self, homeserver: &Homeserver, moment: SystemTime) -> Result<()> {
        for told in &self.told {
            let session = homeserver.resume(told.session.token());
            let session = session.context("a session is lost")?;
            let there = session.messages(&told.room)?;
            let early = told.events.iter().filter(|(at, _)| *at < moment);
            for (number, (_, event)) in early.enumerate() {
                let found = there.iter().any(|message| message.event_id == *event);
                ensure!(found, "message {number} in {} is lost: {event}", told.room);
            }
            for (_, address, digest) in told.media.iter().filter(|(at, ..)| *at < moment) {
                let content = session.download(address);
                let content = content.with_context(|| format!("{address} is lost"))?;
                ensure!(digested(&content) == *digest, "{address} has other bytes");
            }
        }
        Ok(())
    }
}

fn work(session: Session, number: usize, stop: &AtomicBool, messages: &AtomicU64) -> Result<Told> {
    let room = session.create_room(&format!("Load {number}"))?;
    let mut told = Told {
        session,
        room,
        events: Vec::new(),
        media: Vec::new(),
    };
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let event = told
            .session
            .send(&told.room, &format!("message {turn} of {number}"))?;
        told.events.push((SystemTime::now(), event));
        messages.fetch_add(1, Ordering::Relaxed);
        if turn % MESSAGES == 0 {
            let (kind, content) = upload(number, turn);
            let address = told.session.upload("load", kind, &content)?;
            let digest = digested(&content);
            told.media.push((SystemTime::now(), address, digest));
        }
    }
    Ok(told)
}

/// A picture, of which the server makes thumbnails, or plain bytes.
fn upload(number: usize, turn: u32) -> (&'static str, Vec<u8>) {
    match turn % (2 * MESSAGES) {
        0 => ("image/png", picture((turn % 251) as u8)),
        _ => {
            let seed = format!("{number} {turn} ");
            let content = seed.bytes().cycle().take(FILE).collect();
            ("application/octet-stream", content)
        }
    }
}

fn digested(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
