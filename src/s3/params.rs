//! Relation data to checked parameters; pure.
//!
//! The databag is the one of the `s3` interface, version 0: one string a key, an absent key meaning "not set". Values
//! come from people, so everything that is wrong is found in one go and each finding names its key.

mod form;

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;

use super::attributes::Attributes;
use super::authorities::Authority;
use super::endpoint::Endpoint;
use super::keys::Keys;
use form::Form;

/// Where the backups go and with which credentials, checked.
///
/// Holds: credentials, bucket and region are not empty and have no blanks; `path` has neither a leading nor a trailing
/// slash, no empty segment and no `.` or `..`; every certificate can serve as a trust anchor.
#[derive(Clone)]
pub struct Params {
    keys: Keys,
    bucket: String,
    endpoint: Option<Endpoint>,
    region: String,
    path: String,
    style: UriStyle,
    storage_class: Option<String>,
    attributes: Attributes,
    authorities: Vec<Authority>,
    delete_older_than_days: Option<u32>,
    ignored: Vec<Ignored>,
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

/// A key, or a part of its value, that is there and does nothing.
///
/// Displayed it is the key and the reason, as in `s3-uri-style host is not used: ...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The key of the databag, or an attribute's name.
    pub key: String,
    /// Why it does nothing, to be read after the key.
    pub why: String,
}

impl Params {
    /// Checks a databag and reports all of its problems at once, in the order of the keys' meaning.
    ///
    /// A key that does nothing is told by [`Params::ignored`]; what the libraries of the interface write down for
    /// themselves is passed over.
    pub fn parse(databag: &BTreeMap<String, String>) -> Result<Self, Vec<Problem>> {
        let mut form = Form::new(databag);
        let keys = form.keys();
        let bucket = form.bucket();
        let endpoint = form.endpoint(&bucket);
        let region = form.region(endpoint.as_ref());
        let path = form.path();
        let style = form.style(endpoint.as_ref(), &bucket);
        form.api_version();
        let storage_class = form.storage_class();
        let attributes = form.attributes();
        let authorities = form.authorities();
        let delete_older_than_days = form.delete_older_than_days();
        let ignored = form.end()?;
        Ok(Self {
            keys,
            bucket,
            endpoint,
            region,
            path,
            style,
            storage_class,
            attributes,
            authorities,
            delete_older_than_days,
            ignored,
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

    /// The class that volumes are stored in, or nothing for the store's own choice.
    ///
    /// Small objects are read and written often, so that a class for rare access would only make them slow and dear.
    #[must_use]
    pub fn storage_class(&self) -> Option<&str> {
        self.storage_class.as_deref()
    }

    /// After how many days the integrator's operator wishes backups to go. Nothing honours it yet.
    #[must_use]
    pub fn delete_older_than_days(&self) -> Option<u32> {
        self.delete_older_than_days
    }

    /// What is in the databag and does nothing.
    #[must_use]
    pub fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }

    /// What must be seen nowhere: the key, its secret, and a session's token.
    #[must_use]
    pub fn secrets(&self) -> Vec<&SecretString> {
        self.keys.secrets()
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(super) fn attributes(&self) -> &Attributes {
        &self.attributes
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

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.why)
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
