//! The order of the house: who may name whom, and where the world is touched.
//!
//! These tests read the sources as text. They need nothing built and nothing started.

#![expect(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod documents;
mod messages;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Whom each room may name, besides itself. The outermost floor, `charm`, may name all.
const FLOORS: [(&str, &[&str]); 8] = [
    ("archive", &[]),
    ("openpgp", &[]),
    ("s3", &[]),
    ("pebble", &[]),
    ("juju", &[]),
    ("synapse", &["archive", "pebble"]),
    ("backup", &["archive", "openpgp", "s3", "pebble"]),
    (
        "charm",
        &[
            "archive", "openpgp", "s3", "pebble", "juju", "synapse", "backup",
        ],
    ),
];

/// What is done in one place of the product only.
const ONE_PLACE: [(&str, &str); 3] = [
    (
        r"\benv::(var|vars|var_os|vars_os|temp_dir|home_dir)\b",
        "src/juju/context.rs",
    ),
    (r"\bCommand::new\b", "src/juju/tools.rs"),
    (r"\b(SystemTime|Timestamp|Zoned)::now\b", "src/charm.rs"),
];

/// What stands nowhere in the sources of either package, with the reason.
const NOWHERE: [(&str, &str); 4] = [
    (r"#!?\[allow\(", "say #[expect(lint, reason = \"...\")]"),
    (r"\b(todo|unimplemented)!\(", "finish it or leave it out"),
    (r"\bunbounded(_channel)?\(", "every queue is bounded"),
    (r"\bprocess::exit\(", "it runs no destructors"),
];

/// Names that say nothing.
const EMPTY_NAMES: [&str; 7] = [
    "mod", "util", "utils", "common", "helper", "helpers", "manager",
];

const LINE_LIMIT: usize = 400;

/// A text of the project with its name from the top directory.
struct Text {
    name: String,
    contents: String,
}

impl Text {
    /// The Rust code without its line comments.
    fn code(&self) -> String {
        self.contents
            .lines()
            .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The code without the tests, which come last in a file or have one of their own.
    fn product_code(&self) -> String {
        if self.name.ends_with("/tests.rs") {
            return String::new();
        }
        let code = self.code();
        code.split_once("#[cfg(test)]")
            .map_or(code.clone(), |(product, _)| product.to_owned())
    }

    /// The room of the product that the file belongs to.
    fn room(&self) -> Option<&str> {
        let path = self.name.strip_prefix("src/")?;
        path.split(['/', '.'])
            .next()
            .filter(|room| !["main", "lib"].contains(room))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// All files with this ending below a folder of the project, or one file.
fn texts(start: &str, ending: &str) -> Vec<Text> {
    let root = root();
    let mut found = Vec::new();
    let mut ways = vec![root.join(start)];
    while let Some(way) = ways.pop() {
        if way.is_dir() {
            ways.extend(
                fs::read_dir(way)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if way.extension().is_some_and(|extension| extension == ending) {
            found.push(Text {
                name: way
                    .strip_prefix(&root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
                contents: fs::read_to_string(&way).unwrap(),
            });
        }
    }
    assert!(!found.is_empty(), "no .{ending} files below {start}");
    found
}

fn product() -> Vec<Text> {
    texts("src", "rs")
}

fn rust() -> Vec<Text> {
    product().into_iter().chain(texts("tests", "rs")).collect()
}

fn matches<'a>(pattern: &str, text: &'a str) -> Vec<&'a str> {
    let pattern = Regex::new(pattern).unwrap();
    pattern
        .captures_iter(text)
        .map(|found| found.get(1).unwrap().as_str())
        .collect()
}

/// The rooms that a piece of code names by `crate::`, alone or in braces, or by `super::` from a room's door.
fn named_rooms(code: &str) -> BTreeSet<&str> {
    let mut rooms: BTreeSet<&str> = matches(r"\b(?:crate|super)::([a-z_0-9]+)", code)
        .into_iter()
        .collect();
    for start in Regex::new(r"\bcrate::\{").unwrap().find_iter(code) {
        let mut depth = 1;
        let mut first = true;
        for (at, letter) in code[start.end()..].char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => first = true,
                letter if depth == 1 && first && !letter.is_whitespace() => {
                    let rest = &code[start.end() + at..];
                    rooms.extend(matches(r"^([a-z_0-9]+)", rest));
                    first = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    rooms.retain(|room| FLOORS.iter().any(|(known, _)| known == room));
    rooms
}

#[test]
fn a_room_names_only_rooms_below() {
    let mut wrong = Vec::new();
    for text in product() {
        let Some(room) = text.room() else { continue };
        let Some((_, below)) = FLOORS.iter().find(|(name, _)| *name == room) else {
            panic!("{}: the room {room} is on no floor", text.name);
        };
        for named in named_rooms(&text.code()) {
            if named != room && !below.contains(&named) {
                wrong.push(format!("{} names {named}", text.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rooms_are_found_in_every_way_of_naming_them() {
    let code = "use crate::{archive, s3::{Bucket, pebble}, juju as j};\nlet x = crate::openpgp::seal(super::backup::X);";
    let found: Vec<_> = named_rooms(code).into_iter().collect();
    assert_eq!(found, ["archive", "backup", "juju", "openpgp", "s3"]);
}

#[test]
fn the_world_is_touched_in_one_place() {
    for (pattern, place) in ONE_PLACE {
        let pattern = Regex::new(pattern).unwrap();
        for text in product().iter().filter(|text| text.name != place) {
            let found = pattern
                .find(&text.product_code())
                .map(|found| found.as_str().to_owned());
            assert_eq!(found, None, "{}: this belongs into {place}", text.name);
        }
    }
}

#[test]
fn a_file_is_one_noun_of_bounded_length() {
    let mut wrong = Vec::new();
    for text in rust() {
        let lines = text.contents.lines().count();
        if lines > LINE_LIMIT {
            wrong.push(format!(
                "{} has {lines} lines, more than {LINE_LIMIT}",
                text.name
            ));
        }
        let stem = Path::new(&text.name).file_stem().unwrap().to_str().unwrap();
        if EMPTY_NAMES.contains(&stem) {
            wrong.push(format!("{}: the name says nothing", text.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_banned_stands_nowhere() {
    for (pattern, reason) in NOWHERE {
        let pattern = Regex::new(pattern).unwrap();
        for text in rust() {
            let found = pattern
                .find(&text.code())
                .map(|found| found.as_str().to_owned());
            let here = text.name == "tests/it/floors.rs";
            assert!(
                found.is_none() || here,
                "{}: {found:?}: {reason}",
                text.name
            );
        }
    }
}

#[test]
fn anyhow_stays_outside_the_rooms() {
    // Sequoia's functions answer with anyhow's error; a room may take it in, but makes none of its own.
    let pattern = Regex::new(r"\buse anyhow\b|\b(anyhow|bail|ensure)!").unwrap();
    for text in product().iter().filter(|text| text.room().is_some()) {
        let found = pattern
            .find(&text.code())
            .map(|found| found.as_str().to_owned());
        assert_eq!(found, None, "{}: rooms use thiserror", text.name);
    }
}
