//! Certificates of an authority that nobody knows.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// An authority of our own.
pub struct CertificateAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A server's certificate with its key, both as PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl CertificateAuthority {
    /// Makes an authority.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?,
        })
    }

    /// The authority's own certificate as PEM, to be given as `tls-ca-chain`.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The authority's certificate used as a server's own, as careless people do.
    #[must_use]
    pub fn as_server(&self) -> Certificate {
        Certificate {
            certificate: self.pem(),
            key: self.issuer.key().serialize_pem(),
        }
    }

    /// A server's certificate for these names or addresses.
    pub fn issue(&self, names: &[&str]) -> Result<Certificate> {
        self.issue_until(names, 4000)
    }

    /// A server's certificate that ends with the beginning of a year.
    pub fn issue_until(&self, names: &[&str], year: i32) -> Result<Certificate> {
        let mut params = params(names, 2000)?;
        // Another name than its authority's: it is not self-signed.
        params
            .distinguished_name
            .push(DnType::CommonName, "a store of the tests");
        params.not_after = date_time_ymd(year, 1, 1);
        self.sign(&params)
    }

    /// A server's certificate that begins with the beginning of a year.
    pub fn issue_from(&self, names: &[&str], year: i32) -> Result<Certificate> {
        let mut params = params(names, year)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "a store of the tests");
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Result<Certificate> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Certificate {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl Certificate {
    /// A certificate that vouches for itself, and is no authority's.
    pub fn self_signed(names: &[&str]) -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = params(names, 2000)?.self_signed(&key)?;
        Ok(Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// A server's certificate to be signed: it begins with a year and lasts for long.
fn params(names: &[&str], year: i32) -> Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.not_before = date_time_ymd(year, 1, 1);
    params.not_after = date_time_ymd(4000, 1, 1);
    Ok(params)
}

impl Certificate {
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor> {
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(self.certificate.as_bytes()).collect();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).context("no private key")?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain.context("no certificate")?, key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
