//! Which certificates a store may show.
//!
//! Trusted are, together: Mozilla's list as it was when this program was built, the certificates of the container's own
//! bundle where there is one, and those of the relation. The bundle is read here from the usual places and handed over as
//! values, because the HTTP client's own way looks at the environment and ends the program when a certificate does not
//! parse.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use rustls::RootCertStore;

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
        for authority in all(relation) {
            store.add_pem_certificate(authority.to_pem());
        }
    }
    TlsContext::builder()
        .with_trust_store(store)
        .build()
        .unwrap_or_default()
}

/// The same, for a handshake of our own.
pub(super) fn anchors(relation: &[Authority]) -> RootCertStore {
    let mut store = RootCertStore::empty();
    for authority in all(relation) {
        // It has stood in such a store before.
        let _ = store.add(authority.der());
    }
    store
}

/// All that are trusted, each once.
fn all(relation: &[Authority]) -> Vec<Authority> {
    let mut known = HashSet::new();
    let every = built_in().into_iter().chain(systems());
    let every = every.chain(relation.iter().cloned());
    every.filter(|one| known.insert(one.clone())).collect()
}

/// The certificates of the container's own bundle.
fn systems() -> Vec<Authority> {
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
    bundle.unwrap_or_default()
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

    #[test]
    fn the_three_sources_are_trusted_together_and_each_certificate_once() {
        let alone = all(&[]);
        let of = |source: Vec<Authority>| source.iter().all(|one| alone.contains(one));
        assert!(of(built_in()) && of(systems()));
        let known = built_in().remove(0);
        assert_eq!(all(&[known]), alone);
        assert_eq!(anchors(&[]).len(), alone.len());
    }
}
