//! YAML laid out as Go's library does: four spaces deep, lists indented, texts of several lines as blocks.

use std::fmt::Write as _;

use serde_yaml::Value;

const STEP: usize = 4;

/// Writes a document.
pub(crate) fn write(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Mapping(map) if map.is_empty() => text.push_str("{}\n"),
        other => block(other, 0, &mut text),
    }
    text
}

fn block(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Mapping(map) => {
            for (name, value) in map {
                let _infallible = write!(text, "{:depth$}{}:", "", plain(name));
                entry(value, depth, text);
            }
        }
        Value::Sequence(items) => {
            for item in items {
                let _infallible = write!(text, "{:depth$}-", "");
                entry(item, depth, text);
            }
        }
        other => {
            let _infallible = writeln!(text, "{:depth$}{}", "", plain(other));
        }
    }
}

fn entry(value: &Value, depth: usize, text: &mut String) {
    let inner = depth + STEP;
    match value {
        Value::Mapping(map) if map.is_empty() => text.push_str(" {}\n"),
        Value::Sequence(items) if items.is_empty() => text.push_str(" []\n"),
        Value::Mapping(_) | Value::Sequence(_) => {
            text.push('\n');
            block(value, inner, text);
        }
        Value::String(lines) if lines.contains('\n') => {
            let end = if !lines.ends_with('\n') {
                "-"
            } else if lines.ends_with("\n\n") {
                "+"
            } else {
                ""
            };
            let _infallible = writeln!(text, " |{end}");
            for line in lines.strip_suffix('\n').unwrap_or(lines).split('\n') {
                let _infallible = writeln!(
                    text,
                    "{}{line}",
                    if line.is_empty() {
                        String::new()
                    } else {
                        " ".repeat(inner)
                    }
                );
            }
        }
        other => {
            let _infallible = writeln!(text, " {}", plain(other));
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        other => format!("{other:?}"),
    }
}

/// A text as it is if it reads back as itself, else in the quotes that Go's library takes.
fn quoted(text: &str) -> String {
    if text.is_empty() || is_old_truth(text) {
        return format!("{text:?}");
    }
    let read = serde_yaml::from_str::<Value>(&format!("k: {text}"));
    let read = read.ok().and_then(|map| map.get("k").cloned());
    match read {
        _ if text.starts_with(['#', '[', '{', '&', '*', '!', '%', '@', '`']) => single(text),
        Some(Value::String(back)) if back == text => text.to_owned(),
        Some(Value::Number(_) | Value::Bool(_) | Value::Null) => format!("{text:?}"),
        _ => single(text),
    }
}

fn single(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What older YAML took for true or false.
fn is_old_truth(text: &str) -> bool {
    matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "n" | "yes" | "no" | "on" | "off"
    )
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn texts_are_quoted_as_by_go() {
        for (text, shown) in [
            ("plain words", "plain words"),
            ("y", "\"y\""),
            ("80", "\"80\""),
            ("", "\"\""),
            ("a: b", "'a: b'"),
            ("#x", "'#x'"),
            (" s ", "' s '"),
            ("http://localhost:1/", "http://localhost:1/"),
            ("sh -c 'a b'", "sh -c 'a b'"),
        ] {
            assert_eq!(quoted(text), shown);
        }
    }
}
