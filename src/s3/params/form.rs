//! The databag as a form that is gone through key by key.

use std::collections::BTreeMap;

use super::{Ignored, Problem, UriStyle, shown};
use crate::s3::attributes::Attributes;
use crate::s3::authorities::{self, Authority};
use crate::s3::endpoint::Endpoint;
use crate::s3::keys::{Keys, TOKENS, is_key};

const DEFAULT_REGION: &str = "us-east-1";
const LONGEST_PATH: usize = 512;
/// The keys that are read, besides a session's token.
const READ: [&str; 13] = [
    "access-key",
    "secret-key",
    "bucket",
    "endpoint",
    "region",
    "path",
    "s3-uri-style",
    "s3-api-version",
    "storage-class",
    "attributes",
    "tls-ca-chain",
    "delete-older-than-days",
    "data",
];

/// The databag while it is read, and what was found so far. A value that is wrong is noted and an empty one goes on.
pub(super) struct Form<'a> {
    databag: &'a BTreeMap<String, String>,
    problems: Vec<Problem>,
    ignored: Vec<Ignored>,
}

impl<'a> Form<'a> {
    pub(super) fn new(databag: &'a BTreeMap<String, String>) -> Self {
        Self {
            databag,
            problems: Vec::new(),
            ignored: Vec::new(),
        }
    }

