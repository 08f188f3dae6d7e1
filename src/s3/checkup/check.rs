//! What is found: items, verdicts and remedies as values.

use std::fmt;

use tokio::sync::mpsc;

use crate::s3::error::S3Error;

/// The items in the order in which they are told.
pub const ITEMS: [&str; 32] = [
    "proxy",
    "dns",
    "tcp",
    "tls",
    "answer",
    "clock",
    "credentials",
    "region",
    "style",
    "bucket",
    "put",
    "get",
    "list",
    "delete",
    "multipart",
    "list-parts",
    "abort",
    "list-uploads",
    "list-version",
    "conditional-put",
    "checksum-crc64nvme",
    "checksum-crc32c",
    "checksum-md5",
    "part-limit",
    "object-lock",
    "versioning",
    "lifecycle",
    "storage-class",
    "latency",
    "upload-rate",
    "download-rate",
    "left-behind",
];

/// One item and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The item, one of [`ITEMS`].
    pub name: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found, or why nothing was asked.
    pub what: String,
    /// What would mend it.
    pub remedies: Vec<Remedy>,
}

/// How an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// Backups work, and somebody should know.
    Warn,
    /// Backups do not work, or not reliably.
    Fail,
    /// Not asked.
    Skipped,
}

/// What would mend an item. The texts fit into a command or behind "to mend it:".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Another setting at the relation's provider.
    Set {
        /// The key, as in the relation's data.
        key: &'static str,
        /// Its value, or a placeholder.
        value: String,
    },
    /// A permission that the key lacks, as a policy of AWS names it.
    Allow {
        /// The action, such as `s3:PutObject`.
        action: &'static str,
        /// The resource, such as `arn:aws:s3:::bucket/path/*`.
        resource: String,
    },
    /// Other credentials at the relation's provider.
    Credentials,
    /// The model's proxy settings; the host that should be reached.
    Proxy(String),
    /// In words.
    Advice(String),
}

impl Verdict {
    /// One word for it, as scripts read it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skipped => "not checked",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Remedy {
    /// A setting.
    pub(super) fn set(key: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        Self::Set { key, value }
    }

    /// Words.
    pub(super) fn advice(text: impl Into<String>) -> Self {
        Self::Advice(text.into())
    }

    /// What mends an error of the store.
    pub(super) fn of(error: &S3Error) -> Self {
        match error {
            S3Error::KeyUnknown { .. } | S3Error::SignatureMismatch { .. } => Self::Credentials,
            S3Error::WrongRegion {
                expected: Some(name),
                ..
            } => Self::set("region", name),
            error => Self::Advice(error.hint()),
        }
    }
}

/// Why nothing more is asked.
#[derive(Debug)]
pub(super) struct Stop(pub(super) String);

impl Stop {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// The findings so far.
#[derive(Debug)]
pub(super) struct Report {
    told: mpsc::Sender<Check>,
    checks: Vec<Check>,
}

impl Report {
    pub(super) fn new(told: mpsc::Sender<Check>) -> Self {
        let checks = Vec::with_capacity(ITEMS.len());
        Self { told, checks }
    }

    pub(super) fn pass(&mut self, name: &'static str, what: impl Into<String>) {
        self.note(name, Verdict::Pass, what.into(), Vec::new());
    }

    pub(super) fn warn(
        &mut self,
        name: &'static str,
        what: impl Into<String>,
        remedies: Vec<Remedy>,
    ) {
        self.note(name, Verdict::Warn, what.into(), remedies);
    }

    pub(super) fn fail(
        &mut self,
        name: &'static str,
        what: impl Into<String>,
        remedies: Vec<Remedy>,
    ) {
        self.note(name, Verdict::Fail, what.into(), remedies);
    }

    pub(super) fn skip(&mut self, name: &'static str, why: impl Into<String>) {
        self.note(name, Verdict::Skipped, why.into(), Vec::new());
    }

    /// Tells of all items that were not asked why they were not.
    pub(super) fn skip_all_but(&mut self, why: &str, but: &[&str]) {
        for name in ITEMS {
            if !but.contains(&name) && self.of(name).is_none() {
                self.skip(name, why);
            }
        }
    }

    /// The verdict of an item, once there is one.
    pub(super) fn of(&self, name: &str) -> Option<Verdict> {
        let check = self.checks.iter().find(|check| check.name == name);
        check.map(|check| check.verdict)
    }

    /// Whether an item is as it should be, as far as Backups go.
    pub(super) fn is_well(&self, name: &str) -> bool {
        matches!(self.of(name), Some(Verdict::Pass | Verdict::Warn))
    }

    /// Keeps a finding; the first one of an item counts.
    pub(super) fn note(
        &mut self,
        name: &'static str,
        verdict: Verdict,
        what: String,
        remedies: Vec<Remedy>,
    ) {
        if self.of(name).is_some() {
            return;
        }
        let check = Check {
            name,
            verdict,
            what,
            remedies,
        };
        tracing::info!(
            item = name,
            verdict = verdict.word(),
            what = check.what,
            "checked"
        );
        // Who does not listen is not waited for.
        let _ = self.told.try_send(check.clone());
        self.checks.push(check);
    }

    /// All findings in order.
    pub(super) fn end(mut self) -> Vec<Check> {
        self.skip_all_but("nobody asked", &[]);
        let place = |name: &str| ITEMS.iter().position(|item| *item == name);
        self.checks.sort_by_key(|check| place(check.name));
        self.checks
    }
}
