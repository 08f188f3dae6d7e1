//! Stores of other people, and our own, all asked in the same way.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Credentials, Region, RequestChecksumCalculation,
};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

use super::certificates::{Certificate, CertificateAuthority};
use super::front::Front;
use super::server::{Options, Server};
use super::versitygw::Versitygw;
use super::{ceph, garage, minio, s3proxy};
use crate::parts;

/// The stores that the contract is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// The one in this process.
    Embedded,
    /// versitygw.
    Versitygw,
    /// MinIO.
    Minio,
    /// Garage.
    Garage,
    /// Ceph's RADOS Gateway.
    Ceph,
    /// S3Proxy over a file system.
    S3Proxy,
}

impl Product {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Embedded,
        Self::Versitygw,
        Self::Minio,
        Self::Garage,
        Self::Ceph,
        Self::S3Proxy,
    ];

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "in-process",
            Self::Versitygw => "versitygw",
            Self::Minio => "MinIO",
            Self::Garage => "Garage",
            Self::Ceph => "Ceph RGW",
            Self::S3Proxy => "S3Proxy",
        }
    }

    /// Which version of it is asked.
    pub fn version(self) -> Result<String> {
        match self {
            Self::Embedded => {
                let locked = std::fs::read_to_string(parts::workspace().join("Cargo.lock"))?;
                let (_, s3s) = locked
                    .split_once("name = \"s3s\"\nversion = \"")
                    .context("no s3s")?;
                Ok(format!(
                    "over s3s {}",
                    s3s.split('"').next().unwrap_or_default()
                ))
            }
            Self::Versitygw => parts::version("versitygw"),
            Self::Minio => parts::version("minio"),
            Self::Garage => parts::version("garage"),
            Self::Ceph => ceph::version(),
            Self::S3Proxy => parts::version("s3proxy"),
        }
    }

    /// Starts it on free ports; over TLS when an authority is given, which vouches for 127.0.0.1.
    pub fn start(self, authority: Option<&CertificateAuthority>) -> Result<Running> {
        let certificate = authority
            .map(|authority| authority.issue(&["127.0.0.1"]))
            .transpose()?;
        let mut running = match self {
            Self::Embedded => embedded(certificate.as_ref()),
            Self::Versitygw => versitygw(certificate.as_ref()),
            Self::Minio => minio::start(certificate.as_ref()),
            Self::Garage => garage::start()?.behind(certificate.as_ref()),
            Self::Ceph => ceph::start()?.behind(certificate.as_ref()),
            Self::S3Proxy => s3proxy::start()?.behind(certificate.as_ref()),
        }?;
        running.authority = authority.map(CertificateAuthority::pem);
        Ok(running)
    }
}

/// An access key and its secret.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The access key.
    pub access: String,
    /// The secret key.
    pub secret: String,
}

impl Keys {
    /// The keys of the tests, where a store takes any.
    pub(super) fn ours() -> Self {
        Self {
            access: "the-access-key".to_owned(),
            secret: "the-secret-key".to_owned(),
        }
    }

    /// Keys of somebody who may do nothing with our buckets.
    pub(super) fn strangers() -> Self {
        Self {
            access: "a-strangers-key".to_owned(),
            secret: "a-strangers-secret".to_owned(),
        }
    }
}

/// A store that answers; it is gone when this is dropped.
pub struct Running {
    /// Where it answers.
    pub address: SocketAddr,
    /// Keys that may do all.
    pub keys: Keys,
    /// Keys that are known and may do nothing, where the store can have a second pair.
    pub stranger: Option<Keys>,
    /// Its region, when it insists on one.
    pub region: Option<&'static str>,
    pub(super) tls: bool,
    /// The certificate of its authority.
    authority: Option<String>,
    /// What serves, the first to go first.
    pub(super) held: Vec<Box<dyn Send + Sync>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Running({})", self.endpoint())
    }
}

impl Running {
    /// A store without TLS, with our keys.
    pub(super) fn plain(address: SocketAddr, held: Vec<Box<dyn Send + Sync>>) -> Self {
        Self {
            address,
            keys: Keys::ours(),
            stranger: None,
            region: None,
            tls: false,
            authority: None,
            held,
        }
    }

    /// The same behind a front that speaks TLS, if there is a certificate.
    fn behind(mut self, certificate: Option<&Certificate>) -> Result<Self> {
        if let Some(certificate) = certificate {
            let front = Front::tls(certificate, self.address)?;
            self.address = front.address();
            self.tls = true;
            self.held.insert(0, Box::new(front));
        }
        Ok(self)
    }

    /// The URL to give as `endpoint`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The databag of an `s3` relation to a bucket of it.
    #[must_use]
    pub fn relation_data(&self, bucket: &str) -> BTreeMap<String, String> {
        let Keys { access, secret } = &self.keys;
        let mut data = super::relation_data(&self.endpoint(), access, secret, bucket);
        if let Some(region) = self.region {
            data.insert("region".to_owned(), region.to_owned());
        }
        if let Some(authority) = &self.authority {
            data.insert("tls-ca-chain".to_owned(), authority.clone());
        }
        data
    }

    /// The SDK itself, for questions that the product never asks; it adds no checksum unasked.
    #[must_use]
    pub fn client(&self) -> Client {
        let mut trust = TrustStore::empty();
        if let Some(authority) = &self.authority {
            trust.add_pem_certificate(authority.as_bytes());
        }
        let context = TlsContext::builder().with_trust_store(trust).build();
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.unwrap_or_default())
            .build_https();
        let Keys { access, secret } = &self.keys;
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.unwrap_or("us-east-1")))
            .credentials_provider(Credentials::new(access, secret, None, None, "test"))
            .endpoint_url(self.endpoint())
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .http_client(http);
        Client::from_conf(config.build())
    }

    /// Makes a bucket.
    pub async fn make_bucket(&self, name: &str) -> Result<()> {
        let made = self.client().create_bucket().bucket(name).send().await;
        made.with_context(|| format!("{self:?} makes no bucket"))?;
        Ok(())
    }
}

fn embedded(certificate: Option<&Certificate>) -> Result<Running> {
    let server = Server::start(Options {
        certificate: certificate.cloned(),
        ..Options::default()
    })?;
    let mut running = Running::plain(server.address(), vec![Box::new(server)]);
    running.tls = certificate.is_some();
    Ok(running)
}

fn versitygw(certificate: Option<&Certificate>) -> Result<Running> {
    let server = Versitygw::start(certificate)?;
    let stranger = Keys::strangers();
    server.add_user(&stranger)?;
    let mut running = Running::plain(server.address(), vec![Box::new(server)]);
    running.stranger = Some(stranger);
    running.tls = certificate.is_some();
    Ok(running)
}

/// A part of the contract's, as `make parts-contract` leaves it.
pub(super) fn part(name: &str) -> Result<PathBuf> {
    let program = parts::directory().join("bin").join(name);
    match program.is_file() {
        true => Ok(program),
        false => anyhow::bail!("{name} is missing: run `make parts-contract`"),
    }
}
