//! What services print, the last of it kept in memory.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::watch;

use super::guarded::Guarded;

/// How much of each service's output is kept, in bytes.
const KEPT: usize = 100 << 10;
/// The longest line that is kept whole.
const LONGEST_LINE: u64 = 8 << 10;

/// The output of all services.
pub(crate) struct Logs {
    rings: Guarded<BTreeMap<String, Ring>>,
    /// Whether the daemon prints them as well.
    verbose: bool,
    grown: watch::Sender<u64>,
}

#[derive(Default)]
struct Ring {
    lines: VecDeque<Line>,
    bytes: usize,
}

/// One line of a service.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) time: Timestamp,
    pub(crate) service: String,
    pub(crate) text: String,
}

impl Logs {
    pub(crate) fn new(verbose: bool) -> Self {
        Self {
            rings: Guarded::default(),
            verbose,
            grown: watch::Sender::new(0),
        }
    }

    /// Takes in a service's output until all who may write to it have let go.
    pub(crate) async fn take_in(&self, service: &str, output: pipe::Receiver) {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut output)
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line)
                .await
            {
                Ok(0) | Err(_) => return,
                Ok(_) => self.add(
                    service,
                    String::from_utf8_lossy(&line).trim_end_matches('\n'),
                ),
            }
        }
    }

    fn add(&self, service: &str, text: &str) {
        let time = Timestamp::now();
        if self.verbose {
            let _gone = io::stdout().write_all(format!("{time} [{service}] {text}\n").as_bytes());
        }
        let mut rings = self.rings.lock();
        let number = *self.grown.borrow() + 1;
        let ring = rings.entry(service.to_owned()).or_default();
        ring.bytes += text.len();
        ring.lines.push_back(Line {
            number,
            time,
            service: service.to_owned(),
            text: text.to_owned(),
        });
        while ring.bytes > KEPT {
            ring.bytes -= ring
                .lines
                .pop_front()
                .map_or(ring.bytes, |line| line.text.len());
        }
        self.grown.send_replace(number);
    }

    /// The last lines of some services, or of all when none is named, in the order of their coming.
    pub(crate) fn last(&self, services: &[String], count: Option<usize>) -> Vec<Line> {
        let mut lines = self.since(services, 0);
        if let Some(count) = count {
            lines.drain(..lines.len().saturating_sub(count));
        }
        lines
    }

    /// The lines that came after one.
    pub(crate) fn since(&self, services: &[String], number: u64) -> Vec<Line> {
        let rings = self.rings.lock();
        let chosen = rings
            .iter()
            .filter(|(name, _)| services.is_empty() || services.contains(name));
        let lines =
            chosen.flat_map(|(_, ring)| ring.lines.iter().filter(|line| line.number > number));
        let mut lines: Vec<Line> = lines.cloned().collect();
        lines.sort_by_key(|line| line.number);
        lines
    }

    /// Says when there are more lines; the value is the number of the last one.
    pub(crate) fn grown(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }
}

impl Line {
    /// As the API hands it out.
    pub(crate) fn to_json(&self) -> String {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let (service, message) = (text(&self.service), text(&self.text));
        format!(
            "{{\"time\":\"{}\",\"service\":{service},\"message\":{message}}}\n",
            self.time
        )
    }
}
