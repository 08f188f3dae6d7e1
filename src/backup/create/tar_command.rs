//! The `tar` that reads the data in the workload, and what its ending means.

use std::time::Duration;

use super::{Group, Source};
use crate::pebble::{self, ExecError, Exited};

/// A run is ended by its progress, not by its length; this only bounds what nobody watches any more.
const DEADLINE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long `tar` may take to end after its last byte.
pub(super) const ENDING: Duration = Duration::from_secs(60);

/// A report of this length may have lost its beginning.
const LONG: usize = 4096;
/// Stands for what a report has lost.
pub const MORE: &str = "more files, whose names were not kept";

/// What `tar` says, with exit code 1, of files that others change while it reads them.
const DIFFERENCES: [&str; 4] = [
    "file changed as we read it",
    "File removed before we read it",
    "padding with zeros",
    "socket ignored",
];

/// The command that writes the archive of a group of `source` to its standard output.
pub(super) fn command(source: &Source, group: &Group) -> pebble::Exec {
    let mut command: Vec<String> = [
        "tar",
        "--create",
        "--file=-",
        "--format=gnu",
        "--numeric-owner",
        // A file with two names is saved under both: a restore makes no links.
        "--hard-dereference",
        // 256 KiB at a time: three times less work than with tar's default of 10 KiB.
        "--blocking-factor=512",
        // Of the patterns behind it: they begin where a member's name does, and no `*` goes beyond a slash.
        "--anchored",
        "--wildcards",
        "--no-wildcards-match-slash",
    ]
    .map(str::to_owned)
    .into();
    let exclude = source.exclude.iter();
    command.extend(exclude.map(|pattern| format!("--exclude={pattern}")));
    for root in &group.roots {
        command.push(format!("--directory={}", root.directory));
        command.extend(root.paths.iter().cloned());
    }
    pebble::Exec::new(command)
        .env("LC_ALL", "C")
        .user(source.user_id, source.group_id)
        .timeout(DEADLINE)
        .bulk(pebble::Bulk::Output("--file=-"))
}

/// Judges how `tar` ended: with nothing to say, with files that changed meanwhile, or in failure.
pub(super) fn verdict(ended: Result<Exited, ExecError>) -> Result<Vec<String>, ExecError> {
    let error = match ended {
        Ok(_) => return Ok(Vec::new()),
        Err(error) => error,
    };
    let ExecError::Exit {
        code: 1, stderr, ..
    } = &error
    else {
        return Err(error);
    };
    let mut lines: Vec<String> = stderr.lines().map(str::to_owned).collect();
    // Only the end of a long report is kept, and it may begin within a line.
    if stderr.len() >= LONG && !stderr.starts_with("tar: ") {
        MORE.clone_into(&mut lines[0]);
    }
    let harmless = |line: &String| {
        line == MORE
            || DIFFERENCES
                .iter()
                .any(|difference| line.contains(difference))
    };
    if lines.is_empty() || !lines.iter().all(harmless) {
        return Err(error);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn exit(code: i64, stderr: &str) -> Result<Exited, ExecError> {
        Err(ExecError::Exit {
            command: "tar".to_owned(),
            code,
            signal: None,
            stderr: stderr.to_owned(),
        })
    }

    #[test]
    fn files_that_change_while_they_are_read_are_warnings() {
        let changed = "tar: data/media/local_content/x: file changed as we read it";
        assert_eq!(verdict(exit(1, changed)).unwrap(), [changed]);
    }

    #[test]
    fn long_report_that_has_lost_its_beginning_is_one_of_warnings_too() {
        let line = "tar: data/media/local_content/x: file changed as we read it\n";
        let long = format!(
            "edia/y: file changed{}",
            "\n".to_owned() + &line.repeat(100)
        );
        let told = verdict(exit(1, &long)).unwrap();
        assert_eq!((told[0].as_str(), told.len()), (MORE, 101));
        let bad = long.replacen("file changed as", "Cannot read as", 1);
        assert!(verdict(exit(1, &bad)).is_err());
    }

    #[test]
    fn anything_else_that_tar_says_is_a_failure() {
        for (code, stderr) in [
            (2, "tar: data/media: Cannot open: Permission denied"),
            (1, ""),
            (1, "tar: something unheard of"),
            (
                1,
                "tar: a: file changed as we read it\ntar: b: Cannot read: Input/output error",
            ),
            (137, ""),
        ] {
            assert!(verdict(exit(code, stderr)).is_err(), "{code} {stderr}");
        }
    }
}
