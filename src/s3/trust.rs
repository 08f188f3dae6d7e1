//! Which certificates a store may show.
//!
//! Trusted are the certificates of the container's own bundle or, where there is none (a bare static binary), Mozilla's
//! list as it was when this program was built; and in both cases, besides, those of the relation. The bundle is read
//! here from the usual places and handed over as values, because the HTTP client's own way looks at the environment and
//! ends the program when a certificate does not parse.

use std::fs::File;
use std::io::Read as _;

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::authorities::Authority;

/// Where the Linux distributions that charms run on keep their bundle.
const BUNDLES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];
const LARGEST_BUNDLE: u64 = 8 << 20;

/// The TLS settings of a client; without TLS nothing is loaded.
pub(super) fn context(tls: bool, relation: &[Authority]) -> TlsContext {
    let mut store = TrustStore::empty();
    if tls {
        for authority in well_known().iter().chain(relation) {
            store.add_pem_certificate(authority.to_pem());
        }
    }
    TlsContext::builder()
        .with_trust_store(store)
        .build()
        .unwrap_or_default()
}

/// The same certificates, for a handshake outside of the client.
pub(super) fn anchors(relation: &[Authority]) -> RootCertStore {
    let mut anchors = RootCertStore::empty();
    for authority in well_known().iter().chain(relation) {
        // Each has stood in such a store before.
        let _ = anchors.add(CertificateDer::from(authority.der()));
    }
    anchors
}

fn well_known() -> Vec<Authority> {
    let bundle = BUNDLES.iter().find_map(|path| {
        let mut pem = Vec::new();
        File::open(path)
            .ok()?
            .take(LARGEST_BUNDLE)
            .read_to_end(&mut pem)
            .ok()?;
        let found = Authority::all_of_pem(&pem);
        (!found.is_empty()).then_some(found)
    });
    bundle.unwrap_or_else(built_in)
}

fn built_in() -> Vec<Authority> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .filter_map(|der| Authority::from_der(der))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_without_a_bundle_still_trusts_the_well_known_authorities() {
        assert!(built_in().len() > 100);
    }
}
