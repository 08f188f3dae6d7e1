//! Words that several tools take: `key=value` pairs, names of units and applications, numbers.

use std::collections::BTreeMap;

use super::Fault;

/// Reads `key=value` arguments: trimmed, empty ones ignored, no key twice.
pub(super) fn key_values(args: &[String]) -> Result<BTreeMap<String, String>, Fault> {
    let mut pairs = BTreeMap::new();
    for arg in args
        .iter()
        .map(|arg| arg.trim())
        .filter(|arg| !arg.is_empty())
    {
        let (key, value) = match arg.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => (key.trim(), value.trim()),
            _ => return Err(Fault::Usage(format!("expected \"key=value\", got {arg:?}"))),
        };
        if pairs.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Fault::Usage(format!(
                "key {key:?} specified more than once"
            )));
        }
    }
    Ok(pairs)
}

/// Whether a text is an application's name.
pub(in crate::juju) fn is_application(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    let mut parts = name.split('-');
    let first = parts.next().unwrap_or_default();
    let word = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    starts
        && word(first)
        && parts.all(|part| word(part) && part.bytes().any(|b| b.is_ascii_lowercase()))
}

/// Whether a text is a unit's name, and then its application.
pub(super) fn unit_application(name: &str) -> Option<&str> {
    let (application, number) = name.split_once('/')?;
    (is_application(application) && is_number(number)).then_some(application)
}

pub(in crate::juju) fn is_number(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}
