//! Commands as a person types them: shown, run with a limit, their output kept.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::deadline::{Deadline, Look};

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(300);

/// What a command printed and how it ended.
#[derive(Debug)]
#[must_use]
pub struct CommandOutput {
    /// The command as one would type it.
    pub line: String,
    /// What it printed on standard output.
    pub stdout: String,
    /// What it printed on standard error.
    pub stderr: String,
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
}

impl CommandOutput {
    /// Its standard output, if it succeeded.
    pub fn success(self) -> Result<String> {
        if self.code != 0 {
            bail!(
                "`{}` failed with exit code {}:\n{}{}",
                self.line,
                self.code,
                self.stderr,
                self.stdout
            );
        }
        Ok(self.stdout)
    }

    /// All that it printed, if it failed.
    pub fn failure(self) -> Result<String> {
        if self.code == 0 {
            bail!(
                "`{}` succeeded, which it should not:\n{}{}",
                self.line,
                self.stderr,
                self.stdout
            );
        }
        Ok(self.stderr + &self.stdout)
    }
}

/// Runs a command to its end, each line shown as it comes.
pub(super) fn run(
    command: &mut Command,
    line: &str,
    show: Option<fn(&str)>,
) -> Result<CommandOutput> {
    if let Some(show) = show {
        show(&format!("$ {line}"));
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start `{line}`"))?;
    let stdout = child.stdout.take().context("no standard output")?;
    let stderr = child.stderr.take().context("no standard error")?;
    let readers = [
        thread::spawn(move || collect(stdout, show)),
        thread::spawn(move || collect(stderr, show)),
    ];
    let ended = Deadline::after(LIMIT).wait_for(&format!("`{line}` to end"), || {
        Ok(match child.try_wait()? {
            Some(status) => Look::Done(status),
            None => Look::NotYet("it runs"),
        })
    });
    let status = match ended {
        Ok(status) => status,
        Err(error) => {
            child.kill()?;
            child.wait()?;
            return Err(error);
        }
    };
    let [stdout, stderr] = readers.map(|reader| reader.join().unwrap_or_default());
    Ok(CommandOutput {
        line: line.to_owned(),
        stdout,
        stderr,
        code: status.code().unwrap_or(-1),
    })
}

fn collect(source: impl Read, show: Option<fn(&str)>) -> String {
    let mut source = BufReader::new(source);
    let mut all = String::new();
    let mut line = Vec::new();
    while source
        .read_until(b'\n', &mut line)
        .is_ok_and(|bytes| bytes > 0)
    {
        let text = String::from_utf8_lossy(&line);
        if let Some(show) = show {
            show(text.trim_end_matches('\n'));
        }
        all += &text;
        line.clear();
    }
    all
}

/// The words of a command on one line, quoted for a shell.
pub(super) fn typed(words: &[&str]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    let quoted = |word: &&str| match word.bytes().all(plain) && !word.is_empty() {
        true => (*word).to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}
