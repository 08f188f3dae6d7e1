//! Whether every local media of a database has its file, and every file its media.
//!
//! ```text
//! archive's members ──▶ AuditFeed ── queue ──▶ task ══ Pebble exec ══▶ audit.py ── looks up ──▶ the database
//!  (any threads)                                                          '─────▶ MediaAudit, at the end
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::python::command;
use crate::archive::{Kind, Member, Sha256Hex};
use crate::pebble::{self, Process, Stdout};

const PROGRAM: &str = include_str!("audit.py");
/// Files are told for as long as a backup takes; this only bounds what nobody watches any more.
const DEADLINE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long the program may take over the rows after the last file: millions are looked at in seconds.
const ENDING: Duration = Duration::from_secs(600);
/// Lines that wait, each of at most 5 KiB.
const QUEUE: usize = 128;
/// The most bytes of an answer: 4,000 names of 128 characters, escaped.
const ANSWER: usize = 8 * 1024 * 1024;

/// Where files of local media lie, as an archive names them.
const CONTENT: &str = "data/media/local_content/";
/// Where their thumbnails do.
const THUMBNAILS: &str = "data/media/local_thumbnails/";

/// A comparison under way. Dropped, it ends without a result.
#[derive(Debug)]
pub struct Audit {
    feed: AuditFeed,
    work: JoinHandle<Result<MediaAudit, AuditError>>,
}

/// Takes files for an [`Audit`], from any thread; cheap to clone.
#[derive(Debug, Clone)]
pub struct AuditFeed {
    notes: mpsc::Sender<Note>,
    thumbnails: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Note {
    /// A line of the program's input.
    File(String),
    /// There are no more.
    End,
}

/// What a comparison found. Media whose upload was announced and not made is in none of the numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MediaAudit {
    /// Local media that the database has, quarantined ones as well.
    pub rows: u64,
    /// How many bytes those have together.
    pub bytes: u64,
    /// Files that were told.
    pub files: u64,
    /// Files of thumbnails that were told; they are only counted.
    #[serde(default)]
    pub thumbnails: u64,
    /// Ids of media that have no file.
    pub missing: Findings,
    /// Ids of media that the database does not have, and paths of files that can be no media's. Those that were
    /// uploaded after the database was copied are among them.
    pub surplus: Findings,
    /// Ids of media whose file has another length.
    pub wrong_size: Findings,
    /// Ids of media whose file has the right length and other contents; only newer servers note a digest.
    pub wrong_digest: Findings,
}

/// Findings of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Findings {
    /// How many there are.
    pub count: u64,
    /// The first thousand, sorted, each cut after 128 characters.
    pub names: Vec<String>,
}

