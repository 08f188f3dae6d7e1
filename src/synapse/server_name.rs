//! The name of a homeserver.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Serialize;

/// A homeserver's name: the part behind the colon of every user id.
///
/// A domain, an IPv4 address or an IPv6 address in brackets, with or without a port; at most 255 bytes. The letters
/// are kept as they come. Holds no slash and no white space, so it can be part of a file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ServerName(String);

/// Why a text names no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerNameError {
    /// There is nothing.
    #[error("the server name is empty")]
    Empty,
    /// Synapse and the specification stop at 255 bytes.
    #[error("the server name is {bytes} bytes long, and 255 are the most")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// An address of the web was given.
    #[error("{0:?} is a URL: leave out what stands before and behind the domain")]
    Url(String),
    /// A whole user id or room alias was given.
    #[error("{0:?} is a Matrix id: only the part behind the colon is the server name")]
    Id(String),
    /// The part behind the last colon is no port.
    #[error("{port:?} is not a port, in the server name {name:?}")]
    Port {
        /// The whole text.
        name: String,
        /// The part that is no port.
        port: String,
    },
    /// What stands in brackets is no IPv6 address.
    #[error("what stands in brackets is not an IPv6 address, in the server name {0:?}")]
    Ipv6(String),
    /// Four numbers that are no IPv4 address.
    #[error("{0:?} looks like an IPv4 address and is none")]
    Ipv4(String),
    /// A domain with an empty part or with characters that no domain has.
    #[error("{0:?} is not a domain name: letters, digits and hyphens, with dots between")]
    Domain(String),
}

impl ServerName {
    /// Reads a server name by the grammar of the Matrix specification.
    ///
    /// Stricter in one point, as Synapse is: no part between dots may be empty.
    pub fn parse(name: &str) -> Result<Self, ServerNameError> {
        if name.is_empty() {
            return Err(ServerNameError::Empty);
        }
        if name.len() > 255 {
            return Err(ServerNameError::TooLong { bytes: name.len() });
        }
        if name.contains('/') {
            return Err(ServerNameError::Url(name.to_owned()));
        }
        if name.starts_with(['@', '#', '!', '+']) {
            return Err(ServerNameError::Id(name.to_owned()));
        }
        let (host, port) = split_port(name);
        if let Some(port) = port
            && !is_port(port)
        {
            return Err(ServerNameError::Port {
                name: name.to_owned(),
                port: port.to_owned(),
            });
        }
        check_host(host)?;
        Ok(Self(name.to_owned()))
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file on the data volume that holds this server's signing key.
    pub fn signing_key_path(&self) -> String {
        format!("{}/{self}.signing.key", super::DATA)
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Splits at the last colon, unless that belongs to an IPv6 address.
fn split_port(name: &str) -> (&str, Option<&str>) {
    if name.ends_with(']') {
        return (name, None);
    }
    match name.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (name, None),
    }
}

fn is_port(port: &str) -> bool {
    let digits = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    digits && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn check_host(host: &str) -> Result<(), ServerNameError> {
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']').unwrap_or_default();
        return match address.parse::<Ipv6Addr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(ServerNameError::Ipv6(host.to_owned())),
        };
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let label = |label: &str| !label.is_empty() && label.bytes().all(plain);
    if !host.split('.').all(label) {
        return Err(ServerNameError::Domain(host.to_owned()));
    }
    let numbers = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    if host.split('.').count() == 4
        && host.split('.').all(numbers)
        && host.parse::<Ipv4Addr>().is_err()
    {
        return Err(ServerNameError::Ipv4(host.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_the_specification_pass() {
        let names = [
            "matrix.org",
            "matrix.org:8888",
            "1.2.3.4",
            "1.2.3.4:1234",
            "[1234:5678::abcd]",
            "[::1]:5678",
            "localhost",
            "Example.COM",
            "xn--bcher-kva.example",
            "demo.example:1",
        ];
        for name in names {
            assert_eq!(ServerName::parse(name).unwrap().as_str(), name);
        }
        assert!(ServerName::parse(&"a".repeat(255)).is_ok());
    }

    #[test]
    fn each_mistake_is_told_in_its_own_words() {
        let tell = |name: &str| ServerName::parse(name).unwrap_err().to_string();
        insta::assert_snapshot!(tell(""), @"the server name is empty");
        insta::assert_snapshot!(tell(&"a".repeat(256)), @"the server name is 256 bytes long, and 255 are the most");
        insta::assert_snapshot!(tell("https://matrix.org"), @r#""https://matrix.org" is a URL: leave out what stands before and behind the domain"#);
        insta::assert_snapshot!(tell("@anna:example.org"), @r#""@anna:example.org" is a Matrix id: only the part behind the colon is the server name"#);
        insta::assert_snapshot!(tell("example.org:"), @r#""" is not a port, in the server name "example.org:""#);
        insta::assert_snapshot!(tell("example.org:0"), @r#""0" is not a port, in the server name "example.org:0""#);
        insta::assert_snapshot!(tell("example.org:70000"), @r#""70000" is not a port, in the server name "example.org:70000""#);
        insta::assert_snapshot!(tell("::1"), @r#"":" is not a domain name: letters, digits and hyphens, with dots between"#);
        insta::assert_snapshot!(tell("[::x]"), @r#"what stands in brackets is not an IPv6 address, in the server name "[::x]""#);
        insta::assert_snapshot!(tell("1.2.3.400"), @r#""1.2.3.400" looks like an IPv4 address and is none"#);
        insta::assert_snapshot!(tell("example.org."), @r#""example.org." is not a domain name: letters, digits and hyphens, with dots between"#);
        insta::assert_snapshot!(tell("exämple.org"), @r#""exämple.org" is not a domain name: letters, digits and hyphens, with dots between"#);
        insta::assert_snapshot!(tell("my_server.org"), @r#""my_server.org" is not a domain name: letters, digits and hyphens, with dots between"#);
    }

    proptest! {
        #[test]
        fn a_name_is_always_fit_for_a_file_name(name in "[ -~]{0,20}|[a-z.:\\[\\]0-9-]{0,20}|.{0,12}") {
            if let Ok(name) = ServerName::parse(&name) {
                let path = name.signing_key_path();
                prop_assert_eq!(path.matches('/').count(), 2);
                prop_assert!(!path.contains(char::is_whitespace));
                prop_assert!(!name.as_str().starts_with('.'));
            }
        }
    }
}
