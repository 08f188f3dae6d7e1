//! Relation data to checked parameters; pure.
//!
//! The databag is the one of the `s3` interface, version 0: one string a key, an absent key meaning "not set". Values
//! come from people, so everything that is wrong is found in one go and each finding names its key.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;

use super::authorities::{self, Authority};
use super::endpoint::Endpoint;

const DEFAULT_REGION: &str = "us-east-1";
const LONGEST_PATH: usize = 512;

/// Where the backups go and with which credentials, checked.
///
/// Holds: credentials, bucket and region are not empty and have no blanks; `path` has neither a leading nor a trailing
/// slash, no empty segment and no `.` or `..`; every certificate can serve as a trust anchor.
#[derive(Clone)]
pub struct Params {
    access_key: SecretString,
    secret_key: SecretString,
    bucket: String,
    endpoint: Option<Endpoint>,
    region: String,
    path: String,
    style: UriStyle,
    authorities: Vec<Authority>,
}

/// How a bucket is addressed: in the path of the URL, or as a part of its host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UriStyle {
    /// `https://endpoint/bucket/key`, which every store understands.
    Path,
    /// `https://bucket.endpoint/key`, which AWS prefers.
    Host,
}

/// One thing that is wrong with the relation's data.
///
/// Displayed it is the key and the finding, as in `access-key is missing`. The value of a secret is never shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key of the databag.
    pub key: &'static str,
    /// What is wrong with it, to be read after the key.
    pub what: String,
    /// What the operator can do.
    pub hint: String,
}

impl Params {
    /// Checks a databag and reports all of its problems at once, in the order of the keys' meaning.
    ///
    /// Unknown keys are ignored; so is `data`, the bookkeeping of the Python libraries.
    pub fn parse(databag: &BTreeMap<String, String>) -> Result<Self, Vec<Problem>> {
        let mut form = Form {
            databag,
            problems: Vec::new(),
        };
        let access_key = form.credential("access-key");
        let secret_key = form.credential("secret-key");
        let bucket = form.bucket();
        let endpoint = form.endpoint(&bucket);
        let region = form.region(endpoint.as_ref());
        let path = form.path();
        let style = form.style(endpoint.as_ref());
        let authorities = form.authorities();
        if !form.problems.is_empty() {
            return Err(form.problems);
        }
        Ok(Self {
            access_key,
            secret_key,
            bucket,
            endpoint,
            region,
            path,
            style,
            authorities,
        })
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The endpoint, or nothing when AWS's own for the region is meant.
    #[must_use]
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// The region that requests are signed for.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The prefix inside the bucket, without slashes at its ends; empty when there is none.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How the bucket is addressed.
    #[must_use]
    pub fn style(&self) -> UriStyle {
        self.style
    }

    /// The storage class that objects are to get, when the relation names one.
    #[must_use]
    pub fn storage_class(&self) -> Option<&str> {
        None
    }

    /// The certificates that are trusted besides the well-known ones.
    #[must_use]
    pub fn authorities(&self) -> &[Authority] {
        &self.authorities
    }

    /// The store as an operator would name it: its endpoint, or AWS's for the region.
    #[must_use]
    pub fn store(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => endpoint.to_string(),
            None => format!("https://s3.{}.amazonaws.com", self.region),
        }
    }

    /// Whether the store is spoken to over TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.endpoint.as_ref().is_none_or(Endpoint::is_tls)
    }

    /// What must be seen nowhere: the key and its secret.
    pub fn secrets(&self) -> [&SecretString; 2] {
        [&self.access_key, &self.secret_key]
    }

    pub(super) fn access_key(&self) -> &SecretString {
        &self.access_key
    }

    pub(super) fn secret_key(&self) -> &SecretString {
        &self.secret_key
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Params")
            .field("store", &self.store())
            .field("bucket", &self.bucket)
            .field("region", &self.region)
            .field("path", &self.path)
            .field("style", &self.style)
            .field("authorities", &self.authorities.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.what)
    }
}

/// The databag while it is read, and what was found so far. A value that is wrong is noted and an empty one goes on.
struct Form<'a> {
    databag: &'a BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl Form<'_> {
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

    fn missing(&mut self, key: &'static str) {
        self.problem(key, "is missing", format!("set {key} at the S3 integrator"));
    }

    fn credential(&mut self, key: &'static str) -> SecretString {
        let value = self.value(key).unwrap_or_default().to_owned();
        if value.is_empty() {
            self.missing(key);
        } else if !value.chars().all(|c| c.is_ascii_graphic()) {
            let hint = format!("enter {key} again, without blanks and line ends");
            self.problem(
                key,
                "has a blank or another character that no key has",
                hint,
            );
        }
        SecretString::from(value)
    }

    fn bucket(&mut self) -> String {
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

    fn endpoint(&mut self, bucket: &str) -> Option<Endpoint> {
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

    fn region(&mut self, endpoint: Option<&Endpoint>) -> String {
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

    fn path(&mut self) -> String {
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

    fn style(&mut self, endpoint: Option<&Endpoint>) -> UriStyle {
        let default = if endpoint.is_some() {
            UriStyle::Path
        } else {
            UriStyle::Host
        };
        match self
            .value("s3-uri-style")
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            None => default,
            Some("path") => UriStyle::Path,
            Some("host") => UriStyle::Host,
            Some(other) => {
                let what = format!("is neither path nor host: {}", shown(other));
                self.problem(
                    "s3-uri-style",
                    what,
                    "set s3-uri-style to path or host, or leave it out",
                );
                default
            }
        }
    }

    fn authorities(&mut self) -> Vec<Authority> {
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

/// A value as it may stand in a message: on one line and not too long.
pub(super) fn shown(value: &str) -> String {
    let clean: String = value
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(80)
        .collect();
    if value.chars().count() > 80 {
        format!("{clean}...")
    } else {
        clean
    }
}

#[cfg(test)]
mod tests;
