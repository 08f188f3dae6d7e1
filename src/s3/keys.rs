//! The keys to a store, which may be replaced while a backup is under way.
//!
//! Whoever issues keys may rotate them at any time. A bucket therefore asks for its keys before each request, and when a
//! store that took them before refuses them, they are read anew, once, before the request is sent again.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_sdk_s3::config::{Credentials, ProvideCredentials};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::redact::redacted;

/// How long keys are not read anew after that had brought the same ones.
const FRUITLESS: Duration = Duration::from_secs(60);
/// The names under which a session token is given.
pub(super) const TOKENS: [&str; 3] = ["session-token", "security-token", "token"];

/// An access key, its secret, and the token of a session where they are lent for a time.
#[derive(Clone)]
pub struct Keys {
    access: SecretString,
    secret: SecretString,
    token: Option<SecretString>,
}

/// Reads the keys anew: the newest ones, or nothing when they cannot be read.
pub type Renew = dyn Fn() -> Pin<Box<dyn Future<Output = Option<Keys>> + Send>> + Send + Sync;

impl Keys {
    /// The keys in a databag or a secret, when both are there and look like keys.
    #[must_use]
    pub fn read(settings: &BTreeMap<String, String>) -> Option<Self> {
        let value = |key: &str| {
            let value = settings.get(key)?.trim();
            is_key(value).then(|| SecretString::from(value))
        };
        Some(Self {
            access: value("access-key")?,
            secret: value("secret-key")?,
            token: TOKENS.iter().find_map(|key| value(key)),
        })
    }

    pub(super) fn new(access: String, secret: String, token: Option<String>) -> Self {
        Self {
            access: access.into(),
            secret: secret.into(),
            token: token.map(SecretString::from),
        }
    }

    /// What must be seen nowhere.
    #[must_use]
    pub fn secrets(&self) -> Vec<&SecretString> {
        [&self.access, &self.secret]
            .into_iter()
            .chain(&self.token)
            .collect()
    }

    fn credentials(&self) -> Credentials {
        let token = self.token.as_ref();
        Credentials::new(
            self.access.expose_secret(),
            self.secret.expose_secret(),
            token.map(|token| token.expose_secret().to_owned()),
            None,
            "relation",
        )
    }

    fn are(&self, other: &Self) -> bool {
        let exposed = |keys: &Self| -> Vec<String> {
            let secrets = keys.secrets().into_iter();
            secrets.map(|key| key.expose_secret().to_owned()).collect()
        };
        exposed(self) == exposed(other)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// Whether a text can be a key: no blanks, no line ends, nothing beyond ASCII.
pub(super) fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())
}

/// The keys of a bucket, and the way to newer ones. All clones of a bucket share it.
#[derive(Clone)]
pub(super) struct Keyring(Arc<Ring>);

struct Ring {
    held: Mutex<Held>,
    renew: OnceLock<Arc<Renew>>,
    /// Only one reads at a time; the others wait for what it finds.
    reading: tokio::sync::Mutex<()>,
}

struct Held {
    /// The keys in use, last; before them all that were in use, because answers may still quote them.
    keys: Vec<Keys>,
    /// Whether the store has taken the keys in use.
    worked: bool,
    /// Whether the keys are to be read anew before the next request.
    doubted: bool,
    /// When reading them anew last brought the same ones.
    fruitless: Option<Instant>,
}

impl Keyring {
    pub(super) fn new(keys: Keys) -> Self {
        Self(Arc::new(Ring {
            held: Mutex::new(Held {
                keys: vec![keys],
                worked: false,
                doubted: false,
                fruitless: None,
            }),
            renew: OnceLock::new(),
            reading: tokio::sync::Mutex::new(()),
        }))
    }

    /// Tells how newer keys are had; the first way stays.
    pub(super) fn renewing(&self, renew: Arc<Renew>) {
        let _ = self.0.renew.set(renew);
    }

    /// Which keys are in use: they are counted.
    pub(super) fn generation(&self) -> usize {
        self.held(|held| held.keys.len())
    }

    /// The store has taken the keys of a generation.
    pub(super) fn worked(&self, generation: usize) {
        self.held(|held| held.worked |= held.keys.len() == generation);
    }

