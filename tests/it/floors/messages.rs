//! The page for those whose store makes trouble lists every message that the product can print about storage.

use std::collections::BTreeSet;
use std::fs;

use regex::{Captures, Regex};

use super::{Text, root, texts};

const PAGE: &str = "docs/how-to/troubleshoot-storage.md";
/// The text of an error.
const ERROR: &str = r#"#\[error\(\s*"((?:[^"\\]|\\.|\\\n)*)""#;
/// What was learnt of a store and is told.
const NOTE: &str = r#"\.note\(\s*"[a-z -]+",\s*(?:format!\(\s*)?"([^"]+)""#;
/// What speaks of storage, besides the room `s3` itself.
const SPEAKERS: [&str; 11] = [
    "src/backup/catalogue",
    "src/backup/create.rs",
    "src/backup/format.rs",
    "src/backup/lease",
    "src/backup/owner",
    "src/backup/restore.rs",
    "src/backup/rotate.rs",
    "src/backup/store_facts",
    "src/backup/sweep",
    "src/charm/bucket_relation",
    "src/charm/store.rs",
];
/// The doctor's texts stand beside the action, in the reference.
const ELSEWHERE: [&str; 1] = ["src/s3/checkup"];
/// How a text begins that is put behind the key of a value which is wrong, or does nothing.
const FINDINGS: &str = r#""((?:is|has|looks|begins|ends|host is)\b[^"]*)""#;
/// Where such texts stand.
const FORMS: [&str; 6] = [
    "src/s3/params.rs",
    "src/s3/params/",
    "src/s3/endpoint.rs",
    "src/s3/authorities.rs",
    "src/s3/attributes.rs",
    "src/s3/keys.rs",
];

/// A message as it stands in the sources, with dots where something is put in.
fn plain(text: &str) -> String {
    let text = Regex::new(r"\\\s+").unwrap().replace_all(text, "");
    let text = Regex::new(r"\{[^}]*\}").unwrap().replace_all(&text, "...");
    text.replace("\\\"", "\"").trim().to_owned()
}

fn collect(pattern: &str, code: &str, found: &mut BTreeSet<String>) {
    let pattern = Regex::new(pattern).unwrap();
    let message = |capture: Captures<'_>| plain(&capture[1]);
    found.extend(pattern.captures_iter(code).map(message));
}

/// The code with its strings whole, and without tests.
fn code(text: &Text) -> String {
    let lines = text.contents.lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with("//"));
    let code: Vec<&str> = lines.collect();
    let code = code.join("\n");
    match code.split_once("\n#[cfg(test)]") {
        Some((product, _)) => product.to_owned(),
        None => code,
    }
}

/// Everything that the sources can say.
fn messages() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in texts("src", "rs") {
        let name = text.name.as_str();
        let speaks =
            name.starts_with("src/s3/") || SPEAKERS.iter().any(|way| name.starts_with(way));
        let elsewhere = ELSEWHERE.iter().any(|way| name.starts_with(way));
        if !speaks || elsewhere || name.ends_with("/tests.rs") {
            continue;
        }
        let code = code(&text);
        if name == "src/backup/restore.rs" {
            let mut all = BTreeSet::new();
            collect(ERROR, &code, &mut all);
            let of_objects = |message: &String| {
                message.contains("bucket")
                    || message.contains("object")
                    || message.contains("download")
            };
            found.extend(all.into_iter().filter(of_objects));
            continue;
        }
        collect(ERROR, &code, &mut found);
        if FORMS.iter().any(|way| name.starts_with(way)) {
            collect(FINDINGS, &code, &mut found);
        }
        if name == "src/s3/error.rs" {
            let reasons = code.split_once("fmt::Display for TlsReason").unwrap().1;
            let reasons = reasons.split_once("fmt::Display for Cause").unwrap().0;
            collect(r#"=> "([^"]+)""#, reasons, &mut found);
        }
        // What is corrected by itself, and told.
        for notice in super::matches(r#"fn notice\b([\s\S]*?)\n    }\n"#, &code) {
            collect(r#"format!\(\s*"([^"]+)""#, notice, &mut found);
        }
        collect(NOTE, &code, &mut found);
        if code.contains(".note(\"") {
            collect(r#"let text = format!\(\s*"([^"]+)""#, &code, &mut found);
        }
        if name.starts_with("src/charm/") {
            collect(
                r#"let cause = (?:format!\(\s*)?"([^"]+)""#,
                &code,
                &mut found,
            );
            collect(
                r#"Failure::new\(\s*Kind::\w+,\s*"[^"]+",\s*(?:format!\(\s*)?"([^"]+)""#,
                &code,
                &mut found,
            );
        }
    }
    found.retain(|message| message.chars().any(char::is_alphabetic));
    found
}

#[test]
fn every_message_about_storage_is_listed_with_its_remedy() {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let mut listed = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [message, remedy] = cells[..] else {
            panic!("{PAGE}: not a message and its remedy: {row}");
        };
        assert!(remedy.len() > 5, "{PAGE}: {message} has no remedy");
        listed.insert(message.trim_matches('`').to_owned());
    }
    let messages = messages();
    assert!(messages.len() > 60, "only {} were found", messages.len());
    let missing: Vec<_> = messages.difference(&listed).cloned().collect();
    let stale: Vec<_> = listed.difference(&messages).cloned().collect();
    assert!(
        missing.is_empty(),
        "not on the page:\n{}",
        missing.join("\n")
    );
    assert!(stale.is_empty(), "no longer said:\n{}", stale.join("\n"));
}
