//! The passphrases that the options name: one to seal with, and all that may open.
//!
//! ```text
//! backup_passphrase_secret   a secret with the key `passphrase`; wins      \ current: seals, opens
//! backup_passphrase          plain text                                    /
//! backup_old_passphrases     a secret with any keys                          old: open only
//! ```
//!
//! What is wrong with them is told in the unit's status as soon as it is set, and again by the action that needs them.

mod weak;

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::Charm;
use super::failure::{self, Failure, Kind};
use crate::juju::{Options, SecretContent, SecretError};
use crate::openpgp::{Passphrase, PassphraseError};
use weak::Weakness;

/// The option that holds the passphrase itself.
const PLAIN: &str = "backup_passphrase";
/// The option that names a secret which holds it.
const SECRET: &str = "backup_passphrase_secret";
/// The option that names a secret with passphrases that were used before.
const OLD: &str = "backup_old_passphrases";
/// The key of the passphrase in its secret.
const KEY: &str = "passphrase";

/// The passphrases, as far as they can be had.
pub(super) struct Passphrases {
    /// What backups are sealed with, or why there is none.
    pub(super) current: Result<Arc<Passphrase>, Flaw>,
    /// What older backups may have been sealed with.
    pub(super) old: Vec<Arc<Passphrase>>,
    /// What an operator should know though it hinders nothing, a fragment each.
    pub(super) warnings: Vec<String>,
    /// What of that is about the current passphrase's strength.
    pub(super) weakness: Option<String>,
}

/// Why there is no passphrase to seal with.
pub(super) struct Flaw {
    /// For the action that needs it.
    pub(super) failure: Box<Failure>,
    /// For the status: what to do, as a fragment.
    status: String,
}

impl Passphrases {
    /// Reads what the options name. What cannot be read is a flaw or a warning, never an error.
    pub(super) async fn resolve(charm: &Charm, options: &Options) -> Self {
        let application = charm.application();
        let mut warnings = Vec::new();
        let given = match options.text(SECRET) {
            None => plain(application, options),
            Some(uri) => {
                if options.text(PLAIN).is_some() {
                    warnings.push(format!(
                        "the secret is used: juju config {application} --reset {PLAIN}"
                    ));
                }
                from_secret(charm, uri).await
            }
        };
        let mut weakness = None;
        let current = given.map(|(text, passphrase)| {
            charm.log.conceal(&text);
            let found = Weakness::of(text.expose_secret());
            weakness = found.map(|found| format!("weak passphrase: {}", found.text()));
            Arc::new(passphrase)
        });
        warnings.extend(weakness.clone());
        let mut old = Vec::new();
        if let Some(uri) = options.text(OLD) {
            match charm.tools.secret_get(uri).await {
                Ok(content) => {
                    content.values().for_each(|text| charm.log.conceal(text));
                    older(&content, &mut old, &mut warnings);
                }
                Err(error) => warnings.push(unreadable(application, OLD, uri, error).status),
            }
        }
        Self {
            current,
            old,
            warnings,
            weakness,
        }
    }

    /// All that may open a backup, the current one first.
    pub(super) fn all(&self) -> Vec<Arc<Passphrase>> {
        self.current.iter().chain(&self.old).cloned().collect()
    }

    /// What a backup may be opened with: also the older ones alone, when there is no current one.
    pub(super) fn opening(self) -> Result<Vec<Arc<Passphrase>>, Flaw> {
        match self.current {
            Ok(current) => Ok([vec![current], self.old].concat()),
            Err(_) if !self.old.is_empty() => Ok(self.old),
            Err(flaw) => Err(flaw),
        }
    }

    /// What the status says of them: what to do, a fragment each.
    pub(super) fn notes(&self) -> Vec<String> {
        let flaw = self.current.as_ref().err().map(|flaw| flaw.status.clone());
        flaw.into_iter().chain(self.warnings.clone()).collect()
    }
}

type Given = Result<(SecretString, Passphrase), Flaw>;