    /// What does nothing, or all that is wrong.
    pub(super) fn end(mut self) -> Result<Vec<Ignored>, Vec<Problem>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let known = |key: &str| READ.contains(&key) || TOKENS.contains(&key) || is_book(key);
        for key in self.databag.keys().filter(|key| !known(key)) {
            if self.value(key).is_some() {
                self.ignored.push(Ignored {
                    key: shown(key),
                    why: "is ignored: it is not known".to_owned(),
                });
            }
        }
        Ok(self.ignored)
    }

    /// The value of a key, without blanks around it; an empty one counts as absent, as it does to Juju.
    fn value(&self, key: &str) -> Option<&str> {
        self.databag
            .get(key)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    fn problem(&mut self, key: &'static str, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem {
            key,
            what: what.into(),
            hint: hint.into(),
        });
    }

    fn ignore(&mut self, key: &str, why: impl Into<String>) {
        self.ignored.push(Ignored {
            key: key.to_owned(),
            why: why.into(),
        });
    }

    fn missing(&mut self, key: &'static str) {
        self.problem(key, "is missing", format!("set {key} at the S3 integrator"));
    }

    pub(super) fn keys(&mut self) -> Keys {
        let access = self.credential("access-key").unwrap_or_default();
        let secret = self.credential("secret-key").unwrap_or_default();
        for key in ["access-key", "secret-key"] {
            if self.value(key).is_none() {
                self.missing(key);
            }
        }
        let token = TOKENS.iter().find_map(|key| self.credential(key));
        Keys::new(access, secret, token)
    }

    fn credential(&mut self, key: &'static str) -> Option<String> {
        let value = self.value(key)?.to_owned();
        if !is_key(&value) {
            let hint = format!("enter {key} again, without blanks and line ends");
            self.problem(
                key,
                "has a blank or another character that no key has",
                hint,
            );
        }
        Some(value)
    }

    pub(super) fn bucket(&mut self) -> String {
        let bucket = self.value("bucket").unwrap_or_default().to_owned();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if bucket.is_empty() {
            self.missing("bucket");
        } else if bucket.len() > 255 || !bucket.chars().all(allowed) || bucket.starts_with('.') {
            let hint = "give the bucket's bare name; a prefix inside it belongs into path";
            self.problem(
                "bucket",
                format!("is not a bucket's name: {}", shown(&bucket)),
                hint,
            );
        }
        bucket
    }

    pub(super) fn endpoint(&mut self, bucket: &str) -> Option<Endpoint> {
        let Some(text) = self.value("endpoint") else {
            if self.value("region").is_none() {
                let hint = "set endpoint to the store's URL, or region for AWS";
                self.problem("endpoint", "is missing, and so is region", hint);
            }
            return None;
        };
        match Endpoint::parse(text, bucket) {
            Ok(endpoint) => Some(endpoint),
            Err((what, hint)) => {
                self.problem("endpoint", what, hint);
                None
            }
        }
    }

    pub(super) fn region(&mut self, endpoint: Option<&Endpoint>) -> String {
        let Some(region) = self.value("region").map(str::to_owned) else {
            return endpoint
                .and_then(Endpoint::aws_region)
                .unwrap_or(DEFAULT_REGION)
                .to_owned();
        };
        if region.len() > 64
            || !region
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        {
            let what = format!("is not a region's name: {}", shown(&region));
            self.problem("region", what, "give a name as us-east-1, or none");
        }
        region
    }

    pub(super) fn path(&mut self) -> String {
        let text = self.value("path").unwrap_or_default().to_owned();
        let segments: Vec<&str> = text
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect();
        let path = segments.join("/");
        if segments
            .iter()
            .any(|segment| matches!(*segment, "." | ".."))
        {
            self.problem(
                "path",
                format!("has a segment . or ..: {}", shown(&text)),
                "give a plain prefix as backups/synapse",
            );
        } else if path.chars().any(char::is_control) {
            self.problem(
                "path",
                "has a control character",
                "give a plain prefix as backups/synapse",
            );
        } else if path.len() > LONGEST_PATH {
            self.problem(
                "path",
                format!("is longer than {LONGEST_PATH} bytes"),
                "give a shorter prefix",
            );
        }
        path
    }

    pub(super) fn style(&mut self, endpoint: Option<&Endpoint>, bucket: &str) -> UriStyle {
        let wish = self.value("s3-uri-style").map(str::to_ascii_lowercase);
        let wanted = match wish.as_deref() {
            None if endpoint.is_some() => UriStyle::Path,
            None => UriStyle::Host,
            Some("path") => return UriStyle::Path,
            Some("host") => UriStyle::Host,
            Some(other) => {
                let what = format!("is neither path nor host: {}", shown(other));
                self.problem(
                    "s3-uri-style",
                    what,
                    "set s3-uri-style to path or host, or leave it out",
                );
                return UriStyle::Path;
            }
        };
        let Some(obstacle) = no_host_style(endpoint, bucket).filter(|_| wanted == UriStyle::Host)
        else {
            return wanted;
        };
        if wish.is_some() {
            self.ignore(
                "s3-uri-style",
                format!("host is not used, but path: {obstacle}"),
            );
        }
        UriStyle::Path
    }

    pub(super) fn api_version(&mut self) {
        match self
            .value("s3-api-version")
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            None | Some("4" | "v4" | "s3v4") => {}
            Some(other) => {
                let what = format!("is {}, and only 4 is spoken", shown(other));
                self.problem(
                    "s3-api-version",
                    what,
                    "set s3-api-version=4, or leave it out",
                );
            }
        }
    }

    pub(super) fn storage_class(&mut self) -> Option<String> {
        let class = self.value("storage-class")?.to_owned();
        let plain = class
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if !plain || class.len() > 64 {
            let what = format!("is not the name of a class: {}", shown(&class));
            self.problem("storage-class", what, "give a name as STANDARD_IA, or none");
        }
        Some(class)
    }

    pub(super) fn attributes(&mut self) -> Attributes {
        let (attributes, ignored) = Attributes::parse(self.value("attributes").unwrap_or_default());
        for (name, why) in ignored {
            self.ignore(&format!("attribute {name}"), why);
        }
        attributes
    }

    pub(super) fn delete_older_than_days(&mut self) -> Option<u32> {
        let key = "delete-older-than-days";
        let days = self.value(key)?.trim_end_matches(".0").parse();
        let days = days.ok().filter(|days| *days > 0);
        if days.is_none() {
            self.ignore(key, "is ignored: it is not a number of days");
        }
        days
    }

    pub(super) fn authorities(&mut self) -> Vec<Authority> {
        let Some(text) = self.value("tls-ca-chain") else {
            return Vec::new();
        };
        match authorities::parse(text) {
            Ok(authorities) => authorities,
            Err(what) => {
                let hint =
                    "give the certificates of the store's authority in PEM form, or their base64";
                self.problem("tls-ca-chain", what, hint);
                Vec::new()
            }
        }
    }
}

/// Whether a key is of those in which the interface's libraries keep their books.
fn is_book(key: &str) -> bool {
    matches!(key, "lib-version" | "version")
        || key.starts_with("secret-")
        || key.starts_with("requested-")
}

/// Why a bucket cannot be a part of the host's name.
fn no_host_style(endpoint: Option<&Endpoint>, bucket: &str) -> Option<&'static str> {
    let in_dns = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if endpoint.is_some_and(Endpoint::is_address) {
        return Some("endpoint is an address");
    }
    if bucket.contains('.') {
        // No certificate is for it, and without TLS the SDK does not do it either.
        return Some("the bucket's name has dots in it");
    }
    let label = (3..=63).contains(&bucket.len()) && bucket.chars().all(in_dns);
    let ends = [bucket.chars().next(), bucket.chars().last()];
    let fine = label
        && ends
            .iter()
            .all(|end| end.is_some_and(|c| c.is_ascii_alphanumeric()));
    (!fine).then_some("the bucket's name cannot be a part of a host's")
}