/// Why media and database were not compared.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The program could not be run, or failed.
    #[error("failed to compare media with the database")]
    Run(#[source] pebble::ExecError),
    /// It answered something else than agreed.
    #[error("failed to read how media compares with the database")]
    Answer(#[source] serde_json::Error),
    /// It did not come to an end.
    #[error("failed to compare media with the database within {} s", ENDING.as_secs())]
    TimedOut,
    /// The comparison panicked.
    #[error("comparing media with the database broke off")]
    Panicked,
}

impl Audit {
    /// Begins to compare with a database, given by its path in the workload, which must stay until the end.
    ///
    /// That may be a copy, or the live one of a server that runs; nothing is changed.
    pub async fn begin(client: &pebble::Client, database: &str) -> Result<Self, AuditError> {
        let exec = command(PROGRAM, &[database], DEADLINE).stall_limit(ENDING);
        let process = client.exec(&exec).await.map_err(AuditError::Run)?;
        let (notes, noted) = mpsc::channel(QUEUE);
        let feed = AuditFeed {
            notes,
            thumbnails: Arc::default(),
        };
        Ok(Self {
            feed,
            work: tokio::spawn(compare(process, noted)),
        })
    }

    /// What takes the files.
    pub fn feed(&self) -> AuditFeed {
        self.feed.clone()
    }

    /// Says that all files were told, and gives the result. What a feed is given afterwards counts no more.
    pub async fn finish(mut self) -> Result<MediaAudit, AuditError> {
        // A program that has ended already takes no notes, and its verdict says why.
        let ending = async {
            let _ = self.feed.notes.send(Note::End).await;
            (&mut self.work).await.unwrap_or(Err(AuditError::Panicked))
        };
        let audit = timeout(ENDING, ending)
            .await
            .unwrap_or(Err(AuditError::TimedOut))?;
        let thumbnails = self.feed.thumbnails.load(Ordering::Relaxed);
        Ok(MediaAudit {
            thumbnails,
            ..audit
        })
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        // With the task goes the process, and with that the program.
        self.work.abort();
    }
}

impl AuditFeed {
    /// Notes a member of an archive, if it is a file of local media. Blocks while the queue is full: not for async code.
    pub fn member(&self, member: &Member) {
        if member.kind == Kind::File {
            self.file(&member.path, member.size, member.sha256.as_ref());
        }
    }

    /// Notes a file, named as a member of an archive would be: `data/media/local_content/...`. Others do not count.
    /// Blocks while the queue is full: not for async code.
    ///
    /// It never fails: if the comparison has ended before, [`Audit::finish`] says why.
    pub fn file(&self, path: &str, size: u64, sha256: Option<&Sha256Hex>) {
        if path.starts_with(THUMBNAILS) {
            self.thumbnails.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(path) = path.strip_prefix(CONTENT) {
            let _ = self
                .notes
                .blocking_send(Note::File(line(path, size, sha256)));
        }
    }
}

/// A line of the program's input.
fn line(path: &str, size: u64, sha256: Option<&Sha256Hex>) -> String {
    // Members have no such characters in their names; a directory may hold anything.
    let path = path.replace(char::is_control, "\u{fffd}");
    match sha256 {
        Some(sha256) => format!("{size}\t{sha256}\t{path}\n"),
        None => format!("{size}\t-\t{path}\n"),
    }
}

/// Hands all notes to the program, and reads its answer once there are no more.
async fn compare(
    mut process: Process,
    mut notes: mpsc::Receiver<Note>,
) -> Result<MediaAudit, AuditError> {
    if let Some(mut stdin) = process.stdin.take() {
        let ended = loop {
            match notes.recv().await {
                Some(Note::File(line)) => {
                    if stdin.write_all(line.as_bytes()).await.is_err() {
                        break false;
                    }
                }
                Some(Note::End) => break true,
                None => break false,
            }
        };
        // Whoever did not say that this was all leaves an input that is given up, and the program is killed with it.
        match ended {
            true => drop(stdin.end().await),
            false => drop(stdin),
        }
    }
    // From here on nobody is kept waiting for a place in the queue.
    drop(notes);
    let answer = match process.stdout.take() {
        Some(stdout) => gather(stdout).await,
        None => Vec::new(),
    };
    process.wait(ENDING).await.map_err(AuditError::Run)?;
    serde_json::from_slice(&answer).map_err(AuditError::Answer)
}

/// Reads what was printed, or as much of it as an answer may have: the verdict tells whether it was whole.
async fn gather(mut stdout: Stdout) -> Vec<u8> {
    let mut answer = Vec::new();
    while let Ok(Some(chunk)) = stdout.chunk().await {
        answer.extend_from_slice(&chunk);
        if answer.len() > ANSWER {
            break;
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_one_file_whatever_it_is_called() {
        let digest = Sha256Hex::from_digest(&[0xab; 2]);
        assert_eq!(line("aa/bb/c", 7, Some(&digest)), "7\tabab\taa/bb/c\n");
        assert_eq!(line("a\tb\nc", 0, None), "0\t-\ta\u{fffd}b\u{fffd}c\n");
    }
}
