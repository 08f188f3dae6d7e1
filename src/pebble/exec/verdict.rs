//! Whether a command ended well. Pure.

use std::time::Duration;

use super::super::changes::Change;
use super::super::error::PebbleError;
use super::error::ExecError;
use super::process::Exited;
use super::stdout::StreamEnd;

/// The exit code of a command that SIGKILL has ended.
const KILLED: i64 = 137;

/// What is known about a command besides its change.
pub(super) struct Evidence<'a> {
    pub(super) command: &'a str,
    /// How long it was allowed to run.
    pub(super) timeout: Option<Duration>,
    /// Whether the daemon could not be reached at some time while waiting.
    pub(super) lost: bool,
    /// Whether it was killed because its input was given up.
    pub(super) abandoned: bool,
    /// Whether the command has opened what it was to read from.
    pub(super) input_opened: bool,
    pub(super) stdout: StreamEnd,
    pub(super) stderr_end: StreamEnd,
    pub(super) stderr: String,
}

/// Judges. Everything must be right for success: the change, the exit code, and the end of both outputs.
pub(super) fn verdict(
    change: Result<Change, PebbleError>,
    evidence: Evidence<'_>,
) -> Result<Exited, ExecError> {
    let command = evidence.command.to_owned();
    let stderr = evidence.stderr;
    let change = match change {
        Ok(change) => change,
        // A daemon that keeps its state in memory has forgotten the change.
        Err(PebbleError::Api { code: 404, .. }) => {
            return Err(ExecError::DaemonRestarted { command, stderr });
        }
        Err(error) => return Err(error.into()),
    };
    if let Err(error) = change.check() {
        return Err(match (&error, evidence.timeout) {
            (PebbleError::Change { err, .. }, Some(after)) if err.contains("timed out after") => {
                ExecError::TimedOut {
                    command,
                    after,
                    stderr,
                }
            }
            _ => error.into(),
        });
    }
    let broken = evidence.stdout == StreamEnd::Broken || evidence.stderr_end == StreamEnd::Broken;
    let interrupted = |detail, command, stderr| {
        Err(ExecError::Interrupted {
            command,
            detail,
            stderr,
        })
    };
    match change.exit_code() {
        // A restarted daemon calls the change done and well; the missing exit code is the only hint.
        None if evidence.lost || broken => Err(ExecError::DaemonRestarted { command, stderr }),
        None => interrupted("its exit code is missing", command, stderr),
        Some(0) if !evidence.input_opened => {
            interrupted("it never opened its input", command, stderr)
        }
        Some(0) => match (evidence.stdout, evidence.stderr_end) {
            (StreamEnd::Marked, StreamEnd::Marked) => Ok(Exited { stderr }),
            (StreamEnd::Marked, _) => interrupted("its standard error broke off", command, stderr),
            (StreamEnd::Broken, _) => interrupted("its output broke off", command, stderr),
            (StreamEnd::Open | StreamEnd::Unread, _) => {
                interrupted("its output was not read to the end", command, stderr)
            }
        },
        Some(KILLED) if evidence.abandoned => Err(ExecError::Abandoned { command, stderr }),
        Some(code) => Err(ExecError::Exit {
            command,
            code,
            signal: (129..192).contains(&code).then_some(code - 128),
            stderr,
        }),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn change(status: &str, err: Option<&str>, code: Option<i64>) -> Result<Change, PebbleError> {
        let data = code.map(|code| serde_json::json!({"exit-code": code}));
        Ok(serde_json::from_value(serde_json::json!({
            "id": "1", "kind": "exec", "summary": "Execute command \"tar\"", "status": status, "ready": true, "err": err,
            "tasks": [{"id": "1", "status": status, "data": data}],
        }))
        .unwrap())
    }

    fn evidence(stdout: StreamEnd, stderr_end: StreamEnd) -> Evidence<'static> {
        Evidence {
            command: "tar",
            timeout: Some(Duration::from_secs(1)),
            lost: false,
            abandoned: false,
            input_opened: true,
            stdout,
            stderr_end,
            stderr: String::new(),
        }
    }

    #[test]
    fn only_everything_together_is_success() {
        use StreamEnd::{Broken, Marked, Open, Unread};
        let ends = [Marked, Broken, Open, Unread];
        for stdout in ends {
            for stderr in ends {
                for (status, err) in [
                    ("Done", None),
                    ("Error", Some("x")),
                    ("Done", Some("x")),
                    ("Hold", None),
                ] {
                    for code in [None, Some(0), Some(1), Some(-1), Some(137)] {
                        let good = stdout == Marked
                            && stderr == Marked
                            && status == "Done"
                            && err.is_none()
                            && code == Some(0);
                        let verdict = verdict(change(status, err, code), evidence(stdout, stderr));
                        assert_eq!(
                            verdict.is_ok(),
                            good,
                            "{stdout:?} {stderr:?} {status} {err:?} {code:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn each_bad_end_has_its_own_error() {
        use StreamEnd::{Broken, Marked};
        let good = || evidence(Marked, Marked);
        let verdict_of =
            |status, err, code, evidence| verdict(change(status, err, code), evidence).unwrap_err();
        assert!(matches!(
            verdict_of("Done", None, Some(137), good()),
            ExecError::Exit {
                code: 137,
                signal: Some(9),
                ..
            }
        ));
        assert!(matches!(
            verdict_of(
                "Error",
                Some("- x (timed out after 1s: y)"),
                Some(-1),
                good()
            ),
            ExecError::TimedOut { .. }
        ));
        assert!(matches!(
            verdict_of("Done", None, None, good()),
            ExecError::Interrupted { .. }
        ));
        assert!(matches!(
            verdict_of("Done", None, None, evidence(Broken, Broken)),
            ExecError::DaemonRestarted { .. }
        ));
        assert!(matches!(
            verdict_of("Done", None, Some(0), evidence(Broken, Marked)),
            ExecError::Interrupted { .. }
        ));
        let unopened = Evidence {
            input_opened: false,
            ..good()
        };
        assert!(matches!(
            verdict_of("Done", None, Some(0), unopened),
            ExecError::Interrupted { .. }
        ));
        let abandoned = Evidence {
            abandoned: true,
            ..good()
        };
        assert!(matches!(
            verdict_of("Done", None, Some(137), abandoned),
            ExecError::Abandoned { .. }
        ));
    }
}
