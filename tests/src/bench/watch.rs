//! A watch from outside: asks `/health` again and again, as a client's balancer does, and tells how long no answer came.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// From one question to the next, unless an answer takes longer.
const EVERY: Duration = Duration::from_millis(10);

/// How long an answer may take until it counts as none.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long to go on at the end until there is an answer again.
const LAST: Duration = Duration::from_secs(60);

/// Asks until it is told to end.
pub(super) struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Answer>>,
}

/// One question, and what came of it.
#[derive(Debug, Clone, Copy)]
struct Answer {
    asked: Instant,
    came: Instant,
    good: bool,
}

/// What was seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Each time without an answer, from the last answer before it to the first after it.
    pub(super) silences: Vec<Duration>,
    /// The longest that a good answer took.
    pub(super) slowest: Duration,
}

impl Watch {
    /// Begins to ask a homeserver, which has to answer now.
    pub(super) fn begin(address: SocketAddrV4) -> Result<Self> {
        ensure!(ask(address).good, "Synapse does not answer");
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let thread = thread::spawn(move || watch(address, &until));
        Ok(Self { over, thread })
    }

    /// Ends it with the next good answer.
    pub(super) fn end(self) -> Result<Seen> {
        self.over.store(true, Ordering::Relaxed);
        let answers = self.thread.join().ok().context("the watch panicked")?;
        let good = answers.last().is_some_and(|last| last.good);
        ensure!(good, "Synapse does not answer any more");
        Ok(judge(&answers))
    }
}

fn watch(address: SocketAddrV4, over: &AtomicBool) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut ending = None;
    loop {
        let answer = ask(address);
        answers.push(answer);
        if over.load(Ordering::Relaxed) {
            let since = *ending.get_or_insert(answer.asked);
            if answer.good || since.elapsed() > LAST {
                return answers;
            }
        }
        thread::sleep(EVERY.saturating_sub(answer.asked.elapsed()));
    }
}

/// Asks over a connection of its own, as whoever comes new.
fn ask(address: SocketAddrV4) -> Answer {
    let asked = Instant::now();
    let good = health(address).unwrap_or(false);
    let came = Instant::now();
    Answer { asked, came, good }
}

fn health(address: SocketAddrV4) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address.into(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}

fn judge(answers: &[Answer]) -> Seen {
    let mut seen = Seen::default();
    let mut before: Option<Answer> = None;
    let mut silent = false;
    for answer in answers {
        if !answer.good {
            silent = true;
            continue;
        }
        if let Some(before) = before.filter(|_| silent) {
            seen.silences.push(answer.came - before.came);
        }
        seen.slowest = seen.slowest.max(answer.came - answer.asked);
        silent = false;
        before = Some(*answer);
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_lasts_from_the_last_good_answer_to_the_next() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let answer = |asked, came, good| Answer {
            asked: at(asked),
            came: at(came),
            good,
        };
        let answers = [
            answer(0, 2, true),
            answer(10, 45, true),
            answer(45, 46, false),
            answer(55, 1055, false),
            answer(1055, 1060, true),
            answer(1065, 1066, true),
            answer(1075, 1076, false),
            answer(1085, 1086, true),
        ];
        let silences = [1015, 20].map(Duration::from_millis).to_vec();
        let slowest = Duration::from_millis(35);
        assert_eq!(judge(&answers), Seen { silences, slowest });
    }
}
