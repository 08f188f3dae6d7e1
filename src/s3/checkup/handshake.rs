//! A TLS handshake of our own, which tells what the store shows, trusted or not.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::certificate::Facts;

/// What came of a handshake.
#[derive(Debug)]
pub(super) struct Handshake {
    /// What the store's own certificate says; nothing when it showed none.
    pub(super) shown: Option<Facts>,
    /// The version of TLS, once it came about.
    pub(super) ended: std::io::Result<&'static str>,
}

/// Greets a store over a connection that stands. The certificate is judged as for any request.
pub(super) async fn greet(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    anchors: RootCertStore,
) -> Handshake {
    let shown = Arc::new(Mutex::new(None));
    let ended = shake(stream, host, anchors, shown.clone()).await;
    let shown = shown.lock().unwrap_or_else(PoisonError::into_inner).take();
    Handshake { shown, ended }
}

async fn shake(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    anchors: RootCertStore,
    shown: Arc<Mutex<Option<Facts>>>,
) -> std::io::Result<&'static str> {
    let provider = Arc::new(ring::default_provider());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(anchors), provider.clone());
    let inner = inner.build().map_err(std::io::Error::other)?;
    let witness = Witness {
        inner,
        provider: provider.clone(),
        shown,
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(witness))
        .with_no_client_auth();
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(name.to_owned()).map_err(std::io::Error::other)?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    Ok(match stream.get_ref().1.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    })
}

/// The usual judge, who lets us read what was shown.
#[derive(Debug)]
struct Witness {
    inner: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    shown: Arc<Mutex<Option<Facts>>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(Facts::read(end_entity));
        self.inner
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
