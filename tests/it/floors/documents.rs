//! What the documents say about commands, options, tests and each other is so.

use std::collections::BTreeSet;
use std::fs;

use regex::Regex;

use super::{Text, matches, root, rust, texts};

fn documents() -> Vec<Text> {
    let top = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
    ];
    top.iter()
        .flat_map(|name| texts(name, "md"))
        .chain(texts("docs", "md"))
        .collect()
}

#[test]
fn every_command_that_a_document_names_is_in_the_makefile() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap()
        + &fs::read_to_string(root().join("tests/parts.mk")).unwrap();
    let targets: BTreeSet<_> = matches(r"(?m)^([a-z-]+):", &makefile).into_iter().collect();

    let mut named = 0;
    for text in documents() {
        for command in matches(r"(?:`|(?m:^)\s*)make ([a-z-]+)", &text.contents) {
            named += 1;
            assert!(
                targets.contains(command),
                "{}: there is no `make {command}`",
                text.name
            );
        }
    }
    assert!(
        named > 5,
        "only {named} commands were found in the documents"
    );
}

#[test]
fn ci_calls_only_make() {
    let script = fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(
        !Regex::new(r"(?m)^[^#\n]*\b(cargo|rustup|pip|go) ")
            .unwrap()
            .is_match(&script)
    );
    assert_eq!(matches(r"(?m)^make ([a-z-]+)", &script), ["check", "test"]);
}

#[test]
fn every_promise_names_tests_that_exist() {
    let functions: BTreeSet<String> = rust()
        .iter()
        .flat_map(|text| {
            matches(r"\bfn ([a-z_0-9]+)", &text.contents)
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    let semantics = fs::read_to_string(root().join("docs/reference/semantics.md")).unwrap();

    let mut missing = Vec::new();
    let mut promises = 0;
    for row in semantics.lines().filter(|line| line.starts_with("| ")) {
        let Some((promise, tests)) = row.trim_end_matches(" |").rsplit_once(" | ") else {
            continue;
        };
        if ["| Promise", "| ---"].contains(&promise) {
            continue;
        }
        promises += 1;
        let tests = matches("`([a-z_0-9]+)`", tests);
        assert!(!tests.is_empty(), "{promise}: names no test");
        missing.extend(tests.into_iter().filter(|test| !functions.contains(*test)));
    }
    assert!(promises > 10, "only {promises} promises were found");
    assert!(
        missing.is_empty(),
        "semantics.md names tests that do not exist:\n{}",
        missing.join("\n")
    );
}

#[test]
fn every_option_and_action_is_in_the_reference() {
    for (file, page, level) in [
        ("config.yaml", "docs/reference/configuration.md", "  "),
        ("actions.yaml", "docs/reference/actions.md", ""),
    ] {
        let yaml = fs::read_to_string(root().join(file)).unwrap();
        let page = fs::read_to_string(root().join(page)).unwrap();
        let names = matches(&format!("(?m)^{level}([a-z][a-z_-]+):"), &yaml);
        assert!(!names.is_empty(), "{file} declares nothing");
        for name in names {
            assert!(
                page.contains(&format!("`{name}`")),
                "{name} of {file} is not in the reference"
            );
        }
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for text in documents() {
        let folder = root().join(&text.name).parent().unwrap().to_owned();
        for target in matches(r"\]\(([^)#]+)[^)]*\)", &text.contents) {
            let outside = target.contains("://") || target.starts_with("mailto:");
            assert!(
                outside || folder.join(target).exists(),
                "{}: {target} is not there",
                text.name
            );
        }
    }
}
