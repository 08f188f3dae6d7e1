//! Whether a bare text would be read as something other than a text.

use serde_json::Value;

/// True when YAML 1.1, as go-yaml v2 reads it, takes the bare text for a text.
pub(super) fn is_text(text: &str) -> bool {
    !is_word(text) && !is_number(text) && !is_timestamp(text) && !is_base_60(text)
}

/// What YAML 1.1, as go-yaml v2 reads it, makes of a bare word; `None` when it is a text.
pub(super) fn bare(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Some(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Some(Value::Bool(false));
        }
        _ => {}
    }
    if !is_number(text) || is_timestamp(text) {
        return None;
    }
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    integer(&plain).or_else(|| plain.parse::<f64>().ok().map(Value::from))
}

fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = radix(digits);
    let number = i64::from_str_radix(&digits, radix).ok()?;
    Some(Value::from(if negative { -number } else { number }))
}

fn radix(digits: &str) -> (String, u32) {
    let lower = digits.to_ascii_lowercase();
    match lower.get(..2) {
        Some("0x") => (lower[2..].to_owned(), 16),
        Some("0b") => (lower[2..].to_owned(), 2),
        Some("0o") => (lower[2..].to_owned(), 8),
        _ if lower.len() > 1 && lower.starts_with('0') => (lower[1..].to_owned(), 8),
        _ => (lower, 10),
    }
}

fn is_word(text: &str) -> bool {
    const WORDS: [&str; 40] = [
        "", "~", "null", "Null", "NULL", "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO",
        "true", "True", "TRUE", "false", "False", "FALSE", "on", "On", "ON", "off", "Off", "OFF",
        ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
        "-.Inf", "-.INF", "<<",
    ];
    WORDS.contains(&text)
}

fn is_number(text: &str) -> bool {
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    match text.as_bytes().first() {
        Some(b'0'..=b'9' | b'+' | b'-') => is_integer(&plain) || is_float(&plain),
        Some(b'.') => plain.len() > 1 && is_float(&plain),
        _ => false,
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (digits, radix) = radix(digits);
    !digits.is_empty()
        && digits.chars().all(|c| c.is_digit(radix))
        && u64::from_str_radix(&digits, radix).is_ok()
}

/// `[-+]?[0-9]*\.?[0-9]+([eE][-+][0-9]+)?`: the sign of the exponent must be there.
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or(("", mantissa));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let exponent_good = exponent.is_none_or(|exponent| {
        exponent
            .strip_prefix(['+', '-'])
            .is_some_and(|rest| !rest.is_empty() && digits(rest))
    });
    digits(whole) && !fraction.is_empty() && digits(fraction) && exponent_good
}

/// `2026-01-02`, or the same with a time behind a `T`, a `t` or blanks.
fn is_timestamp(text: &str) -> bool {
    let year = text.bytes().take_while(u8::is_ascii_digit).count();
    if year != 4 || !text[4..].starts_with('-') {
        return false;
    }
    let date_end = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let mut parts = text[..date_end].split('-').skip(1);
    let short = |part: Option<&str>, most: u32| {
        part.is_some_and(|part| {
            matches!(part.len(), 1 | 2)
                && part.parse::<u32>().is_ok_and(|n| (1..=most).contains(&n))
        })
    };
    if !(short(parts.next(), 12) && short(parts.next(), 31) && parts.next().is_none()) {
        return false;
    }
    let time = text[date_end..].trim_start_matches(['T', 't', ' ']);
    date_end == text.len() || (time.contains(':') && time.starts_with(|c: char| c.is_ascii_digit()))
}

/// `1:30` and the like, which older readers take for numbers of base sixty; go-yaml quotes them.
fn is_base_60(text: &str) -> bool {
    let first = text.strip_prefix(['+', '-']).unwrap_or(text);
    let Some((head, rest)) = first.split_once(':') else {
        return false;
    };
    let head_good = !head.is_empty() && head.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let (groups, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let groups_good = groups.split(':').all(|group| {
        matches!(group.len(), 1 | 2)
            && group.bytes().all(|b| b.is_ascii_digit())
            && (group.len() == 1 || group.as_bytes()[0] <= b'5')
    });
    head_good
        && head.as_bytes()[0].is_ascii_digit()
        && groups_good
        && fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}
