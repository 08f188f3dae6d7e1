//! The page, and the commands in it that are run.

use std::fs;

use harness::parts;

const PAGE: &str = "docs/how-to/recover-by-hand.md";

/// The marked blocks of commands of the page, in their order.
pub(super) struct Page {
    blocks: Vec<(String, String)>,
}

impl Page {
    pub(super) fn read() -> Self {
        let text = fs::read_to_string(parts::workspace().join(PAGE)).unwrap();
        let mut blocks: Vec<(String, String)> = Vec::new();
        let mut marked = None;
        for line in text.lines() {
            let marker = line.strip_prefix("<!-- ");
            if let Some(marker) = marker.and_then(|rest| rest.strip_suffix(" -->")) {
                blocks.push((marker.to_owned(), String::new()));
                marked = blocks.len().checked_sub(1);
            } else if let Some(command) = line.strip_prefix("    ") {
                if let Some(at) = marked {
                    let block = &mut blocks[at].1;
                    block.push_str(command);
                    block.push('\n');
                }
            } else if !line.is_empty() {
                // The next block has to be marked anew.
                marked = None;
            }
        }
        let fills = blocks.iter().filter(|(marker, _)| marker == "fill");
        assert_eq!(fills.count(), 1, "{PAGE}");
        assert!(blocks.iter().all(|(_, block)| !block.is_empty()), "{PAGE}");
        Self { blocks }
    }

    /// The commands for one way of fetching; these values stand in the place of those that the page gives as examples.
    pub(super) fn script(&self, way: &str, values: &[(&str, String)]) -> String {
        let mut script = String::new();
        let mut filled = 0;
        for (marker, block) in &self.blocks {
            match marker.as_str() {
                "fill" => {
                    for line in block.lines() {
                        let (line, count) = fill(line, values);
                        filled += count;
                        script += &line;
                    }
                }
                "run" => script += block,
                other if other == format!("run {way}") => script += block,
                _ => (),
            }
        }
        assert_eq!(filled, values.len(), "{PAGE} asks for other values");
        script
    }
}

/// A line of the first block with the test's values; the passphrase is the test's own affair.
fn fill(line: &str, values: &[(&str, String)]) -> (String, usize) {
    let quoted = |value: &str| format!("'{}'", value.replace('\'', r"'\''"));
    let named = |name: &str| values.iter().find(|(known, _)| *known == name);
    if let Some(pairs) = line.strip_prefix("export ") {
        let names = pairs.split(' ').filter_map(|pair| pair.split('=').next());
        let filled: Vec<String> = names
            .map(|name| {
                let (name, value) = named(name).unwrap();
                format!("{name}={}", quoted(value))
            })
            .collect();
        return (format!("export {}\n", filled.join(" ")), filled.len());
    }
    if line.ends_with("> passphrase") {
        return (String::new(), 0);
    }
    let name = line.split('=').next().unwrap_or_default();
    match named(name) {
        Some((name, value)) => (format!("{name}={}\n", quoted(value)), 1),
        None => {
            assert!(!line.contains('='), "{PAGE}: {line}");
            (format!("{line}\n"), 0)
        }
    }
}
