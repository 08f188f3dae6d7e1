//! The URL of a store, taken apart and checked.

use std::fmt;

use super::params::shown;

/// A store's base URL.
///
/// Holds: the scheme is http or https; the host is not empty and, like the path, has only characters that a URL may
/// have; there is no user, no query and no fragment; the path has no slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    tls: bool,
    host: String,
    port: Option<u16>,
    path: String,
}

impl Endpoint {
    /// Takes a URL apart. On failure: what is wrong, and what to do, both to be shown.
    pub(super) fn parse(text: &str, bucket: &str) -> Result<Self, (String, String)> {
        let Some((scheme, rest)) = text.split_once("://") else {
            let bare = without_user(text);
            let hint = match bare.strip_suffix('/').unwrap_or(&bare).ends_with(":80") {
                true => format!("set endpoint=http://{bare}"),
                false => format!("set endpoint=https://{bare}, or http://{bare} without TLS"),
            };
            return Err((format!("has no scheme: {bare}"), hint));
        };
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => {
                let what = format!("has neither the scheme http nor https: {}", shown(scheme));
                return Err((what, "write https:// or http://".to_owned()));
            }
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err((
                "has a user or a password in it".into(),
                "give keys as access-key and secret-key only".into(),
            ));
        }
        if path.contains(['?', '#']) {
            return Err((
                "has a query or a fragment".into(),
                "give scheme, host and port only".into(),
            ));
        }
        let (host, port) = split_port(authority)?;
        let path = path.trim_end_matches('/').to_owned();
        if host.is_empty() {
            return Err((
                format!("has no host: {}", shown(text)),
                "write https:// and the store's host".into(),
            ));
        }
        if !is_host(host)
            || !path
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "/-._~%".contains(c))
        {
            let what = format!("is not a URL: {}", shown(text));
            return Err((
                what,
                "write scheme, host and port as in https://s3.example.com:9000".into(),
            ));
        }
        if !bucket.is_empty() && path.rsplit('/').next() == Some(bucket) {
            let what = format!("ends in the bucket's name: {}", shown(text));
            let without = text.trim_end_matches('/').strip_suffix(bucket);
            let without = without.unwrap_or(text).trim_end_matches('/');
            return Err((what, format!("set endpoint={}", shown(without))));
        }
        let rest_of_host = host
            .to_ascii_lowercase()
            .strip_prefix(&format!("{}.", bucket.to_ascii_lowercase()))
            .filter(|rest| rest.starts_with("s3.") && rest.ends_with(".amazonaws.com"))
            .map(str::to_owned);
        if let Some(rest) = rest_of_host {
            let what = format!("begins with the bucket's name: {}", shown(text));
            return Err((
                what,
                format!("set endpoint={}://{rest}", scheme.to_ascii_lowercase()),
            ));
        }
        Ok(Self {
            tls,
            host: host.to_ascii_lowercase(),
            port,
            path,
        })
    }

    /// Whether the scheme is https.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The host: a name, or an address (IPv6 in brackets).
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the host is an address instead of a name.
    pub(super) fn is_address(&self) -> bool {
        self.host.starts_with('[') || self.host.parse::<std::net::Ipv4Addr>().is_ok()
    }

    /// The URL for the SDK, which puts the bucket straight behind a path that has no slash at its end.
    pub(super) fn base(&self) -> String {
        let slash = if self.path.is_empty() { "" } else { "/" };
        format!("{self}{slash}")
    }

    /// The region that an endpoint of AWS tells by its name.
    pub(super) fn aws_region(&self) -> Option<&str> {
        let region = self
            .host
            .strip_prefix("s3.")?
            .strip_suffix(".amazonaws.com")?;
        (!region.contains('.')).then_some(region)
    }

    /// The endpoint of AWS for another region, if this one is AWS's.
    pub(super) fn in_region(&self, region: &str) -> Option<Self> {
        let known = self.host == "s3.amazonaws.com" || self.aws_region().is_some();
        known.then(|| Self {
            host: format!("s3.{region}.amazonaws.com"),
            ..self.clone()
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), (String, String)> {
    let after_address = authority.rfind(']').map_or(0, |end| end + 1);
    let Some(colon) = authority[after_address..]
        .rfind(':')
        .map(|at| at + after_address)
    else {
        return Ok((authority, None));
    };
    let (host, port) = (&authority[..colon], &authority[colon + 1..]);
    match port.parse::<u16>() {
        Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => {
            Ok((host, Some(number)))
        }
        _ => {
            let what = format!("has no valid port: {}", shown(authority));
            Err((what, "give a port between 1 and 65535, or none".to_owned()))
        }
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

/// The text with everything before an `@` left out: it might be a password.
fn without_user(text: &str) -> String {
    shown(text.rsplit_once('@').map_or(text, |(_, rest)| rest))
}
