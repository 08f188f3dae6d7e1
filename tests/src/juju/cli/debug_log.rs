//! `debug-log`.

use std::time::Duration;

use anyhow::Result;

use super::arguments::Arguments;
use super::{Command, Usage, say, store};
use crate::juju::flags::{Flag, Kind};
use crate::juju::model::LogEntry;

pub(super) const DEBUG_LOG: Command = Command {
    name: "debug-log",
    usage: "debug-log [--replay] [-n lines] [--level LEVEL] [--include unit] [--tail | --no-tail]",
    flags: &[
        Flag {
            names: &["replay"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["n", "lines"],
            kind: Kind::Text,
        },
        Flag {
            names: &["level", "l"],
            kind: Kind::Text,
        },
        Flag {
            names: &["i", "include"],
            kind: Kind::Text,
        },
        Flag {
            names: &["tail"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["no-tail"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["date"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["utc"],
            kind: Kind::Switch,
        },
    ],
    run: debug_log,
};

const LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

fn debug_log(arguments: Arguments) -> Result<u8> {
    arguments.end()?;
    let store = store()?;
    let least = match arguments.last("level") {
        "" => 0,
        word => LEVELS
            .iter()
            .position(|level| level.eq_ignore_ascii_case(word))
            .ok_or_else(|| {
                Usage(format!(
                    "level value {word:?} is not one of \"{}\"",
                    LEVELS.join("\", \"")
                ))
            })?,
    };
    let lines = match arguments.last("n") {
        "" if arguments.switch("replay") => usize::MAX,
        "" => 10,
        text => text
            .parse()
            .map_err(|_| Usage(format!("invalid number of lines {text:?}")))?,
    };
    let wanted = |entry: &LogEntry| {
        let rank = LEVELS
            .iter()
            .position(|level| *level == entry.line.level)
            .unwrap_or(0);
        let names = arguments.all("i");
        let named = names.iter().any(|name| {
            *name == entry.entity || format!("unit-{}", name.replace('/', "-")) == entry.entity
        });
        rank >= least && (names.is_empty() || named)
    };
    let show = |entry: &LogEntry| {
        let format = if arguments.switch("date") {
            "%Y-%m-%d %H:%M:%S"
        } else {
            "%H:%M:%S"
        };
        let line = &entry.line;
        say(&format!(
            "{}: {} {} {} {}",
            entry.entity,
            entry.time.strftime(format),
            line.level,
            line.module,
            line.message
        ));
    };
    let mut seen = store.logged()?;
    let chosen: Vec<&LogEntry> = seen.iter().filter(|entry| wanted(entry)).collect();
    chosen[chosen.len().saturating_sub(lines)..]
        .iter()
        .for_each(|entry| show(entry));
    while arguments.switch("tail") {
        std::thread::sleep(Duration::from_millis(200));
        let now = store.logged()?;
        now[seen.len().min(now.len())..]
            .iter()
            .filter(|entry| wanted(entry))
            .for_each(show);
        seen = now;
    }
    Ok(0)
}
