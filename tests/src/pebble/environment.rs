//! The daemon's own environment, which all that it starts inherits.

use std::collections::BTreeMap;
use std::env;

/// The whole of it; what is no text is left out.
pub(crate) fn own() -> BTreeMap<String, String> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// One variable; none when it is missing or empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
