//! The way to the store: proxy, name, connection, certificate.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use super::Checkup;
use super::bench::{Bench, Target, target};
use super::certificate::Facts;
use super::check::{Remedy, Report, Stop};
use super::handshake::{Handshake, greet};
use super::tunnel;
use crate::s3::error::{S3Error, TlsReason};
use crate::s3::params::UriStyle;
use crate::s3::proxy::{self, Via};
use crate::s3::trust;

const LOOKUP: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(3);
const GREETING: Duration = Duration::from_secs(5);
/// The most addresses that are tried and told.
const ADDRESSES: usize = 4;
/// A certificate that ends within so many days is told.
const SOON: i64 = 14;

/// The way to one store.
pub(super) struct Way<'a> {
    checkup: &'a Checkup,
    target: &'a Target,
}

impl<'a> Way<'a> {
    pub(super) fn new(checkup: &'a Checkup, target: &'a Target) -> Self {
        Self { checkup, target }
    }

    /// Goes it step by step, as far as it leads.
    pub(super) async fn go(&self, bench: &Bench, report: &mut Report) -> Result<(), Stop> {
        let Target { tls, host, port } = self.target;
        let via = match self.checkup.proxy.way(*tls, host, *port) {
            proxy::Way::Direct => {
                report.pass("proxy", "none");
                None
            }
            proxy::Way::Excluded { by } => {
                report.pass("proxy", format!("none for {host}: no_proxy has {by}"));
                None
            }
            proxy::Way::Through(via) => {
                report.pass("proxy", format!("{host} is reached through {}", via.shown));
                Some(via)
            }
        };
        let (host, port) = match &via {
            Some(via) => (&via.host, via.port),
            None => (host, *port),
        };
        let addresses = self
            .resolve(host, port, via.is_some(), (bench, report))
            .await?;
        let stream = self.connect(&addresses, via.as_ref(), report).await?;
        self.greet(stream, via.as_ref(), (bench, report)).await
    }

    async fn resolve(
        &self,
        host: &str,
        port: u16,
        proxied: bool,
        (bench, report): (&Bench, &mut Report),
    ) -> Result<Vec<SocketAddr>, Stop> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = match timeout(LOOKUP, lookup_host((bare, port))).await {
            Ok(Ok(found)) => Ok(found.collect::<Vec<_>>()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", LOOKUP.as_secs())),
        };
        let why = match found {
            Ok(addresses) if !addresses.is_empty() => {
                let mut texts: Vec<String> = Vec::new();
                for address in &addresses {
                    let text = address.ip().to_string();
                    if !texts.contains(&text) && texts.len() < ADDRESSES {
                        texts.push(text);
                    }
                }
                let of_proxy = if proxied { "the proxy's name " } else { "" };
                report.pass("dns", format!("{of_proxy}{host} is {}", texts.join(", ")));
                return Ok(addresses);
            }
            Ok(_) => "it has no address".to_owned(),
            Err(why) => why,
        };
        let remedies = match proxied {
            true => vec![Remedy::Proxy(self.target.host.clone())],
            false => self.other_name(bench, host).await,
        };
        let what = format!("{host} does not resolve: {}", bench.scene.cleared(&why));
        report.fail("dns", what, remedies);
        Err(Stop::new("the name does not resolve"))
    }

    /// What may be done about a name that is not known.
    async fn other_name(&self, bench: &Bench, host: &str) -> Vec<Remedy> {
        if bench.style == UriStyle::Host {
            let (_, client) = bench.other_style();
            if let Ok(other) = target(&client, &bench.bucket, &bench.scene).await
                && other.host != host
                && let Ok(Ok(_)) = timeout(CONNECT, lookup_host((&*other.host, other.port))).await
            {
                return vec![Remedy::set("s3-uri-style", "path")];
            }
        }
        let known = format!("or make {host} known to the cluster's DNS");
        vec![
            Remedy::set("endpoint", "<the store's URL>"),
            Remedy::advice(known),
        ]
    }

