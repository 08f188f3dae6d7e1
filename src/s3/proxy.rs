//! Juju's proxy settings, as values.
//!
//! Juju hands its model's proxies to charms in `JUJU_CHARM_HTTP_PROXY`, `JUJU_CHARM_HTTPS_PROXY` and
//! `JUJU_CHARM_NO_PROXY`. Whoever reads the environment makes a [`Proxy`] of them; this room does not look.

mod bypass;
mod way;

use std::fmt;

use aws_smithy_http_client::proxy::ProxyConfig;
use secrecy::{ExposeSecret, SecretString};
pub(super) use way::{Via, Way};

/// Through which proxies a store is reached; none by default.
///
/// The URLs may hold a password, so they are kept as secrets.
#[derive(Clone, Default)]
pub struct Proxy {
    http: Option<SecretString>,
    https: Option<SecretString>,
    no_proxy: String,
}

/// A proxy setting is not a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the model's {setting} is not a URL of scheme http or https")]
pub struct ProxyError {
    /// The model's setting: `juju-http-proxy` or `juju-https-proxy`.
    pub setting: &'static str,
}

impl Proxy {
    /// Checks the three settings; an empty one counts as unset, a missing scheme means http.
    ///
    /// `no_proxy` is a list of names, domains, addresses and networks (`10.0.0.0/8`), each with a port or without, with
    /// commas or blanks between.
    pub fn new(
        http: Option<&str>,
        https: Option<&str>,
        no_proxy: Option<&str>,
    ) -> Result<Self, ProxyError> {
        Ok(Self {
            http: checked("juju-http-proxy", http)?,
            https: checked("juju-https-proxy", https)?,
            no_proxy: no_proxy.unwrap_or_default().trim().to_owned(),
        })
    }

    /// What the HTTP client is told for requests of the one kind or the other, none excepted.
    pub(super) fn config(&self, tls: bool) -> Option<ProxyConfig> {
        let url = if tls { &self.https } else { &self.http };
        let url = url.as_ref().map(ExposeSecret::expose_secret)?;
        let config = if tls {
            ProxyConfig::https(url)
        } else {
            ProxyConfig::http(url)
        };
        config.ok()
    }

    /// Whether a host is reached without the proxy. The HTTP client's own rules know no ports and no stars.
    pub(super) fn is_bypassed(&self, host: &str, port: u16) -> bool {
        bypass::entry(&self.no_proxy, host, port).is_some()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("http", &self.http.is_some())
            .field("https", &self.https.is_some())
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

fn checked(setting: &'static str, value: Option<&str>) -> Result<Option<SecretString>, ProxyError> {
    let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let url = if value.contains("://") {
        value.to_owned()
    } else {
        format!("http://{value}")
    };
    match ProxyConfig::all(url.as_str()) {
        Ok(_) => Ok(Some(SecretString::from(url))),
        Err(_) => Err(ProxyError { setting }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unset_or_empty_proxy_is_none() {
        let proxy = Proxy::new(None, Some(" "), None);
        assert!(
            matches!(
                &proxy,
                Ok(Proxy {
                    http: None,
                    https: None,
                    ..
                })
            ),
            "{proxy:?}"
        );
    }

    #[test]
    fn a_proxy_that_is_no_url_names_the_setting() {
        let error = Proxy::new(None, Some("socks5://proxy:1"), None).err();
        assert_eq!(
            error,
            Some(ProxyError {
                setting: "juju-https-proxy"
            })
        );
    }

    #[test]
    fn a_password_in_a_proxy_url_is_never_shown() {
        let proxy = Proxy::new(Some("user:planted@proxy:3128"), None, Some("10.0.0.0/8"));
        assert!(!format!("{proxy:?}").contains("planted"));
        assert!(proxy.is_ok_and(|proxy| proxy.http.is_some()));
    }
}
