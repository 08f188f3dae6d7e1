//! A second look at a certificate that comes from an unknown issuer: whether it vouches for itself.
//!
//! The TLS library only says that nobody whom we trust has signed it. For the operator it is another thing to do when it
//! signed itself, as those do that come with a store's installer. So the certificate is asked for once more, in a handshake
//! that goes no further.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::result::ConnectorError;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct};
use rustls::{Error, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::diagnosis;

/// The most bytes of a handshake that are read.
const LONGEST: usize = 256 << 10;

/// A store shows a certificate that it made for itself.
#[derive(Debug, thiserror::Error)]
#[error("self-signed certificate")]
pub(super) struct SelfSigned {
    #[source]
    source: ConnectorError,
}

/// The error of a connection, told more exactly where it is about an unknown issuer.
pub(super) async fn told(
    error: ConnectorError,
    host: &str,
    port: u16,
    patience: Duration,
) -> ConnectorError {
    // A bad signature: a trusted authority has the issuer's name, and another key.
    let Some(Error::InvalidCertificate(
        CertificateError::UnknownIssuer | CertificateError::BadSignature,
    )) = diagnosis::find::<Error>(&error)
    else {
        return error;
    };
    // Dropping the look at any point only closes its connection.
    match tokio::time::timeout(patience, shown(host, port)).await {
        Ok(Some(certificate)) if is_self_issued(&certificate) => {
            ConnectorError::other(SelfSigned { source: error }.into(), None)
        }
        Ok(_) | Err(_) => error,
    }
}

/// The certificate that a server shows for itself.
async fn shown(host: &str, port: u16) -> Option<CertificateDer<'static>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(bare.to_owned()).ok()?;
    let seen = Arc::new(Witness::default());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(seen.clone())
        .with_no_client_auth();
    let mut tls = ClientConnection::new(Arc::new(config), name).ok()?;
    let mut stream = TcpStream::connect((bare, port)).await.ok()?;
    let (mut buffer, mut read) = (vec![0; 16 << 10], 0);
    loop {
        let mut out = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut out).ok()?;
        }
        stream.write_all(&out).await.ok()?;
        let count = stream.read(&mut buffer).await.ok()?;
        read += count;
        if count == 0 || read > LONGEST {
            return None;
        }
        let mut bytes = &buffer[..count];
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes).ok()?;
            // The witness ends the handshake as soon as it has seen what there is to see.
            if tls.process_new_packets().is_err() {
                let mut seen = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
                return seen.take();
            }
        }
    }
}

/// Keeps the certificate and trusts nobody.
#[derive(Debug, Default)]
struct Witness(Mutex<Option<CertificateDer<'static>>>);

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Some(certificate.clone().into_owned());
        Err(Error::General("seen".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("seen".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("seen".to_owned()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// Whether the issuer and the subject of a certificate are the same.
///
/// A certificate is a sequence that begins with another one: perhaps the version, then number, algorithm, issuer, times,
/// subject.
fn is_self_issued(certificate: &[u8]) -> bool {
    const VERSION: u8 = 0xa0;
    let names = || {
        let (_, whole, _) = element(certificate)?;
        let (_, mut rest, _) = element(whole)?;
        if let Some((VERSION, _, behind)) = element(rest) {
            rest = behind;
        }
        let mut contents = [&rest[..0]; 5];
        for content in &mut contents {
            let (_, inside, behind) = element(rest)?;
            (*content, rest) = (inside, behind);
        }
        let [_, _, issuer, _, subject] = contents;
        Some((issuer, subject))
    };
    names().is_some_and(|(issuer, subject)| issuer == subject)
}

/// One element of DER: its tag, its content, and what lies behind it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (content, behind) = rest.split_at_checked(length)?;
    Some((tag, content, behind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn roots_are_self_issued() {
        let all = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        let own = all.clone().filter(|root| is_self_issued(root)).count();
        assert!(own * 10 > all.len() * 9, "{own} of {}", all.len());
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = is_self_issued(&bytes);
        }
    }
}