    async fn connect(
        &self,
        addresses: &[SocketAddr],
        via: Option<&Via>,
        report: &mut Report,
    ) -> Result<TcpStream, Stop> {
        let mut failed = Vec::new();
        for address in addresses.iter().take(ADDRESSES) {
            let began = Instant::now();
            match timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let took = milliseconds(began);
                    let what = format!("{address} in {took} ms");
                    match failed.is_empty() {
                        true => report.pass("tcp", what),
                        false => {
                            let what = format!("{what}; not at {}", failed.join(", "));
                            let repair = "remove the addresses that do not answer from DNS";
                            report.warn("tcp", what, vec![Remedy::advice(repair)]);
                        }
                    }
                    return Ok(stream);
                }
                Ok(Err(error)) => failed.push(format!("{address} ({error})")),
                Err(_) => failed.push(format!(
                    "{address} (no answer within {} s)",
                    CONNECT.as_secs()
                )),
            }
        }
        let remedies = match via {
            Some(_) => vec![Remedy::Proxy(self.target.host.clone())],
            None => vec![
                Remedy::set("endpoint", "<the store's URL with its port>"),
                Remedy::advice("or open the way to it: firewall, network policy, proxy"),
            ],
        };
        let what = format!("no connection to {}", failed.join(", "));
        report.fail("tcp", what, remedies);
        Err(Stop::new("there is no connection"))
    }

    async fn greet(
        &self,
        mut stream: TcpStream,
        via: Option<&Via>,
        (bench, report): (&Bench, &mut Report),
    ) -> Result<(), Stop> {
        let Target { tls, host, port } = self.target;
        if !tls {
            let what =
                "not used: names and sizes of backups can be seen on the way, their content not";
            let url = self.checkup.params.store().replacen("http:", "https:", 1);
            report.warn("tls", what, vec![Remedy::set("endpoint", url)]);
            return Ok(());
        }
        if let Some(via) = via {
            if via.tls {
                report.skip("tls", "the proxy itself is reached over TLS");
                return Ok(());
            }
            let opened = timeout(GREETING, tunnel::open(&mut stream, via, host, *port)).await;
            let why = match opened {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(bench.scene.cleared(&error.to_string())),
                Err(_) => Some("it does not answer".to_owned()),
            };
            if let Some(why) = why {
                let what = format!("{} gives no way to {host}:{port}: {why}", via.shown);
                report.fail("tls", what, vec![Remedy::Proxy(host.clone())]);
                return Err(Stop::new("the proxy gives no way"));
            }
        }
        let anchors = trust::anchors(self.checkup.params.authorities());
        let greeted = timeout(GREETING, greet(stream, host, anchors)).await;
        let Ok(Handshake { shown, ended }) = greeted else {
            let what = format!("{host}:{port} does not answer to a TLS greeting");
            let repair = Remedy::set("endpoint", "<the store's URL with its TLS port>");
            report.fail("tls", what, vec![repair]);
            return Err(Stop::new("there is no trusted connection"));
        };
        let days = |until: Timestamp| (until.as_second() - (bench.now)().as_second()) / 86_400;
        let shown = shown.unwrap_or_default();
        let left = shown.until.map(days);
        let text = certificate(&shown, left);
        match ended {
            Ok(version) => {
                let what = format!("{version}; certificate {text}");
                match left {
                    Some(left) if left < SOON => {
                        let repair = Remedy::advice("renew the store's certificate");
                        report.warn("tls", what, vec![repair]);
                    }
                    _ => report.pass("tls", what),
                }
                Ok(())
            }
            Err(error) => {
                let explained = bench.scene.explain_connection("greet the store", &error);
                self.untrusted(&explained, (shown.self_issued, &text), report);
                Err(Stop::new("there is no trusted connection"))
            }
        }
    }

    /// Tells why a handshake failed.
    fn untrusted(
        &self,
        error: &S3Error,
        (self_issued, certificate): (bool, &str),
        report: &mut Report,
    ) {
        let S3Error::Tls { reason, cause, .. } = error else {
            let what = format!("the handshake broke: {error}");
            report.fail("tls", what, vec![Remedy::of(error)]);
            return;
        };
        let reason = match reason {
            TlsReason::UntrustedIssuer if self_issued => &TlsReason::SelfSigned,
            other => other,
        };
        let remedies = match reason {
            TlsReason::UntrustedIssuer | TlsReason::SelfSigned => {
                vec![Remedy::set("tls-ca-chain", "\"$(base64 -w0 ca.pem)\"")]
            }
            TlsReason::NameMismatch if self.checkup.params.style() == UriStyle::Host => {
                vec![Remedy::set("s3-uri-style", "path")]
            }
            TlsReason::NameMismatch => {
                vec![Remedy::set(
                    "endpoint",
                    "<a URL with a name of the certificate>",
                )]
            }
            TlsReason::NotTls => {
                let url = self.checkup.params.store().replacen("https:", "http:", 1);
                vec![Remedy::set("endpoint", url)]
            }
            TlsReason::Expired
            | TlsReason::NotYetValid
            | TlsReason::AuthorityAsServer
            | TlsReason::Other => vec![Remedy::of(error)],
        };
        let what = match reason {
            TlsReason::NotTls => format!("{reason}"),
            TlsReason::Other => format!("{reason}: {cause}; certificate {certificate}"),
            _ => format!("{reason}; certificate {certificate}"),
        };
        report.fail("tls", what, remedies);
    }
}

/// What a certificate says, in words; `left` is for how many days it holds.
fn certificate(shown: &Facts, left: Option<i64>) -> String {
    let until = match (shown.until, left) {
        (Some(until), Some(left)) => {
            format!(", until {} ({left} days)", until.strftime("%Y-%m-%d"))
        }
        _ => String::new(),
    };
    let issuer = match shown.issuer.as_str() {
        "" => "nobody by name",
        issuer => issuer,
    };
    format!("for {}, issued by {issuer}{until}", shown.shown_names())
}

/// Milliseconds since then, with one decimal.
pub(super) fn milliseconds(began: Instant) -> String {
    format!("{:.1}", began.elapsed().as_secs_f64() * 1000.0)
}
