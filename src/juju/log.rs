//! What happens in the charm, told to Juju's log.
//!
//! Events of `tracing` become lines `message key=value`, wait for at most a moment in a bounded queue, and go to
//! `juju-log` in order, several lines of one level in one call. Nothing is ever written to stdout or stderr: in an
//! action the operator and Juju's database would get it as a result. That holds for panics too, which are logged as
//! errors before the process unwinds.
//!
//! A [`Recorder`] keeps the lines, too, and takes known secrets out of them before they go anywhere.

mod line;
mod queue;
mod recorder;

use std::any::Any;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use super::Tools;
use super::tools::{LogLevel, ToolError};
use line::Line;
use queue::Queue;
pub use recorder::Recorder;

/// How long a line may wait for others to share a call with.
const LINGER: Duration = Duration::from_millis(200);

/// How long a dying process may take for each call of `juju-log`.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Our own crates, which tell everything that we would ask for.
const OURS: [&str; 2] = ["synapse_operator", "dispatch"];

/// Keeps the log going; call [`Guard::flush`] before the process ends, or the last lines are lost.
#[derive(Debug)]
pub struct Guard {
    outlet: Arc<Outlet>,
    pump: JoinHandle<()>,
}

/// Why events cannot be logged.
#[derive(Debug, thiserror::Error)]
#[error("this process already logs elsewhere")]
pub struct InstallError;

/// Sends this process's events, and its panics, to Juju's log. Must be called inside the runtime.
///
/// `now` gives the lines of the record their time.
pub fn install(tools: Tools, now: fn() -> Timestamp) -> Result<Guard, InstallError> {
    let (layer, guard) = layer(tools, now);
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).map_err(|_already_set| InstallError)?;
    let outlet = Arc::clone(&guard.outlet);
    std::panic::set_hook(Box::new(move |panic| outlet.last_words(panic)));
    Ok(guard)
}

/// Makes the layer alone, for a subscriber of the caller's own.
fn layer<S>(tools: Tools, now: fn() -> Timestamp) -> (impl Layer<S>, Guard)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let outlet = Arc::new(Outlet {
        queue: Queue::default(),
        recorder: Recorder::new(now),
        tools,
        turn: Mutex::new(()),
    });
    let ours = OURS.map(|target| (target, LevelFilter::DEBUG));
    let filter = Targets::new()
        .with_default(LevelFilter::WARN)
        // These warn of what is no trouble here, and trace what they sign.
        .with_target("aws_", LevelFilter::ERROR)
        .with_targets(ours);
    let layer = ToQueue(Arc::clone(&outlet)).with_filter(filter);
    let pump = tokio::spawn({
        let outlet = Arc::clone(&outlet);
        async move {
            loop {
                outlet.queue.due(LINGER).await;
                outlet.drain().await;
            }
        }
    });
    (layer, Guard { outlet, pump })
}

impl Guard {
    /// What is logged, kept; and where to make secrets known.
    pub fn recorder(&self) -> Recorder {
        self.outlet.recorder.clone()
    }

    /// Returns when everything that was logged before has been handed to Juju, or cannot be.
    pub async fn flush(&self) {
        self.outlet.drain().await;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

/// Where lines wait, and what takes them away.
#[derive(Debug)]
struct Outlet {
    queue: Queue,
    recorder: Recorder,
    tools: Tools,
    /// Held by whoever is emptying the queue, so that lines stay in order.
    turn: Mutex<()>,
}

impl Outlet {
    /// Keeps a line, and lets it wait for Juju.
    fn take(&self, line: Line) {
        self.recorder.keep(&line);
        self.queue.push(line);
    }

    /// Empties the queue.
    async fn drain(&self) {
        let _turn = self.turn.lock().await;
        while let Some((level, text)) = self.queue.next_batch() {
            match self.tools.juju_log(level, &text).await {
                Ok(()) => {}
                // Each further call would take its whole time as well. There is nobody left to tell.
                Err(ToolError::TimedOut { .. } | ToolError::Missing { .. }) => self.queue.clear(),
                Err(_) => {}
            }
        }
    }

    /// Logs a panic and all that waits before it, without the runtime's help.
    fn last_words(&self, panic: &PanicHookInfo<'_>) {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let text = format!("panic: {} at {place}", panic_text(panic.payload()));
        let text = self.recorder.redacted(text);
        self.take(Line::new(LogLevel::Error, text));
        while let Some((level, text)) = self.queue.next_batch() {
            let arguments = ["--log-level", level.as_str(), "--", &text];
            if self
                .tools
                .tell_blocking("juju-log", &arguments, LAST_WORDS)
                .is_err()
            {
                self.queue.clear();
            }
        }
    }
}

fn panic_text(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// The layer proper: it formats and queues, and never waits.
struct ToQueue(Arc<Outlet>);

impl<S: Subscriber> Layer<S> for ToQueue {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let clean = |text| self.0.recorder.redacted(text);
        self.0.take(Line::of(event, clean));
    }
}

#[cfg(test)]
mod tests;
