//! What an ended run amounts to: flushed or not, failed or not, and its results.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{Desk, Report, Verdict};
use crate::juju::context::{Effects, Run};
use crate::juju::launcher::Ending;

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// A run whose process has ended.
pub(super) struct End {
    pub(super) ending: Ending,
    pub(super) cancelled: bool,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) took: Duration,
    pub(super) worked: Duration,
}

impl End {
    /// Flushes when the process ended well, and says what became of the run.
    pub(super) fn judge(self, run: &Run, effects: &Effects, desk: &mut dyn Desk) -> Report {
        let flushed = match self.ending {
            Ending::Exit(0) => Some(desk.commit(run, effects)),
            Ending::Exit(_) | Ending::Signal(_) => None,
        };
        let (verdict, message) = match run.is_action() {
            true => self.judge_action(effects, flushed.as_ref()),
            false => self.judge_hook(run, flushed.as_ref()),
        };
        let results = match run.is_action() {
            true => self.results(effects, flushed.as_ref()),
            false => Map::new(),
        };
        Report {
            verdict,
            ending: Some(self.ending),
            message,
            results,
            stdout: self.stdout,
            stderr: self.stderr,
            refused: effects.refused.clone(),
            took: self.took,
            worked: self.worked,
        }
    }

    fn judge_hook(&self, run: &Run, flushed: Option<&Result<(), String>>) -> (Verdict, String) {
        match (self.ending, flushed) {
            (Ending::Exit(0), Some(Ok(()))) => (Verdict::Completed, String::new()),
            (Ending::Signal(SIGKILL | SIGTERM), _) => (Verdict::Requeued, String::new()),
            _ => (Verdict::Failed, format!("hook failed: {:?}", run.name())),
        }
    }

    fn judge_action(
        &self,
        effects: &Effects,
        flushed: Option<&Result<(), String>>,
    ) -> (Verdict, String) {
        let said = effects.failure.clone();
        match (self.ending, flushed) {
            (Ending::Exit(0), Some(Err(_))) => {
                let said = said.filter(|said| !said.is_empty());
                (
                    Verdict::Failed,
                    said.unwrap_or_else(|| "committing requested changes failed".to_owned()),
                )
            }
            (Ending::Exit(0), _) => match said {
                Some(said) => (Verdict::Failed, said),
                None => (Verdict::Completed, String::new()),
            },
            (Ending::Exit(code), _) => (Verdict::Failed, format!("exit status {code}")),
            (Ending::Signal(SIGKILL | SIGTERM), _) if self.cancelled => {
                (Verdict::Aborted, "terminated".to_owned())
            }
            (Ending::Signal(SIGKILL | SIGTERM), _) => (Verdict::Failed, "terminated".to_owned()),
            (Ending::Signal(signal), _) => (Verdict::Failed, format!("signal: {signal}")),
        }
    }

    fn results(
        &self,
        effects: &Effects,
        flushed: Option<&Result<(), String>>,
    ) -> Map<String, Value> {
        let mut results = effects.results.clone();
        let code = match self.ending {
            Ending::Exit(code) => code,
            Ending::Signal(_) => -1,
        };
        results.insert("return-code".to_owned(), code.into());
        let mut stderr = self.stderr.clone();
        if let Some(Err(text)) = flushed {
            stderr.extend_from_slice(text.as_bytes());
        }
        for (name, output) in [("stdout", &self.stdout), ("stderr", &stderr)] {
            if output.is_empty() {
                continue;
            }
            match std::str::from_utf8(output) {
                Ok(text) => {
                    results.insert(name.to_owned(), text.into());
                }
                Err(_) => {
                    results.insert(name.to_owned(), STANDARD.encode(output).into());
                    results.insert(format!("{name}-encoding"), "base64".into());
                }
            }
        }
        results
    }
}
