//! Lines that wait for `juju-log`.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::super::tools::LogLevel;
use super::line::Line;

/// The most bytes that may wait; lines that find no room are dropped and counted.
const CAPACITY: usize = 1024 * 1024;

/// The most bytes of one call.
const BATCH: usize = 32 * 1024;

/// A queue of at most 1 MiB that never makes its writer wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    some: Notify,
    urgent: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Line>,
    bytes: usize,
    dropped: u64,
}

impl Queue {
    /// Appends a line.
    pub(super) fn push(&self, line: Line) {
        let urgent = line.level >= LogLevel::Warning;
        {
            let mut waiting = self.lock();
            if waiting.bytes + line.text.len() > CAPACITY {
                waiting.dropped += 1;
                return;
            }
            waiting.bytes += line.text.len();
            waiting.lines.push_back(line);
        }
        self.some.notify_one();
        if urgent {
            self.urgent.notify_one();
        }
    }

    /// Waits until there is a line and others have had the time to join it; a warning is due at once.
    ///
    /// Dropping this future loses no line, only a wake-up, and the next `push` gives another.
    pub(super) async fn due(&self, linger: Duration) {
        self.some.notified().await;
        // That the time ran out is as good a reason as a warning.
        let _ = tokio::time::timeout(linger, self.urgent.notified()).await;
    }

    /// Takes the next lines that share a level, joined to one text.
    pub(super) fn next_batch(&self) -> Option<(LogLevel, String)> {
        let mut waiting = self.lock();
        if waiting.lines.is_empty() {
            let dropped = std::mem::take(&mut waiting.dropped);
            return (dropped > 0).then(|| {
                (
                    LogLevel::Warning,
                    format!("log lines dropped count={dropped}"),
                )
            });
        }
        let first = waiting.lines.pop_front()?;
        waiting.bytes -= first.text.len();
        let mut text = first.text;
        while let Some(next) = waiting.lines.front() {
            if next.level != first.level || text.len() + next.text.len() >= BATCH {
                break;
            }
            let Some(next) = waiting.lines.pop_front() else {
                break;
            };
            waiting.bytes -= next.text.len();
            text.push('\n');
            text.push_str(&next.text);
        }
        Some((first.level, text))
    }

    /// Forgets all that waits.
    pub(super) fn clear(&self) {
        *self.lock() = Waiting::default();
    }

    /// A thread that panicked while it held the lock had only pushed or popped: the lines are sound.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn line(level: LogLevel, text: &str) -> Line {
        Line::new(level, text.to_owned())
    }

    #[test]
    fn lines_of_one_level_share_a_call_and_order_is_kept() {
        let queue = Queue::default();
        queue.push(line(LogLevel::Info, "one"));
        queue.push(line(LogLevel::Info, "two"));
        queue.push(line(LogLevel::Debug, "three"));
        queue.push(line(LogLevel::Info, "four"));
        assert_eq!(
            queue.next_batch().unwrap(),
            (LogLevel::Info, "one\ntwo".to_owned())
        );
        assert_eq!(
            queue.next_batch().unwrap(),
            (LogLevel::Debug, "three".to_owned())
        );
        assert_eq!(
            queue.next_batch().unwrap(),
            (LogLevel::Info, "four".to_owned())
        );
        assert_eq!(queue.next_batch(), None);
    }

    #[test]
    fn a_full_queue_drops_new_lines_and_says_how_many() {
        let queue = Queue::default();
        let long = "x".repeat(super::super::line::LIMIT);
        for _ in 0..200 {
            queue.push(line(LogLevel::Debug, &long));
        }
        let (mut kept, mut last) = (0, String::new());
        while let Some((_, text)) = queue.next_batch() {
            assert!(text.len() <= BATCH);
            kept += text.matches('\n').count() + 1;
            last = text;
        }
        assert_eq!(kept - 1, CAPACITY / long.len());
        assert_eq!(last, "log lines dropped count=72");
    }
}
