//! How a text is written: plain, quoted once, quoted twice, or as a block.
//!
//! The rules are those of libyaml's emitter at a width of 80, as go-yaml v2 drives it.

use super::{Writer, resolve};

const WIDTH: usize = 80;

/// Where a scalar stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The indent of its further lines.
    pub(super) indent: usize,
    /// True for a key, which must stay on one line.
    pub(super) key: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

impl Writer {
    pub(super) fn text(&mut self, text: &str, place: Place) {
        match style(text, place) {
            Style::Plain => self.plain(text, place),
            Style::Single => self.single(text, place),
            Style::Double => self.double(text, place),
            Style::Literal => self.literal(text, place),
        }
    }

    fn plain(&mut self, text: &str, place: Place) {
        let chars: Vec<char> = text.chars().collect();
        let mut spaces = false;
        for (i, c) in chars.iter().enumerate() {
            let fold = *c == ' '
                && !place.key
                && !spaces
                && self.column > WIDTH
                && chars.get(i + 1) != Some(&' ');
            if fold {
                self.indent(place.indent);
            } else {
                self.push_char(*c);
            }
            spaces = *c == ' ';
        }
    }

    fn single(&mut self, text: &str, place: Place) {
        let chars: Vec<char> = text.chars().collect();
        self.push("'");
        let (mut spaces, mut breaks) = (false, false);
        for (i, c) in chars.iter().enumerate() {
            let inside = i > 0 && i < chars.len() - 1;
            if *c == ' ' {
                let fold = !place.key
                    && !spaces
                    && self.column > WIDTH
                    && inside
                    && chars.get(i + 1) != Some(&' ');
                if fold {
                    self.indent(place.indent);
                } else {
                    self.push_char(' ');
                }
                spaces = true;
            } else if is_break(*c) {
                self.out.push(*c);
                self.column = 0;
                breaks = true;
            } else {
                if breaks {
                    self.indent(place.indent);
                }
                if *c == '\'' {
                    self.push_char('\'');
                }
                self.push_char(*c);
                (spaces, breaks) = (false, false);
            }
        }
        self.push("'");
    }

    fn double(&mut self, text: &str, place: Place) {
        let chars: Vec<char> = text.chars().collect();
        self.push("\"");
        let mut spaces = false;
        for (i, c) in chars.iter().enumerate() {
            if !is_printable(*c) || is_break(*c) || *c == '"' || *c == '\\' {
                self.push(&escape(*c));
                spaces = false;
            } else if *c == ' ' {
                let fold =
                    !place.key && !spaces && self.column > WIDTH && i > 0 && i < chars.len() - 1;
                if fold {
                    self.indent(place.indent);
                    if chars[i + 1] == ' ' {
                        self.push_char('\\');
                    }
                } else {
                    self.push_char(' ');
                }
                spaces = true;
            } else {
                self.push_char(*c);
                spaces = false;
            }
        }
        self.push("\"");
    }

    fn literal(&mut self, text: &str, place: Place) {
        self.push("|");
        if text.starts_with(' ') || text.starts_with(is_break) {
            self.push("2");
        }
        let ends = text.chars().rev().take_while(|c| is_break(*c)).count();
        if ends == 0 {
            self.push("-");
        } else if ends > 1 || ends == text.chars().count() {
            self.push("+");
        }
        self.push("\n");
        let mut breaks = true;
        for c in text.chars() {
            if !is_break(c) && breaks {
                self.indent(place.indent);
            }
            self.push_char(c);
            breaks = is_break(c);
        }
    }
}

fn style(text: &str, place: Place) -> Style {
    let allowed = Allowed::of(text);
    let wanted = if text.contains('\n') {
        Style::Literal
    } else if resolve::is_text(text) {
        Style::Plain
    } else {
        Style::Double
    };
    match wanted {
        Style::Literal if place.key || !allowed.block => Style::Double,
        Style::Plain if !allowed.plain && allowed.single => Style::Single,
        Style::Plain if !allowed.plain => Style::Double,
        style => style,
    }
}

/// Which styles a text's characters allow.
struct Allowed {
    plain: bool,
    single: bool,
    block: bool,
}

impl Allowed {
    fn of(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let is_blank = |c: Option<&char>| c.is_none_or(|c| *c == ' ' || *c == '\t' || is_break(*c));
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut special, mut line_breaks, mut space_break, mut break_space) =
            (false, false, false, false);
        for (i, c) in chars.iter().enumerate() {
            let followed = is_blank(chars.get(i + 1));
            let preceded = i == 0 || is_blank(chars.get(i - 1));
            indicators |= match c {
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"'
                | '%' | '@' | '`'
                    if i == 0 =>
                {
                    true
                }
                '?' | '-' if i == 0 => followed,
                ':' => followed,
                '#' => preceded,
                _ => false,
            };
            special |= !is_printable(*c);
            line_breaks |= is_break(*c);
            if i > 0 {
                break_space |= *c == ' ' && is_break(chars[i - 1]);
                space_break |= is_break(*c) && chars[i - 1] == ' ';
            }
        }
        let edge = |c: Option<&char>| c.is_some_and(|c| *c == ' ' || is_break(*c));
        let edges = edge(chars.first()) || edge(chars.last());
        let bad = space_break || special;
        Allowed {
            plain: !(edges || break_space || bad || line_breaks || indicators),
            single: !(break_space || bad),
            block: !(bad || chars.last() == Some(&' ')),
        }
    }
}

pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Go-yaml's notion: nothing outside the first plane, no byte order mark, no tab.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != '\u{feff}'
}

fn escape(c: char) -> String {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        c => {
            return match c as u32 {
                code @ 0..=0xff => format!("\\x{code:02X}"),
                code @ 0x100..=0xffff => format!("\\u{code:04X}"),
                code => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}
