//! What becomes of a backup, and why, in the words of a plan.

use std::fmt;

use super::{Bound, Fate, Halt, Keep};

impl fmt::Display for Keep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => formatter.write_str("the newest"),
            Self::NewestProven => formatter.write_str("the newest that was verified"),
            Self::NewestRead => formatter.write_str("the newest that was verified in full"),
            Self::Protected => formatter.write_str("protected"),
            Self::Unfinished => formatter.write_str("not finished: delete-backup removes it"),
            Self::Legacy => {
                formatter.write_str("made by the Python charm: delete-backup removes it")
            }
            Self::Foreign(server_name) => write!(formatter, "of the server {server_name}"),
            Self::Broken => formatter.write_str("found broken: delete-backup removes it"),
            Self::Last(number) => write!(formatter, "last={number}"),
            Self::First(unit) => formatter.write_str(unit.word()),
            Self::Within(interval) => write!(formatter, "within={interval}"),
            Self::Young => formatter.write_str("no rule deletes it"),
            Self::Halted => formatter.write_str("nothing is pruned now"),
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(reasons) => {
                let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                formatter.write_str(&reasons.join(", "))
            }
            Self::Surplus => formatter.write_str("no rule keeps it"),
            Self::Expired(at) => {
                let at = at.strftime("%Y-%m-%d %H:%M:%S UTC");
                write!(formatter, "was to be kept until {at}")
            }
            Self::Old(bound) => {
                let Bound {
                    older_than,
                    said_by,
                } = bound;
                write!(formatter, "older than {older_than} ({said_by})")
            }
        }
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPolicy => formatter.write_str("no policy is set"),
            Self::NoBackup => formatter.write_str("there is no finished backup of this server"),
            Self::Foreign { id, server_name } => {
                write!(
                    formatter,
                    "the newest backup {id} is of another server, {server_name}"
                )
            }
            Self::Shrank { id, percent } => write!(
                formatter,
                "the newest backup {id} holds {percent} % less than the one before"
            ),
            Self::Broken { id } => {
                write!(formatter, "the newest backup {id} is broken")
            }
            Self::Clock { id } => {
                write!(
                    formatter,
                    "the backup {id} was begun at a time to come: a clock is wrong"
                )
            }
        }
    }
}
