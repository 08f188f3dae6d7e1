//! Every error, as an operator meets it: one line that says what is wrong and what to do.

mod restore;

use std::error::Error;
use std::fmt;

use crate::backup::{CatalogueError, CreateError, FormatError, RestoreError};
use crate::juju::ToolError;
use crate::openpgp::OpenError;
use crate::pebble::{ExecError, PebbleError};
use crate::s3::{self, S3Error};
use crate::synapse::data::{PostgresError, SnapshotError};
use crate::synapse::register::{RegisterError, UsernameError};

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The operator has to change something.
    Operator,
    /// It passes by itself, or with the next event.
    Waiting,
    /// The world or this program is broken; the log says more.
    Fault,
}

/// A failure of an action.
///
/// Displayed: the Python charm's leading phrase, if it has one, the cause, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    /// A stable word for scripts, the action result `error-code`.
    pub(crate) code: &'static str,
    lead: &'static str,
    cause: String,
    hint: String,
    /// What did not happen, in a sentence of its own behind the others; may be empty.
    note: &'static str,
}

impl Failure {
    pub(crate) fn new(
        kind: Kind,
        code: &'static str,
        cause: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            code,
            lead: "",
            cause: cause.into(),
            hint: hint.into(),
            note: "",
        }
    }

    /// Puts a leading phrase before the cause.
    pub(crate) fn led_by(self, lead: &'static str) -> Self {
        Self { lead, ..self }
    }

    /// Puts a leading phrase before a cause that has none.
    pub(crate) fn or_led_by(self, lead: &'static str) -> Self {
        match self.lead {
            "" => self.led_by(lead),
            _ => self,
        }
    }

    /// Puts a sentence behind everything else.
    pub(crate) fn followed_by(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    /// What is wrong, as a fragment for a status.
    pub(crate) fn cause(&self) -> &str {
        &self.cause
    }

    /// What to do about it, as a fragment.
    pub(crate) fn hint(&self) -> &str {
        &self.hint
    }

    /// Several findings as one failure, under the first one's code; a leading phrase that they share is told once.
    pub(crate) fn all(findings: Vec<Self>) -> Option<Self> {
        let first = findings.first()?.clone();
        if findings.len() == 1 {
            return Some(first);
        }
        let mut lead = "";
        let mut texts = Vec::new();
        for finding in findings {
            let shown = if finding.lead == lead {
                ""
            } else {
                finding.lead
            };
            lead = finding.lead;
            texts.push(finding.led_by(shown).to_string());
        }
        Some(Self {
            lead: "",
            cause: texts.join(" "),
            hint: String::new(),
            ..first
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.lead.is_empty() {
            parts.push(self.lead.to_owned());
        }
        for sentence in [&self.cause, &self.hint] {
            if !sentence.is_empty() {
                parts.push(sentence_of(sentence));
            }
        }
        if !self.note.is_empty() {
            parts.push(self.note.to_owned());
        }
        formatter.write_str(&parts.join(" "))
    }
}

/// A fragment as a sentence: a capital, a full stop. A name or a command keeps its first letter.
fn sentence_of(fragment: &str) -> String {
    let word = fragment.split_whitespace().next().unwrap_or_default();
    let mut letters = fragment.chars();
    let first: String = match word != "juju" && word.chars().all(char::is_alphabetic) {
        true => letters
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .collect(),
        false => letters.next().into_iter().collect(),
    };
    let stop = if fragment.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{first}{}{stop}", letters.as_str())
}

/// An error and what caused it, on one line; a cause that its error already tells is left out.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// The error in a chain that is of type `E`.
pub(crate) fn within<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// What Pebble said, by itself or about a command.
fn pebble<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a PebbleError> {
    match within::<ExecError>(error) {
        Some(ExecError::Pebble(error)) => Some(error),
        Some(_) | None => within::<PebbleError>(error),
    }
}

/// Sorts any error of the rooms below.
pub(crate) fn sort(error: &(dyn Error + 'static)) -> Failure {
    // These speak with the voice of what is in them, which for that reason is not found in the chain.
    if let Some(RestoreError::Catalogue(inner)) = within(error) {
        return sort(inner);
    }
    if let Some(RestoreError::Format(inner)) = within(error) {
        return sort(inner);
    }
    let cause = chain(error);
    if let Some(RestoreError::Download {
        source: S3Error::NotFound { .. },
        ..
    }) = within(error)
    {
        return Failure::new(Kind::Operator, "volume-missing", cause, restore::DAMAGED);
    }
    if let Some(error) = within::<S3Error>(error) {
        return Failure::new(Kind::Operator, store_code(error), cause, error.hint());
    }
    if let Some(error) = within::<OpenError>(error) {
        let hint = match error {
            OpenError::WrongPassphrase => {
                "add the passphrase that the backup was made with to backup_old_passphrases"
            }
            OpenError::Read(_) => "see the cause, then try again",
            _ => "the backup is damaged or not one of this charm: restore another one",
        };
        return Failure::new(Kind::Operator, "decryption-failed", cause, hint);
    }
    if let Some(CatalogueError::Absent(_)) = within(error) {
        let hint = "list-backups shows which exist";
        return Failure::new(Kind::Operator, "backup-not-found", cause, hint);
    }
    if let Some(CatalogueError::Protected { .. }) = within(error) {
        let hint = "when it may go, run unprotect-backup first";
        return Failure::new(Kind::Operator, "backup-protected", cause, hint);
    }
    if let Some(error) = pebble(error) {
        if error.is_connection() {
            let hint = "wait until the unit is active, then try again";
            return Failure::new(Kind::Waiting, "container-not-ready", cause, hint);
        }
        return Failure::new(Kind::Fault, "workload-failed", cause, "see juju debug-log");
    }
    if within::<ExecError>(error).is_some() {
        return Failure::new(
            Kind::Fault,
            "workload-failed",
            cause,
            "see juju debug-log, and check the room on the data volume",
        );
    }
    if let Some(error) = within::<RestoreError>(error)
        && let Some((kind, code, hint)) = restore::sort(error)
    {
        return Failure::new(kind, code, cause, hint);
    }
    if let (Some(error), None) = (within::<FormatError>(error), within::<CreateError>(error)) {
        let (code, hint) = match error {
            FormatError::Newer { .. } => (
                "format-newer",
                "refresh the charm to the version that made it",
            ),
            FormatError::Malformed { .. }
            | FormatError::Foreign { .. }
            | FormatError::Misplaced { .. }
            | FormatError::TooLarge { .. }
            | FormatError::Unbound => (
                "backup-unreadable",
                "restore another one: list-backups shows which exist",
            ),
        };
        return Failure::new(Kind::Operator, code, cause, hint);
    }
    if within::<UsernameError>(error).is_some() {
        return Failure::new(
            Kind::Operator,
            "username-invalid",
            cause,
            "choose another user name",
        );
    }
    if let Some(error) = within::<RegisterError>(error) {
        let (kind, code, hint) = match error {
            RegisterError::Exists(_) => (Kind::Operator, "user-exists", "choose another user name"),
            RegisterError::Username { .. } => (
                Kind::Operator,
                "username-invalid",
                "choose another user name",
            ),
            RegisterError::Secret => (Kind::Fault, "registration-refused", "see juju debug-log"),
            RegisterError::Api(_) => {
                let hint = "wait until the unit is active, then try again";
                (Kind::Waiting, "synapse-not-answering", hint)
            }
        };
        return Failure::new(kind, code, cause, hint);
    }
    if let Some(PostgresError::Refused(_)) = within(error) {
        let hint = "see whether PostgreSQL is active: juju status";
        return Failure::new(Kind::Operator, "database-unreachable", cause, hint);
    }
    if within::<SnapshotError>(error).is_some() {
        return Failure::new(Kind::Fault, "snapshot-failed", cause, "see juju debug-log");
    }
    let code = match (
        within::<CreateError>(error),
        within::<RestoreError>(error),
        within::<ToolError>(error),
    ) {
        (Some(_), ..) => "create-failed",
        (_, Some(_), _) => "restore-failed",
        (_, _, Some(_)) => "agent-failed",
        (None, None, None) => "failed",
    };
    Failure::new(Kind::Fault, code, cause, "see juju debug-log")
}

/// A stable word for what a store did.
fn store_code(error: &S3Error) -> &'static str {
    match error {
        S3Error::BucketMissing { .. } => "bucket-missing",
        S3Error::AccessDenied { .. } => "access-denied",
        S3Error::KeyUnknown { .. } => "access-key-unknown",
        S3Error::SignatureMismatch { .. } => "secret-key-wrong",
        S3Error::Dns { .. } => "name-unresolved",
        S3Error::Unreachable { .. } => "store-unreachable",
        S3Error::Tls { .. } => "tls-untrusted",
        S3Error::TimedOut { .. } => "store-timed-out",
        S3Error::WrongRegion { .. } => "region-wrong",
        S3Error::Redirected { .. } => "store-elsewhere",
        S3Error::ClockSkew { .. } => "clock-skew",
        S3Error::NotS3 { .. } | S3Error::Endless { .. } => "not-s3",
        S3Error::Replaced { .. } => "object-replaced",
        S3Error::NotFound { .. }
        | S3Error::Refused { .. }
        | S3Error::Interrupted { .. }
        | S3Error::Truncated { .. }
        | S3Error::RangeAltered { .. }
        | S3Error::PartAltered { .. }
        | S3Error::Untagged { .. }
        | S3Error::SizeAltered { .. }
        | S3Error::TooLarge { .. }
        | S3Error::UploadFailed { .. } => "store-failed",
    }
}

/// The findings of checking the relation's data.
pub(crate) fn parameters(problems: &[s3::Problem]) -> Failure {
    let findings: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let hints: Vec<&str> = problems
        .iter()
        .map(|problem| problem.hint.as_str())
        .collect();
    Failure::new(
        Kind::Operator,
        "s3-configuration-invalid",
        findings.join("; "),
        hints.join("; "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_reads_as_lead_cause_and_remedy() {
        let failure = Failure::new(Kind::Operator, "x", "secret-key is missing", "set it")
            .led_by("Wrong S3 configuration.");
        assert_eq!(
            failure.to_string(),
            "Wrong S3 configuration. secret-key is missing. Set it."
        );
    }

    #[test]
    fn several_findings_are_all_told() {
        let finding = |text: &str| Failure::new(Kind::Operator, "first", text, "");
        let all = Failure::all(vec![finding("one"), finding("two")]);
        assert_eq!(all.map(|all| all.to_string()).as_deref(), Some("One. Two."));
        assert_eq!(Failure::all(Vec::new()), None);
    }
}
