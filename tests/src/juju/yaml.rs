//! YAML as Juju's tools write and read it: go-yaml v2, byte for byte as far as the recordings reach.
//!
//! [`document`] writes what a tool prints; [`read`] reads the `--file` of `relation-set` and
//! `state-set`. Charm files are read with serde, not with this.

mod read;
mod resolve;
mod scalar;

pub use read::string_map;

use std::cmp::Ordering;

use super::value::{Value, yaml_number};
use base64::Engine as _;
use scalar::Place;

/// Reads one value typed by a user, by the rules of YAML 1.1.
pub fn value(text: &str) -> Result<serde_json::Value, String> {
    let bare = text.trim();
    if let Some(value) = resolve::bare(bare) {
        return Ok(value);
    }
    let structured = bare.starts_with(['{', '[', '"', '\'', '|', '>', '&', '*', '!'])
        || bare.contains(": ")
        || bare.starts_with("- ");
    if !structured {
        return Ok(serde_json::Value::from(bare));
    }
    serde_yaml::from_str(text).map_err(|error| format!("yaml: {error}"))
}

/// The value as one yaml document. It may end in more than one newline.
pub fn document(value: &Value) -> String {
    let mut writer = Writer {
        out: String::new(),
        column: 0,
    };
    match value {
        Value::Map(map) if !map.is_empty() => writer.map(value, 0, false),
        Value::List(list) if !list.is_empty() => writer.list(value, 0, false),
        Value::Lines(lines) if !lines.is_empty() => writer.list(value, 0, false),
        value => writer.scalar(
            value,
            Place {
                indent: 2,
                key: false,
            },
        ),
    }
    writer.newline();
    writer.out
}

struct Writer {
    out: String,
    column: usize,
}

impl Writer {
    fn push(&mut self, text: &str) {
        for c in text.chars() {
            self.push_char(c);
        }
    }

    fn push_char(&mut self, c: char) {
        self.out.push(c);
        self.column = if c == '\n' { 0 } else { self.column + 1 };
    }

    fn newline(&mut self) {
        if self.column > 0 {
            self.push_char('\n');
        }
    }

    /// Starts a line at the given indent.
    fn indent(&mut self, indent: usize) {
        self.newline();
        for _ in 0..indent {
            self.push_char(' ');
        }
    }

    /// Writes a map's lines; `inline` when the first key follows a dash on the same line.
    fn map(&mut self, value: &Value, indent: usize, inline: bool) {
        let Value::Map(map) = value else { return };
        let mut keys: Vec<&String> = map.keys().collect();
        keys.sort_by(|a, b| natural(a, b));
        for (index, key) in keys.into_iter().enumerate() {
            if index > 0 || !inline {
                self.indent(indent);
            }
            // A key too long for the one-line form gets a line of its own.
            let simple = key.len() <= 128 && !key.contains('\n');
            if !simple {
                self.push("? ");
            }
            self.scalar(
                &Value::Text(key.clone()),
                Place {
                    indent: indent + 2,
                    key: simple,
                },
            );
            if !simple {
                self.indent(indent);
            }
            self.push(":");
            self.member(&map[key], indent);
        }
    }

    /// Writes a map's value behind its colon.
    fn member(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Map(map) if !map.is_empty() => self.map(value, indent + 2, false),
            Value::List(list) if !list.is_empty() => self.list(value, indent, false),
            Value::Lines(lines) if !lines.is_empty() => self.list(value, indent, false),
            value => {
                self.push(" ");
                self.scalar(
                    value,
                    Place {
                        indent: indent + 2,
                        key: false,
                    },
                );
            }
        }
    }

    fn list(&mut self, value: &Value, indent: usize, inline: bool) {
        let items: Vec<Value> = match value {
            Value::List(list) => list.clone(),
            Value::Lines(lines) => lines.iter().map(Value::text).collect(),
            _ => return,
        };
        for (index, item) in items.iter().enumerate() {
            if index > 0 || !inline {
                self.indent(indent);
            }
            self.push("- ");
            match item {
                Value::Map(map) if !map.is_empty() => self.map(item, indent + 2, true),
                Value::List(list) if !list.is_empty() => self.list(item, indent + 2, true),
                item => self.scalar(
                    item,
                    Place {
                        indent: indent + 2,
                        key: false,
                    },
                ),
            }
        }
    }

    fn scalar(&mut self, value: &Value, place: Place) {
        match value {
            Value::Null => self.push("null"),
            Value::Bool(truth) => self.push(if *truth { "true" } else { "false" }),
            Value::Number(number) => self.push(&yaml_number(*number)),
            Value::Text(text) => self.text(text, place),
            Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => self.text(text, place),
                Err(_) => {
                    self.push("!!binary ");
                    self.push(&base64::engine::general_purpose::STANDARD.encode(bytes));
                }
            },
            Value::Lines(_) | Value::List(_) => self.push("[]"),
            Value::Map(_) => self.push("{}"),
        }
    }
}

/// Go-yaml's order of keys: numbers inside a key compare as numbers, letters come last.
fn natural(a: &str, b: &str) -> Ordering {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    for i in 0..a.len().min(b.len()) {
        if a[i] == b[i] {
            continue;
        }
        let (a_letter, b_letter) = (a[i].is_alphabetic(), b[i].is_alphabetic());
        if a_letter != b_letter {
            return if b_letter {
                Ordering::Less
            } else {
                Ordering::Greater
            };
        }
        if !a_letter {
            let ahead = a[i] == '0' || b[i] == '0';
            let nonzero = ahead
                && a[..i]
                    .iter()
                    .rev()
                    .take_while(|c| c.is_ascii_digit())
                    .any(|c| *c != '0');
            let (a_number, a_end) = number(&a, i, nonzero);
            let (b_number, b_end) = number(&b, i, nonzero);
            let order = a_number.cmp(&b_number).then(a_end.cmp(&b_end));
            if order != Ordering::Equal {
                return order;
            }
        }
        return a[i].cmp(&b[i]);
    }
    a.len().cmp(&b.len())
}

fn number(text: &[char], start: usize, nonzero: bool) -> (u64, usize) {
    let mut value = u64::from(nonzero);
    let mut end = start;
    while let Some(digit) = text.get(end).and_then(|c| c.to_digit(10)) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        end += 1;
    }
    (value, end)
}
