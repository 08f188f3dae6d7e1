//! Watching the process of a run: its output, its end, and the orders to end it early.

use std::io::{self, Read};
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{Desk, Order};
use crate::juju::context::Immediate;

/// How often the desk is asked for orders while a run is quiet.
const TICK: Duration = Duration::from_millis(20);
/// The same once the pipes are closed, when the end is near.
const SHORT_TICK: Duration = Duration::from_millis(1);
/// How long pipes that a grandchild keeps open are waited for after the end.
const PIPE_GRACE: Duration = Duration::from_millis(100);
/// More of a run's output than this is thrown away.
const MOST_OUTPUT: usize = 8 << 20;

/// What the agent hears while a run goes on.
pub(in crate::juju) enum News {
    /// A tool had effects that do not wait.
    Effects(Vec<Immediate>),
    /// One of the two output pipes came to its end.
    PipeClosed,
}

impl News {
    pub(super) fn tell(&self, desk: &mut dyn Desk) {
        if let News::Effects(effects) = self {
            effects.iter().for_each(|effect| desk.immediate(effect));
        }
    }
}

/// Waits for the end, passing on effects and obeying orders; tells whether the run was cancelled.
pub(super) fn watch(
    child: &mut Child,
    news: &Receiver<News>,
    desk: &mut dyn Desk,
) -> io::Result<(ExitStatus, bool)> {
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(io::ErrorKind::InvalidData)?;
    let mut cancelled = false;
    let mut closed = 0;
    let mut kill_at: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, cancelled));
        }
        match news.recv_timeout(if closed < 2 { TICK } else { SHORT_TICK }) {
            Ok(News::PipeClosed) => closed += 1,
            Ok(news) => news.tell(desk),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        // The child is not reaped yet, so its number cannot be another's.
        if kill_at.is_some_and(|at| Instant::now() >= at) {
            kill_process_group(pid, Signal::KILL)?;
            kill_at = None;
        }
        match desk.order() {
            None => {}
            Some(Order::Cancel) => {
                cancelled = true;
                kill_process(pid, Signal::KILL)?;
            }
            Some(Order::Terminate { grace }) => {
                kill_process_group(pid, Signal::TERM)?;
                kill_at = Some(Instant::now() + grace);
            }
        }
    }
}

/// One output pipe, read by a thread of its own.
pub(super) struct Pipe {
    shared: Arc<(Mutex<Output>, Condvar)>,
}

#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    closed: bool,
}

impl Pipe {
    pub(super) fn read(source: Option<impl Read + Send + 'static>, news: SyncSender<News>) -> Self {
        let shared = Arc::new((Mutex::new(Output::default()), Condvar::new()));
        let pipe = Pipe {
            shared: Arc::clone(&shared),
        };
        thread::spawn(move || {
            let (output, ended) = &*shared;
            let mut buffer = [0; 16 << 10];
            if let Some(mut source) = source {
                while let Ok(n @ 1..) = source.read(&mut buffer) {
                    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                    let room = MOST_OUTPUT.saturating_sub(output.bytes.len());
                    output.bytes.extend_from_slice(&buffer[..n.min(room)]);
                }
            }
            output.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
            ended.notify_all();
            // Nobody listens any more once the run has ended.
            news.send(News::PipeClosed).ok();
        });
        pipe
    }

    /// What both pipes brought, waiting a moment for a grandchild that keeps them open.
    pub(super) fn both(stdout: Pipe, stderr: Pipe) -> (Vec<u8>, Vec<u8>) {
        let deadline = Instant::now() + PIPE_GRACE;
        (stdout.finish(deadline), stderr.finish(deadline))
    }

    fn finish(self, deadline: Instant) -> Vec<u8> {
        let (output, ended) = &*self.shared;
        let output = output.lock().unwrap_or_else(PoisonError::into_inner);
        let left = deadline.saturating_duration_since(Instant::now());
        let (mut output, _) = ended
            .wait_timeout_while(output, left, |output| !output.closed)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut output.bytes)
    }
}
