//! The lines of this run, kept so that they can be laid beside a backup.
//!
//! A run may say much. The beginning tells what it was about and the end how it went; what does not fit is left out of the
//! middle. A secret that is known here is taken out of a line before the line is kept, or told to anybody.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::line::Line;

/// The most bytes that are kept of the beginning.
const HEAD: usize = 64 * 1024;
/// The most bytes that are kept of the end.
const TAIL: usize = 192 * 1024;
/// What stands in the place of a secret.
const HIDDEN: &str = "***";

/// What was logged in this process so far, at most 256 KiB of it, without secrets.
///
/// Cheap to clone; all clones are the same record.
#[derive(Clone)]
pub struct Recorder(Arc<Record>);

struct Record {
    now: fn() -> Timestamp,
    kept: Mutex<Kept>,
    /// Apart from the lines: to look for secrets takes longer than to keep a line.
    secrets: Mutex<Vec<SecretString>>,
}

#[derive(Default)]
struct Kept {
    head: String,
    tail: VecDeque<String>,
    /// Bytes of the tail.
    bytes: usize,
    /// Lines that were dropped between head and tail.
    left_out: u64,
    lines: u64,
}

impl Recorder {
    /// A record that begins now.
    pub(super) fn new(now: fn() -> Timestamp) -> Self {
        Self(Arc::new(Record {
            now,
            kept: Mutex::default(),
            secrets: Mutex::default(),
        }))
    }

    /// Makes a secret known: from now on it stands in no line, and in no record of the lines before.
    pub fn conceal(&self, secret: &SecretString) {
        let text = secret.expose_secret();
        if text.trim().is_empty() {
            return;
        }
        let text = text.trim_end_matches(['\r', '\n']);
        let mut secrets = lock(&self.0.secrets);
        // A value with blanks or quotes is logged as Rust writes it, and in an answer it may stand as JSON does.
        let json = serde_json::to_string(text).unwrap_or_default();
        for form in [text, inner(&format!("{text:?}")), inner(&json)] {
            if !form.is_empty() && secrets.iter().all(|known| known.expose_secret() != form) {
                secrets.push(SecretString::from(form));
            }
        }
        // One secret may be part of another: the longer one goes first.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
    }

    /// The same text without the secrets that are known.
    pub fn redacted(&self, mut text: String) -> String {
        for secret in lock(&self.0.secrets).iter() {
            if text.contains(secret.expose_secret()) {
                text = text.replace(secret.expose_secret(), HIDDEN);
            }
        }
        text
    }

    /// How many lines there were, with those that are left out.
    pub fn lines(&self) -> u64 {
        lock(&self.0.kept).lines
    }

    /// The record: a line each, with its time and level; where lines are left out, one says how many.
    pub fn text(&self) -> String {
        let text = {
            let kept = lock(&self.0.kept);
            let mut text = kept.head.clone();
            if kept.left_out > 0 {
                text.push_str(&format!("({} lines are left out here)\n", kept.left_out));
            }
            text.extend(kept.tail.iter().map(String::as_str));
            text
        };
        self.redacted(text)
    }

    /// Keeps a line.
    pub(super) fn keep(&self, line: &Line) {
        let level = line.level.as_str();
        let at = (self.0.now)().strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        let text = line.text.replace('\n', "\n    ");
        let text = format!("{at} {level} {text}\n");
        let mut kept = lock(&self.0.kept);
        kept.lines += 1;
        if kept.tail.is_empty() && kept.head.len() + text.len() <= HEAD {
            kept.head.push_str(&text);
            return;
        }
        kept.bytes += text.len();
        kept.tail.push_back(text);
        while kept.bytes > TAIL {
            let Some(dropped) = kept.tail.pop_front() else {
                break;
            };
            kept.bytes -= dropped.len();
            kept.left_out += 1;
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Recorder({} lines)", self.lines())
    }
}

/// A quoted text without its quotes.
fn inner(quoted: &str) -> &str {
    let opened = quoted.strip_prefix('"').unwrap_or(quoted);
    opened.strip_suffix('"').unwrap_or(opened)
}

/// A thread that panicked while it held the lock had only pushed or popped: what is kept is sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::super::tools::LogLevel;
    use super::*;

    fn recorder() -> Recorder {
        Recorder::new(|| Timestamp::UNIX_EPOCH)
    }

    fn keep(recorder: &Recorder, text: &str) {
        recorder.keep(&Line::new(LogLevel::Info, text.to_owned()));
    }

    #[test]
    fn record_is_a_line_each_with_time_and_level() {
        let recorder = recorder();
        keep(&recorder, "backup committed bytes=17");
        keep(&recorder, "two\nlines");
        insta::assert_snapshot!(recorder.text(), @r"
        1970-01-01T00:00:00.000Z INFO backup committed bytes=17
        1970-01-01T00:00:00.000Z INFO two
            lines
        ");
        assert_eq!(recorder.lines(), 2);
    }

    #[test]
    fn record_keeps_the_beginning_and_the_end_and_counts_the_rest() {
        let recorder = recorder();
        for number in 0..20_000 {
            keep(&recorder, &format!("line {number} {}", "x".repeat(100)));
        }
        let text = recorder.text();
        assert!(text.len() < HEAD + TAIL + 100, "{}", text.len());
        assert!(text.contains(" line 0 ") && text.contains(" line 19999 "));
        let told = text.lines().find(|line| line.contains("left out"));
        let kept = text.lines().count() - 1;
        let expected = format!("({} lines are left out here)", 20_000 - kept);
        assert_eq!(told, Some(expected.as_str()));
        assert_eq!(recorder.lines(), 20_000);
    }

    #[test]
    fn known_secrets_stand_in_no_record_whenever_they_were_told() {
        let recorder = recorder();
        keep(&recorder, "before: correct horse");
        for secret in ["correct horse\n", "horse", "a\"b\\c d", "", " "] {
            recorder.conceal(&SecretString::from(secret));
        }
        for line in ["x=correct horse.", r#"y="a\"b\\c d""#, "only horse"] {
            let line = recorder.redacted(line.to_owned());
            keep(&recorder, &line);
        }
        let text = recorder.text();
        insta::assert_snapshot!(text.replace("1970-01-01T00:00:00.000Z ", ""), @r#"
        INFO before: ***
        INFO x=***.
        INFO y="***"
        INFO only ***
        "#);
    }
}