    /// The store has refused keys that it took before, or says that they have `expired`: is another try worth it?
    pub(super) fn refused(&self, generation: usize, expired: bool) -> bool {
        if self.0.renew.get().is_none() {
            return false;
        }
        self.held(|held| {
            if held.keys.len() != generation || held.doubted {
                return true;
            }
            let lately = held.fruitless.is_some_and(|at| at.elapsed() < FRUITLESS);
            held.doubted = (held.worked || expired) && !lately;
            held.doubted
        })
    }

    /// A connection broke under keys that worked: whatever decides about another try, it is made with the newest.
    pub(super) fn broken(&self) {
        let generation = self.generation();
        self.refused(generation, false);
    }

    /// A foreign text without any key that is or was in use.
    pub(super) fn cleared(&self, text: String) -> String {
        self.held(|held| {
            let secrets = held.keys.iter().flat_map(Keys::secrets);
            redacted(text, secrets.map(|secret| secret.expose_secret()))
        })
    }

    /// The keys in use, read anew where they are doubted.
    async fn current(&self) -> Credentials {
        if self.held(|held| held.doubted) {
            let _alone = self.0.reading.lock().await;
            if let Some(renew) = self
                .0
                .renew
                .get()
                .filter(|_| self.held(|held| held.doubted))
            {
                let found = renew().await;
                self.held(|held| held.take(found));
            }
        }
        self.held(|held| held.keys.last().map(Keys::credentials))
            .unwrap_or_else(|| Credentials::new("", "", None, None, "relation"))
    }

    fn held<T>(&self, look: impl FnOnce(&mut Held) -> T) -> T {
        look(&mut self.0.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Held {
    /// Takes what was read; the keys in use stay where it is nothing new.
    fn take(&mut self, found: Option<Keys>) {
        self.doubted = false;
        let known = |keys: &Keys| self.keys.last().is_some_and(|held| held.are(keys));
        match found.filter(|keys| !known(keys)) {
            None => self.fruitless = Some(Instant::now()),
            Some(keys) => {
                tracing::info!("keys of the store read anew");
                self.keys.push(keys);
                self.worked = false;
                self.fruitless = None;
            }
        }
    }
}

impl ProvideCredentials for Keyring {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::new(async { Ok(self.current().await) })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(name: &str) -> Keys {
        Keys::new(name.to_owned(), "planted".to_owned(), None)
    }

    fn ring(next: &'static [&'static str]) -> Keyring {
        let ring = Keyring::new(keys("first"));
        let left = Mutex::new(next.iter());
        ring.renewing(Arc::new(move || {
            let next = left.lock().ok().and_then(|mut left| left.next().copied());
            Box::pin(async move { next.map(keys) })
        }));
        ring
    }

    async fn access(ring: &Keyring) -> String {
        ring.current().await.access_key_id().to_owned()
    }

    #[tokio::test]
    async fn keys_that_worked_and_are_refused_are_read_anew_once() {
        let ring = ring(&["second"]);
        assert!(!ring.refused(1, false), "they never worked");
        ring.worked(1);
        assert!(ring.refused(1, false));
        assert!(ring.refused(1, false), "another part of the same upload");
        assert_eq!(access(&ring).await, "second");
        assert!(
            ring.refused(1, false),
            "a part that went out with the first"
        );
        assert_eq!(access(&ring).await, "second");
        assert!(!ring.refused(2, false), "they never worked, either");
        assert_eq!(
            ring.cleared("first, second".to_owned()),
            "(withheld), (withheld)"
        );
    }

    #[tokio::test]
    async fn keys_that_stay_the_same_are_not_read_again_at_once() {
        let ring = ring(&["first", "second"]);
        ring.worked(1);
        assert!(ring.refused(1, false));
        assert_eq!(access(&ring).await, "first");
        assert!(!ring.refused(1, true));
        assert_eq!(access(&ring).await, "first");
    }

    #[test]
    fn without_a_way_to_newer_keys_a_refusal_stays_one() {
        let ring = Keyring::new(keys("first"));
        ring.worked(1);
        assert!(!ring.refused(1, true));
    }

    #[test]
    fn keys_show_nothing() {
        let settings = BTreeMap::from(
            ["access-key", "secret-key", "session-token"]
                .map(|key| (key.to_owned(), "planted".to_owned())),
        );
        let read = Keys::read(&settings);
        assert_eq!(read.as_ref().map(|keys| keys.secrets().len()), Some(3));
        assert!(!format!("{read:?}").contains("planted"));
    }
}