/// The passphrase in plain text.
fn plain(application: &str, options: &Options) -> Given {
    let set = format!("juju config {application} {PLAIN}=<passphrase>");
    let flawed = |error: Option<PassphraseError>| {
        let cause = error.map(|error| error.to_string()).unwrap_or_default();
        let hint = format!("set one line: {set}");
        let failure = Failure::new(Kind::Operator, "passphrase-missing", cause, hint);
        Flaw {
            failure: Box::new(failure.led_by("Missing backup_passphrase config option.")),
            status: match error {
                None | Some(PassphraseError::Empty) => set.clone(),
                Some(error) => format!("{PLAIN} {}", fault(error)),
            },
        }
    };
    let text = options.secret(PLAIN).ok_or_else(|| flawed(None))?;
    let passphrase = Passphrase::parse(&text).map_err(|error| flawed(Some(error)))?;
    Ok((text, passphrase))
}

/// The passphrase in a secret.
async fn from_secret(charm: &Charm, uri: &str) -> Given {
    let application = charm.application();
    let read = charm.tools.secret_get(uri).await;
    let mut content = read.map_err(|error| unreadable(application, SECRET, uri, error))?;
    let set = format!("juju update-secret {} {KEY}#file=<file>", id(uri));
    let text = content.remove(KEY).ok_or_else(|| Flaw {
        failure: Box::new(Failure::new(
            Kind::Operator,
            "secret-without-passphrase",
            format!("the secret of {SECRET} has no key {KEY}"),
            format!("set it: {set}"),
        )),
        status: format!("the secret has no key {KEY}: {set}"),
    })?;
    match Passphrase::parse(&text) {
        Ok(passphrase) => Ok((text, passphrase)),
        Err(error) => Err(Flaw {
            failure: Box::new(Failure::new(
                Kind::Operator,
                "passphrase-invalid",
                error.to_string(),
                format!("set one line: {set}"),
            )),
            status: format!("the passphrase in the secret {}", fault(error)),
        }),
    }
}

/// The passphrases of earlier days.
fn older(content: &SecretContent, old: &mut Vec<Arc<Passphrase>>, warnings: &mut Vec<String>) {
    for (key, text) in content {
        match Passphrase::parse(text) {
            Ok(passphrase) => old.push(Arc::new(passphrase)),
            Err(error) => warnings.push(format!("{key} of {OLD} {}", fault(error))),
        }
    }
}

/// Why a secret that an option names cannot be read.
fn unreadable(application: &str, option: &str, uri: &str, error: SecretError) -> Flaw {
    let grant = format!("juju grant-secret {} {application}", id(uri));
    let set = format!("juju config {application} {option}=secret:<id>");
    let (code, cause, hint, status) = match &error {
        SecretError::NotGranted { .. } => (
            "secret-not-granted",
            format!("{application} may not read the secret of {option}"),
            format!("run {grant}"),
            grant,
        ),
        SecretError::NotFound { .. } => (
            "secret-not-found",
            format!("there is no secret {uri}, which {option} names"),
            format!("juju secrets lists them; run {set}"),
            format!("the secret of {option} does not exist"),
        ),
        SecretError::NotUri { .. } => (
            "secret-invalid",
            format!("{option} is {uri}, which is not the URI of a secret"),
            format!("juju secrets lists them; run {set}"),
            set,
        ),
        SecretError::Tool(error) => {
            return Flaw {
                failure: Box::new(failure::sort(error)),
                status: format!("{option} cannot be read, see juju debug-log"),
            };
        }
    };
    Flaw {
        failure: Box::new(Failure::new(Kind::Operator, code, cause, hint)),
        status,
    }
}

/// The id of a secret, as commands take it.
fn id(uri: &str) -> &str {
    uri.rsplit([':', '/']).next().unwrap_or(uri)
}

/// What is wrong with a passphrase, as a fragment behind its name.
fn fault(error: PassphraseError) -> &'static str {
    match error {
        PassphraseError::Empty => "is empty",
        PassphraseError::SeveralLines => "has more than one line",
        PassphraseError::CarriageReturn => "has a carriage return: save it with Unix line ends",
        PassphraseError::Nul => "has a NUL character",
    }
}
