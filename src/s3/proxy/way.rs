//! Which way a request takes, told before one is sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Proxy, bypass};

/// The way to one host.
#[derive(Debug)]
pub(in crate::s3) enum Way {
    /// No proxy is set.
    Direct,
    /// A proxy is set, and an entry of `no_proxy` leaves this host out, or it is this machine's own (`loopback`).
    Excluded {
        /// The entry.
        by: String,
    },
    /// Through a proxy.
    Through(Via),
}

/// The proxy in between.
#[derive(Debug)]
pub(in crate::s3) struct Via {
    /// Its URL without a user.
    pub(in crate::s3) shown: String,
    /// Its host.
    pub(in crate::s3) host: String,
    /// Its port.
    pub(in crate::s3) port: u16,
    /// Whether it is itself spoken to over TLS.
    pub(in crate::s3) tls: bool,
    /// What it is told to let us in.
    pub(in crate::s3) authorization: Option<SecretString>,
}

impl Proxy {
    /// The way to a host, which is spoken to with or without TLS.
    pub(in crate::s3) fn way(&self, tls: bool, host: &str, port: u16) -> Way {
        let url = if tls { &self.https } else { &self.http };
        let Some(url) = url.as_ref() else {
            return Way::Direct;
        };
        if let Some(entry) = bypass::entry(&self.no_proxy, host, port) {
            let by = entry.to_owned();
            return Way::Excluded { by };
        }
        via(url.expose_secret()).map_or(Way::Direct, Way::Through)
    }
}

/// Takes a proxy's URL apart.
fn via(url: &str) -> Option<Via> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    };
    let tls = scheme.eq_ignore_ascii_case("https");
    let default = if tls { 443 } else { 80 };
    let behind = place.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match place[behind..].rfind(':').map(|at| at + behind) {
        Some(colon) => (&place[..colon], place[colon + 1..].parse().ok()?),
        None => (place, default),
    };
    Some(Via {
        shown: format!("{scheme}://{place}"),
        host: host.to_owned(),
        port,
        tls,
        authorization: user.map(basic),
    })
}

fn basic(user: &str) -> SecretString {
    let mut plain = decoded(user);
    if !user.contains(':') {
        plain.push(b':');
    }
    SecretString::from(format!("Basic {}", STANDARD.encode(plain)))
}

/// A text of a URL with its `%40` and the like undone.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(no_proxy: &str, host: &str) -> String {
        let proxy = Proxy::new(Some("http://user:p%40ss@proxy:3128/"), None, Some(no_proxy));
        match proxy.map(|proxy| proxy.way(false, host, 9000)) {
            Ok(Way::Direct) => "direct".to_owned(),
            Ok(Way::Excluded { by }) => format!("without, by {by}"),
            Ok(Way::Through(via)) => format!("{} {}:{}", via.shown, via.host, via.port),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_way_names_the_proxy_or_the_entry_that_leaves_it_out() {
        let list = "localhost, .internal,10.0.0.0/8";
        assert_eq!(way(list, "s3.example.com"), "http://proxy:3128 proxy:3128");
        assert_eq!(way(list, "s3.internal"), "without, by .internal");
        assert_eq!(way(list, "10.1.2.3"), "without, by 10.0.0.0/8");
        assert_eq!(way("", "127.0.0.1"), "without, by loopback");
    }

    #[test]
    fn a_user_of_a_proxy_is_decoded_and_never_shown() {
        let found = via("http://user:p%40ss@[::1]:3128");
        let found = found.map(|via| {
            let told = via
                .authorization
                .map(|text| text.expose_secret().to_owned());
            (via.shown, via.host, told)
        });
        let expected = format!("Basic {}", STANDARD.encode("user:p@ss"));
        assert_eq!(
            found,
            Some(("http://[::1]:3128".into(), "[::1]".into(), Some(expected)))
        );
    }
}
