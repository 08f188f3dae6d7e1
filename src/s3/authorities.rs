//! The relation's certificates: every form in which integrators and people hand them over.
//!
//! The interface speaks of a JSON list of base64 texts, s3-integrator puts PEM texts into that list, and people paste a
//! single PEM, or its base64. All of these are read: a text is a JSON list of texts, or PEM, or the base64 of either, or
//! the base64 of one certificate's DER.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

const DEEPEST: usize = 4;
const MOST: usize = 100;
const BAD_ENTRY: &str = "has a bad entry, number ";

/// A certificate that is trusted to vouch for a store.
///
/// Holds: it parses, so that it can stand in a trust store.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Authority(Vec<u8>);

impl Authority {
    /// The certificate, if it can serve as a trust anchor.
    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        let mut anchors = RootCertStore::empty();
        anchors.add(CertificateDer::from(der)).ok()?;
        Some(Self(der.to_vec()))
    }

    /// All certificates of a PEM text that can serve as trust anchors; the rest of the text is passed over.
    pub(super) fn all_of_pem(pem: &[u8]) -> Vec<Self> {
        CertificateDer::pem_slice_iter(pem)
            .filter_map(|der| Self::from_der(&der.ok()?))
            .collect()
    }

    /// The certificate in its binary form.
    pub(super) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from(self.0.clone())
    }

    /// The certificate as a PEM text.
    pub(super) fn to_pem(&self) -> Vec<u8> {
        let body = STANDARD.encode(&self.0);
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n").into_bytes()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({} bytes)", self.0.len())
    }
}

/// Reads the value of `tls-ca-chain`. On failure: what is wrong, to be read after the key.
pub(super) fn parse(text: &str) -> Result<Vec<Authority>, String> {
    let found = read(text, DEEPEST)?;
    match found.len() {
        0 => Err("has no certificate in it".to_owned()),
        1..=MOST => Ok(found),
        _ => Err(format!("has more than {MOST} certificates in it")),
    }
}

fn read(text: &str, depth: usize) -> Result<Vec<Authority>, String> {
    let text = text.trim();
    if depth == 0 {
        return Err("is wrapped too many times".to_owned());
    }
    if text.starts_with(['[', '"']) {
        let items: serde_json::Value =
            serde_json::from_str(text).map_err(|_| "looks like JSON and is not".to_owned())?;
        return read_json(&items, depth);
    }
    if text.contains("-----BEGIN ") {
        return read_pem(text);
    }
    let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = STANDARD
        .decode(&packed)
        .map_err(|_| "is neither PEM, nor JSON, nor base64".to_owned())?;
    match std::str::from_utf8(&bytes) {
        Ok(inner)
            if inner.trim_start().starts_with(['[', '-']) || inner.contains("-----BEGIN ") =>
        {
            read(inner, depth - 1)
        }
        _ => match Authority::from_der(&bytes) {
            Some(authority) => Ok(vec![authority]),
            None => Err("is the base64 of something that is not a certificate".to_owned()),
        },
    }
}

fn read_json(value: &serde_json::Value, depth: usize) -> Result<Vec<Authority>, String> {
    match value {
        serde_json::Value::String(text) if text.trim().is_empty() => Ok(Vec::new()),
        serde_json::Value::String(text) => read(text, depth - 1),
        serde_json::Value::Array(items) => {
            let mut found = Vec::new();
            for (index, item) in items.iter().enumerate() {
                let serde_json::Value::String(_) = item else {
                    return Err(format!(
                        "has an entry that is not a text: number {}",
                        index + 1
                    ));
                };
                let more =
                    read_json(item, depth).map_err(|what| match what.strip_prefix(BAD_ENTRY) {
                        Some(_) => what,
                        None => format!("{BAD_ENTRY}{}: it {what}", index + 1),
                    });
                found.extend(more?);
            }
            Ok(found)
        }
        _ => Err("is not a list of texts".to_owned()),
    }
}

/// Reads PEM text. Pasting often turns line ends into the two characters `\n`; that is undone here.
fn read_pem(text: &str) -> Result<Vec<Authority>, String> {
    let text = text.replace("\\n", "\n");
    let mut found = Vec::new();
    for (index, der) in CertificateDer::pem_slice_iter(text.as_bytes()).enumerate() {
        let bad = || format!("has a damaged certificate, number {}", index + 1);
        let der = der.map_err(|_| bad())?;
        found.push(Authority::from_der(&der).ok_or_else(bad)?);
    }
    Ok(found)
}
