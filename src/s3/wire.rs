//! The HTTP connector: the SDK's own, with a watch on progress and name resolution that tells its failures apart.
//!
//! The SDK's read time-out runs from the first byte of a request to the first byte of the answer, so it would cut a slow
//! but healthy part. Here the same setting means silence: a request's body is handed out in small slices, each slice
//! that the connection takes is a sign of life, and only a pause longer than the limit ends the request. What the kernel
//! buffers counts as sent: with the limit of 60 s and its 4 MiB, a line slower than about 70 KiB/s looks silent.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::answer;
use super::pace::Pace;

use super::proxy::Proxy;
use super::self_signed;

/// What the connection is offered at a time.
const SLICE: usize = 128 << 10;

/// Whether the store has answered once, be it with a refusal.
///
/// Until it has, a connection that fails is taken for a wrong setting and not tried again; afterwards it is trouble that
/// passes.
#[derive(Debug, Clone, Default)]
pub(super) struct Reached(Arc<AtomicBool>);

impl Reached {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A host name did not resolve.
#[derive(Debug, thiserror::Error)]
#[error("cannot resolve {host}")]
pub(super) struct Unresolved {
    pub(super) host: String,
    #[source]
    source: std::io::Error,
}

/// Nothing was sent or received for too long.
#[derive(Debug, thiserror::Error)]
#[error("nothing moved for {} s", .0.as_secs_f32())]
pub(super) struct Silence(pub(super) Duration);

/// Makes the HTTP client of one bucket: one pool of connections for all of its calls.
///
/// Each request goes through the proxy, if there is one, unless its host is excepted: with the bucket in the host's name,
/// or in a region that was corrected, that host is not the endpoint's.
pub(super) fn client(
    trust: TlsContext,
    proxy: &Proxy,
    tls: bool,
    connect: Duration,
    reached: Reached,
    pace: Pace,
) -> SharedHttpClient {
    let connector = |proxy: ProxyConfig| {
        let settings = HttpConnectorSettings::builder().connect_timeout(connect);
        let connector = Connector::builder()
            .connector_settings(settings.build())
            .proxy_config(proxy)
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(trust.clone())
            .build_with_resolver(Resolver);
        SharedHttpConnector::new(connector)
    };
    let direct = connector(ProxyConfig::disabled());
    let through = proxy.config(tls).map(connector);
    let (proxy, connect) = (proxy.clone(), connect);
    http_client_fn(move |settings, _| {
        let silence = settings.read_timeout().unwrap_or(Duration::from_secs(60));
        SharedHttpConnector::new(Watched {
            direct: direct.clone(),
            through: through.clone(),
            proxy: proxy.clone(),
            connect,
            silence,
            reached: reached.clone(),
            pace: pace.clone(),
        })
    })
}

/// A connector that ends a request on which nothing moves.
#[derive(Debug)]
struct Watched {
    direct: SharedHttpConnector,
    through: Option<SharedHttpConnector>,
    proxy: Proxy,
    connect: Duration,
    silence: Duration,
    reached: Reached,
    pace: Pace,
}

impl Watched {
    /// The way to the host of a request, and whether it is the direct one.
    fn way(&self, host: &str, port: u16) -> (&SharedHttpConnector, bool) {
        match &self.through {
            Some(through) if !self.proxy.is_bypassed(host, port) => (through, false),
            Some(_) | None => (&self.direct, true),
        }
    }
}

impl HttpConnector for Watched {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let pulse = Pulse::default();
        let request = request.map(|body| match body.content_length() {
            Some(0) => body,
            _ => SdkBody::from_body_1_x(Sliced {
                inner: body,
                rest: Bytes::new(),
                pulse: pulse.clone(),
                pace: self.pace.clone(),
                turn: None,
            }),
        });
        let uri = request.uri().to_owned();
        let (host, port) = place(&uri);
        let (way, direct) = self.way(&host, port);
        let (answer, silence, reached) = (way.call(request), self.silence, self.reached.clone());
        let connect = self.connect;
        HttpConnectorFuture::new(async move {
            // Both arms may be dropped at any time: the one only waits, and dropping the other closes its connection,
            // which is what a stalled request deserves.
            tokio::select! {
                answer = answer => match answer {
                    Ok(answer) => {
                        reached.set();
                        Ok(answer::bounded(answer, &uri, silence))
                    }
                    Err(error) if direct => Err(self_signed::told(error, &host, port, connect).await),
                    Err(error) => Err(error),
                },
                () = pulse.stops(silence) => Err(ConnectorError::timeout(Silence(silence).into())),
            }
        })
    }
}

/// The host and the port of a request.
fn place(uri: &str) -> (String, u16) {
    let uri = uri.parse::<hyper::Uri>().unwrap_or_default();
    let tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    (uri.host().unwrap_or_default().to_owned(), port)
}

/// When something last moved.
#[derive(Debug, Clone)]
struct Pulse(Arc<Mutex<Instant>>);

impl Default for Pulse {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Pulse {
    fn beat(&self) {
        self.beats_until(Instant::now());
    }

    /// What waits for its turn does not stand still.
    fn beats_until(&self, moment: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = moment;
    }

    async fn stops(&self, silence: Duration) {
        loop {
            let due = *self.0.lock().unwrap_or_else(PoisonError::into_inner) + silence;
            if due <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }
}

/// A request's body in slices, each a beat of the pulse. The bytes themselves are never copied.
struct Sliced {
    inner: SdkBody,
    rest: Bytes,
    pulse: Pulse,
    pace: Pace,
    /// The next slice, once its turn was taken, and the wait for it.
    turn: Option<(usize, Option<Pin<Box<Sleep>>>)>,
}

impl Sliced {
    /// How long the next slice is, when its turn has come.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<usize> {
        let (length, wait) = match &mut self.turn {
            Some(taken) => taken,
            none => {
                let length = self.rest.len().min(self.pace.step(SLICE));
                let moment = self.pace.turn(length, Instant::now());
                none.insert((length, moment.map(|moment| Box::pin(sleep_until(moment)))))
            }
        };
        if let Some(wait) = wait {
            self.pulse.beats_until(wait.deadline());
            ready!(wait.as_mut().poll(context));
            self.pulse.beat();
        }
        let length = *length;
        self.turn = None;
        Poll::Ready(length)
    }
}

impl Body for Sliced {
    type Data = Bytes;
    type Error = aws_smithy_types::body::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.pulse.beat();
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
            }
        }
        let length = ready!(self.poll_turn(context));
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.inner.content_length() {
            Some(left) => SizeHint::with_exact(left + self.rest.len() as u64),
            None => SizeHint::default(),
        }
    }
}

/// The system's name resolution, with an error that names the host.
#[derive(Debug, Clone)]
struct Resolver;

impl ResolveDns for Resolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            match tokio::net::lookup_host((name, 0)).await {
                Ok(addresses) => Ok(addresses
                    .map(|address| address.ip())
                    .collect::<Vec<IpAddr>>()),
                Err(source) => Err(ResolveDnsError::new(Unresolved {
                    host: name.to_owned(),
                    source,
                })),
            }
        })
    }
}
