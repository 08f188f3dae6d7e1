//! Letters that nobody can foresee, from the kernel.

use std::fs;

/// Thirty-two hexadecimal digits.
pub(crate) fn digits() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    text.chars().filter(char::is_ascii_hexdigit).collect()
}
