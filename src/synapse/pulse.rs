//! How long a server keeps its clients waiting while something else is going on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::homeserver::{ApiError, Homeserver};

/// From one question to the next.
const BEAT: Duration = Duration::from_millis(50);
/// How long one question may take; with less, a server that stands still for a while would look dead.
const PATIENCE: Duration = Duration::from_secs(30);
/// Whether a room that cannot exist is listed: one look into the table of rooms, for anybody who asks.
///
/// It goes the way of all that touches the database. With SQLite, Synapse has one thread for that, so this question
/// waits behind a writer that is held up. `/_matrix/client/versions` and `/health` are answered from memory, whatever
/// becomes of the database.
const QUESTION: &str = "/_matrix/client/v3/directory/list/room/!pulse:localhost";

/// How a server answered a simple client meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulse {
    /// How many questions were asked.
    pub requests: u64,
    /// How long the slowest took, good or bad.
    pub slowest: Duration,
    /// How many got no answer, or one that says that the server failed.
    pub failed: u64,
}

/// Asks the server one question after the other, 20 a second at most, for as long as some work takes.
///
/// There is at least one. The one that is on its way when the work ends is waited for, at most half a minute.
pub async fn pulse<T>(server: &Homeserver, work: impl Future<Output = T>) -> (T, Pulse) {
    let over = AtomicBool::new(false);
    let working = async {
        let output = work.await;
        over.store(true, Ordering::Relaxed);
        output
    };
    let asking = async {
        let mut pulse = Pulse::default();
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            if pulse.requests > 0 && over.load(Ordering::Relaxed) {
                return pulse;
            }
            let asked = Instant::now();
            let answered = question(server).await;
            pulse.requests += 1;
            pulse.failed += u64::from(!answered);
            pulse.slowest = pulse.slowest.max(asked.elapsed());
        }
    };
    tokio::join!(working, asking)
}

/// Asks once; tells whether there was an answer. That there is no such room is one.
async fn question(server: &Homeserver) -> bool {
    match server
        .ask(Method::GET, QUESTION, Bytes::new(), PATIENCE)
        .await
    {
        Ok(_) => true,
        Err(ApiError::Refused { status, .. }) => status < 500,
        Err(
            ApiError::NotRunning { .. }
            | ApiError::TimedOut { .. }
            | ApiError::Broken { .. }
            | ApiError::Malformed { .. },
        ) => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;
    use crate::synapse::homeserver::tests::{answer, block_on, serve};

    #[test]
    fn refusals_are_answers_and_failures_are_counted() {
        let unknown = r#"{"errcode":"M_NOT_FOUND","error":"Unknown room"}"#;
        let answers = [
            answer("404 Not Found", unknown),
            answer("500 Internal Server Error", "{}"),
        ];
        let (homeserver, server) = serve(answers.into());
        let served = async {
            tokio::task::spawn_blocking(|| server.join().unwrap())
                .await
                .unwrap()
        };
        let (requests, pulse) = block_on(pulse(&homeserver, served));
        assert_eq!((pulse.requests, pulse.failed), (2, 1));
        assert!(pulse.slowest > Duration::ZERO);
        assert!(requests[1].starts_with(&format!("GET {QUESTION} HTTP/1.1")));
    }

    #[test]
    fn short_work_is_worth_one_question_and_a_server_that_is_down_is_told() {
        let down = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = down.local_addr().unwrap();
        drop(down);
        let server = Homeserver::at(address);
        let (done, pulse) = block_on(pulse(&server, async { 7 }));
        assert_eq!((done, pulse.requests, pulse.failed), (7, 1, 1));
    }
}
