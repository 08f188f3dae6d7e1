#![doc = include_str!("faults.md")]

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde::Deserialize;

use super::environment;

/// The faults in force for one request or one exec.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Faults {
    delay_ms: u64,
    refuse_websocket: Option<String>,
    drop_stdin_after: Option<u64>,
    drop_stdout_after: Option<u64>,
    drop_stdio_after: Option<u64>,
    crash_after_bytes: Option<u64>,
    stall_stdout_after: Option<u64>,
    no_exit_code: bool,
    no_end: bool,
    cut_read_after: Option<u64>,
    only_command: Option<String>,
}

/// Counts the bytes of one exec and says how many more may pass.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    faults: Faults,
    stdin: AtomicU64,
    stdout: AtomicU64,
}

/// The way that bytes take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToProcess,
    FromProcess,
}

/// What is to happen once the bytes that still pass have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Go,
    Drop,
    Stall,
    Crash,
}

impl Faults {
    /// Those that the control file asks for now.
    pub(crate) fn read() -> Self {
        let path = environment::variable("PEBBLE_STAND_IN_FAULTS").map(PathBuf::from);
        let text = path.and_then(|path| fs::read(path).ok());
        text.and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }

    /// Those that concern a command.
    pub(crate) fn for_command(self, program: &str) -> Self {
        let name = program.rsplit('/').next().unwrap_or_default();
        match &self.only_command {
            Some(only) if only != name => Self::default(),
            _ => self,
        }
    }

    pub(crate) async fn delay(&self) {
        if self.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.delay_ms)).await;
        }
    }

    pub(crate) fn refuses(&self, websocket: &str) -> bool {
        self.refuse_websocket.as_deref() == Some(websocket)
    }

    pub(crate) fn hides_exit_code(&self) -> bool {
        self.no_exit_code
    }

    pub(crate) fn hides_end(&self) -> bool {
        self.no_end
    }

    pub(crate) fn cut_read_after(&self) -> Option<u64> {
        self.cut_read_after
    }
}

impl Meter {
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            faults,
            ..Self::default()
        }
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Notes that so many bytes are about to pass; how many of them may, and what then.
    pub(crate) fn pass(&self, way: Way, count: usize) -> (usize, Then) {
        let mine = match way {
            Way::ToProcess => &self.stdin,
            Way::FromProcess => &self.stdout,
        };
        let (stdin, stdout) = (
            self.stdin.load(Ordering::SeqCst),
            self.stdout.load(Ordering::SeqCst),
        );
        let both = stdin + stdout;
        let faults = &self.faults;
        let limits = [
            (faults.crash_after_bytes, both, Then::Crash),
            (faults.drop_stdio_after, both, Then::Drop),
            (
                faults.drop_stdin_after.filter(|_| way == Way::ToProcess),
                stdin,
                Then::Drop,
            ),
            (
                faults.drop_stdout_after.filter(|_| way == Way::FromProcess),
                stdout,
                Then::Drop,
            ),
            (
                faults
                    .stall_stdout_after
                    .filter(|_| way == Way::FromProcess),
                stdout,
                Then::Stall,
            ),
        ];
        let left = limits
            .into_iter()
            .filter_map(|(limit, passed, then)| Some((limit?.saturating_sub(passed), then)));
        let first = left
            .min_by_key(|(left, _)| *left)
            .filter(|(left, _)| *left <= count as u64);
        let (count, then) = first.map_or((count, Then::Go), |(left, then)| (left as usize, then));
        mine.fetch_add(count as u64, Ordering::SeqCst);
        (count, then)
    }
}

/// Ends this process as a crash does: at once, with nothing said or saved.
pub(crate) fn crash() {
    let _unreturning = rustix::process::kill_process(rustix::process::getpid(), Signal::KILL);
}

#[cfg(test)]
mod tests {
    use super::{Faults, Meter, Then, Way};

    fn meter(json: &str) -> Meter {
        Meter::new(serde_json::from_str::<Faults>(json).unwrap_or_default())
    }

    #[test]
    fn bytes_pass_up_to_the_limit_and_no_further() {
        let meter = meter(r#"{"drop-stdout-after": 10}"#);
        assert_eq!(meter.pass(Way::FromProcess, 6), (6, Then::Go));
        assert_eq!(meter.pass(Way::ToProcess, 100), (100, Then::Go));
        assert_eq!(meter.pass(Way::FromProcess, 6), (4, Then::Drop));
    }

    #[test]
    fn both_directions_count_together() {
        let meter = meter(r#"{"drop-stdio-after": 10, "crash-after-bytes": 20}"#);
        assert_eq!(meter.pass(Way::ToProcess, 6), (6, Then::Go));
        assert_eq!(meter.pass(Way::FromProcess, 6), (4, Then::Drop));
    }

    #[test]
    fn other_commands_are_spared() {
        let faults: Faults =
            serde_json::from_str(r#"{"no-exit-code": true, "only-command": "tar"}"#)
                .unwrap_or_default();
        assert!(faults.clone().for_command("/bin/tar").hides_exit_code());
        assert!(!faults.for_command("sh").hides_exit_code());
    }
}
