//! Synapse's own secrets: made once, kept in files on the data volume, in nothing else.
//!
//! Files, because arguments and environments can be seen by others and `homeserver.yaml` is read by people. They are
//! made when the volume has none and never changed again: sessions, links in mails and federation depend on them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{GID, ServerName, UID};

/// The key that signs access tokens and the like.
pub const MACAROON_SECRET: &str = "/data/macaroon.secret";
/// The key that protects forms against forgery.
pub const FORM_SECRET: &str = "/data/form.secret";
/// Who holds this may register users; `register-user` reads it.
pub const REGISTRATION_SECRET: &str = "/data/registration.secret";

/// The mode of a secret's file: for its owner only.
pub const MODE: u16 = 0o600;

/// A file that is still to be written. Its `Debug` does not show what is in it.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// The absolute path in the workload.
    pub path: String,
    /// What it holds.
    pub contents: SecretString,
    /// Its mode.
    pub mode: u16,
    /// Its owner.
    pub user_id: u32,
    /// Its group.
    pub group_id: u32,
}

/// Tells which secrets a server lacks, with fresh contents for them.
///
/// `existing` are the names (or paths) of the files on the data volume that are not empty. `fill` fills a buffer with
/// randomness; it fails in the product only where the system has none.
pub fn missing<E>(
    server_name: &ServerName,
    existing: &[&str],
    mut fill: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<Vec<NewFile>, E> {
    let mut files = Vec::new();
    for path in [MACAROON_SECRET, FORM_SECRET, REGISTRATION_SECRET] {
        if !is_among(path, existing) {
            files.push(new_file(path.to_owned(), random_text(&mut fill)?));
        }
    }
    let path = server_name.signing_key_path();
    if !is_among(&path, existing) {
        files.push(new_file(path, signing_key(&mut fill)?));
    }
    Ok(files)
}

/// Makes a text of 43 characters that holds 256 bits of chance and is fit for URLs, shells and YAML.
pub fn random_text<E>(mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<SecretString, E> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    fill(bytes.as_mut())?;
    Ok(URL_SAFE_NO_PAD.encode(*bytes).into())
}

/// Makes a signing key as Synapse's own tool writes it: algorithm, version, seed.
fn signing_key<E>(fill: &mut impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<SecretString, E> {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ab";
    // A new name for a new key: other servers cache keys by it, so one name must never mean two keys.
    let mut name = [0_u8; 6];
    fill(&mut name)?;
    let name: String = name
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 64)]))
        .collect();
    let mut seed = Zeroizing::new([0_u8; 32]);
    fill(seed.as_mut())?;
    let seed = Zeroizing::new(STANDARD_NO_PAD.encode(*seed));
    Ok(format!("ed25519 a_{name} {}\n", seed.as_str()).into())
}

fn is_among(path: &str, existing: &[&str]) -> bool {
    let name = path.rsplit('/').next();
    existing.iter().any(|file| file.rsplit('/').next() == name)
}

fn new_file(path: String, contents: SecretString) -> NewFile {
    NewFile {
        path,
        contents,
        mode: MODE,
        user_id: UID,
        group_id: GID,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use std::convert::Infallible;

    use secrecy::ExposeSecret;

    use super::*;

    /// Bytes that count up, so that texts are always the same and no two alike.
    fn counting() -> impl FnMut(&mut [u8]) -> Result<(), Infallible> {
        let mut next = 0_u8;
        move |bytes| {
            for byte in bytes {
                *byte = next;
                next = next.wrapping_add(1);
            }
            Ok(())
        }
    }

    fn name() -> ServerName {
        ServerName::parse("example.org").unwrap()
    }

    #[test]
    fn a_fresh_volume_gets_all_four() {
        let files = missing(&name(), &["lost+found"], counting()).unwrap();
        let text: Vec<String> = files
            .iter()
            .map(|file| {
                assert_eq!((file.mode, file.user_id, file.group_id), (0o600, 991, 991));
                format!("{}: {}", file.path, file.contents.expose_secret())
            })
            .collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        /data/macaroon.secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8
        /data/form.secret: ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8
        /data/registration.secret: QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8
        /data/example.org.signing.key: ed25519 a_GHIJKL ZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn+AgYKDhIU
        ");
    }

    #[test]
    fn what_is_there_is_never_made_again() {
        let existing = [
            "macaroon.secret",
            "/data/form.secret",
            "example.org.signing.key",
        ];
        let files = missing(&name(), &existing, counting()).unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, [REGISTRATION_SECRET]);
        let all = [&existing[..], &["registration.secret"]].concat();
        assert!(missing(&name(), &all, counting()).unwrap().is_empty());
    }

    #[test]
    fn without_chance_no_secret_is_made() {
        let files = missing(&name(), &[], |_| Err("no chance"));
        assert_eq!(files.unwrap_err(), "no chance");
    }

    #[test]
    fn debug_does_not_show_the_contents() {
        let files = missing(&name(), &[], counting()).unwrap();
        let shown = format!("{files:?}");
        assert!(shown.contains("/data/macaroon.secret"));
        assert!(
            files
                .iter()
                .all(|file| !shown.contains(file.contents.expose_secret().trim_end()))
        );
    }
}
