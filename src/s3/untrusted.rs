//! What others write and this room reads, as bytes of any kind: for the fuzz targets in `tests/fuzz`, and for the test that
//! plays their corpus. It is in no program.

use std::collections::BTreeMap;

use super::error::S3Error;
use super::keys::Keys;
use super::noted;
use super::params::Params;
use super::region;

/// Relation data: a key and its value a line, with the two characters `\n` where the value has a line end.
pub fn relation(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let pair = |line: &str| {
        let (key, value) = line.split_once('=')?;
        Some((key.to_owned(), value.replace("\\n", "\n")))
    };
    let databag: BTreeMap<String, String> = text.lines().filter_map(pair).collect();
    let _ = Keys::read(&databag);
    match Params::parse(&databag) {
        Ok(params) => {
            let shown = format!("{params:?} {} {:?}", params.store(), params.ignored());
            assert!(params.path().split('/').all(|part| part != ".."));
            for secret in params.secrets() {
                let secret = secrecy::ExposeSecret::expose_secret(secret);
                assert!(secret.len() < 8 || !shown.contains(secret) || is_public(&databag, secret));
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                let shown = format!("{problem}: {}", problem.hint);
                assert!(!shown.contains('\n'), "{shown:?} is not one line");
                assert!(shown.len() < 4096, "{} bytes", shown.len());
            }
        }
    }
}

/// Whether a secret is also a value that may be shown, as nobody but a fuzzer writes it.
fn is_public(databag: &BTreeMap<String, String>, secret: &str) -> bool {
    let shown = databag
        .iter()
        .filter(|(key, _)| !key.ends_with("-key") && *key != "session-token");
    let mut shown = shown.flat_map(|(key, value)| [key, value]);
    shown.any(|text| text.contains(secret)) || "Params".contains(secret)
}

/// The answer of a store, as far as this room reads it by itself, and a note of an upload.
pub fn answer(bytes: &[u8]) {
    let (head, body) = bytes.split_at(bytes.len().min(64));
    for header in [None, std::str::from_utf8(head).ok()] {
        if let Some(region) = region::named(header, body) {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            assert!((1..=64).contains(&region.len()) && region.chars().all(plain));
        }
    }
    noted::read_any(bytes);
    let text = String::from_utf8_lossy(bytes).into_owned();
    let error = S3Error::NotFound { key: text };
    assert!(!error.hint().is_empty());
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::path::Path;

    /// Plays the seeds of a fuzz target.
    fn play(target: &str, read: fn(&[u8])) {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        let mut played = 0;
        for entry in fs::read_dir(seeds.join(target)).unwrap() {
            read(&fs::read(entry.unwrap().path()).unwrap());
            played += 1;
        }
        assert!(played > 2, "{target} has {played} seeds");
    }

    #[test]
    fn seeds_of_the_fuzz_targets_are_read_without_a_panic() {
        play("relation", super::relation);
        play("answer", super::answer);
    }
}
