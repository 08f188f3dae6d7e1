//! What a store says, without what it must not repeat; pure.
//!
//! Stores quote in their refusals what they were sent: keys, the header with the signature, whole presigned URLs. None of
//! that may come into a log, a status or a result, in whatever form it was quoted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What stands in the place of something that is not repeated.
pub(super) const WITHHELD: &str = "(withheld)";
/// The digits of a signature; as long are the digests of what is signed.
const SIGNATURE: usize = 64;
/// What is followed by something that lets others in, or tells who we are; in lower case.
const NAMES: [&str; 6] = [
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "signature",
    "credential",
    "awsaccesskeyid",
];

/// The same text without these secrets in any form, without signatures, and without what lets others in.
pub(super) fn redacted<'a>(text: String, secrets: impl Iterator<Item = &'a str>) -> String {
    let text = secrets.fold(text, |text, secret| {
        let forms = [
            secret.to_owned(),
            escaped(secret, true),
            escaped(secret, false),
            secret.replace('&', "&amp;"),
            STANDARD.encode(secret),
        ];
        forms
            .iter()
            .filter(|form| !form.is_empty())
            .fold(text, |text, form| text.replace(form.as_str(), WITHHELD))
    });
    without_digests(&without_values(text))
}

/// A text as it stands in a URL.
fn escaped(text: &str, upper: bool) -> String {
    let escape = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => {
            char::from(byte).to_string()
        }
        byte if upper => format!("%{byte:02X}"),
        byte => format!("%{byte:02x}"),
    };
    text.bytes().map(escape).collect()
}

/// Takes out what stands behind the names of parameters that let others in.
fn without_values(mut text: String) -> String {
    for name in NAMES {
        let mut from = 0;
        while let Some(found) = text.to_ascii_lowercase()[from..].find(name) {
            let behind = from + found + name.len();
            let rest = &text[behind..];
            let equals = ["=", "%3D", "%3d", ": ", ":"];
            let Some(equals) = equals.iter().find(|equals| rest.starts_with(**equals)) else {
                from = behind;
                continue;
            };
            let start = behind + equals.len();
            if text[start..].starts_with(WITHHELD) {
                from = start;
                continue;
            }
            let stop = |c: char| c.is_whitespace() || "&,;\"'<>()".contains(c);
            let end = text[start..]
                .find(stop)
                .map_or(text.len(), |end| start + end);
            text.replace_range(start..end, WITHHELD);
            from = start + WITHHELD.len();
        }
    }
    text
}

/// Takes out digits in hexadecimal that are as many as a signature has, or more.
fn without_digests(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut digits = String::new();
    for letter in text.chars().chain(std::iter::once('\n')) {
        if letter.is_ascii_hexdigit() {
            digits.push(letter);
            continue;
        }
        out.push_str(if digits.len() < SIGNATURE {
            &digits
        } else {
            WITHHELD
        });
        digits.clear();
        out.push(letter);
    }
    // The letter that was put behind the last one.
    out.pop();
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "wJalr/K7MDENG+bPx=Key";

    fn told(text: &str) -> String {
        redacted(text.to_owned(), [SECRET].into_iter())
    }

    #[test]
    fn secret_is_withheld_in_every_form_it_is_quoted_in() {
        insta::assert_snapshot!(told(&format!("plain {SECRET}, in a URL {} or {}, packed {}",
            escaped(SECRET, true), escaped(SECRET, false), STANDARD.encode(SECRET))),
            @"plain (withheld), in a URL (withheld) or (withheld), packed (withheld)");
    }

    #[test]
    fn headers_and_presigned_urls_are_withheld() {
        let digest = "0123456789abcdef".repeat(4);
        insta::assert_snapshot!(told(&format!(
            "GET https://s/b/k?X-Amz-Credential=AKIA%2F20261121&X-Amz-Signature={digest}&x=1 with Authorization: AWS4-HMAC-SHA256 Credential=AKIA/20261121/us, SignedHeaders=host, Signature={digest} and {digest}")),
            @"GET https://s/b/k?X-Amz-Credential=(withheld)&X-Amz-Signature=(withheld)&x=1 with Authorization: AWS4-HMAC-SHA256 Credential=(withheld), SignedHeaders=host, Signature=(withheld) and (withheld)");
    }

    #[test]
    fn other_words_stay() {
        for text in [
            "SignatureDoesNotMatch",
            "The credential is wrong.",
            "etag 25f9e794323b453885f5181f1b624d0b",
            "",
            "ä=ö",
        ] {
            assert_eq!(told(text), text);
        }
    }

    proptest! {
        #[test]
        fn no_text_keeps_the_secret(before in ".{0,40}", after in ".{0,40}", name in prop::sample::select(&NAMES[..])) {
            let text = told(&format!("{before}{SECRET}{after}{name}={SECRET}"));
            prop_assert!(!text.contains(SECRET));
        }
    }
}
