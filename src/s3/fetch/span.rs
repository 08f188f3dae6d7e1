//! Ranges of bytes as HTTP writes them; pure.

use std::ops::Range;

/// The text that asks for a range, which is not empty.
pub(super) fn asked(span: &Range<u64>) -> String {
    format!("bytes={}-{}", span.start, span.end.saturating_sub(1))
}

/// What a `Content-Range` tells of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContentRange {
    /// The bytes that came.
    pub(super) span: Range<u64>,
    /// The object's size.
    pub(super) total: u64,
}

impl ContentRange {
    /// Reads `bytes first-last/total`; nothing for any other form, and for one that contradicts itself.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (unit, rest) = text.trim().split_once(' ')?;
        let (span, total) = rest.trim().split_once('/')?;
        let (first, last) = span.split_once('-')?;
        let (first, last, total) = (number(first)?, number(last)?, number(total)?);
        let sound = unit.eq_ignore_ascii_case("bytes") && first <= last && last < total;
        sound.then(|| Self {
            span: first..last + 1,
            total,
        })
    }
}

/// Digits and nothing else: no sign, which the standard library would take.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_range_of_known_bytes_tells_nothing() {
        for text in [
            "",
            "bytes",
            "bytes */0",
            "bytes 0-9/*",
            "bytes 0-9",
            "bytes 9-0/10",
            "bytes 0-10/10",
            "bytes +0-9/10",
            "bytes -1/10",
            "lines 0-9/10",
            "bytes 0-18446744073709551615/18446744073709551615",
            "bytes 0-18446744073709551616/18446744073709551617",
        ] {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_range_is_read_as_it_was_written(first in any::<u64>(), length in 1..1_u64 << 40, rest in 0..1_u64 << 40) {
            let first = first >> 2;
            let span = first..first + length;
            let total = span.end + rest;
            let text = asked(&span).replace('=', " ") + &format!("/{total}");
            prop_assert_eq!(ContentRange::parse(&text), Some(ContentRange { span, total }));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = ContentRange::parse(&text);
        }
    }
}
