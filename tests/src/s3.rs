//! S3 stores for the suite and the demo: one in this process that takes faults, and real ones that others wrote.

mod answers;
mod ceph;
mod certificates;
mod copies;
mod daemon;
mod echo;
mod faults;
mod front;
mod garage;
mod held;
mod keys;
mod minio;
mod pages;
mod policy;
mod quirks;
mod raw;
mod requests;
mod running;
mod s3proxy;
mod s3rver;
mod server;
mod shelf;
mod store;
mod toxiproxy;
mod uploads;
mod versitygw;

pub use certificates::{Certificate, CertificateAuthority};
pub use faults::{Effect, Fault};
pub use front::Front;
pub use policy::Policy;
pub use quirks::{Hint, Quirk};
pub use raw::{Asked, Raw, Reply};
pub use requests::Operation;
pub use running::{Keys, Product, Running};
pub use server::{Options, Server};
pub use toxiproxy::{Toxic, Toxiproxy, Way};
pub use versitygw::{Versitygw, find_versitygw};

use std::collections::BTreeMap;

/// What the provider of an `s3` relation writes into its databag for a store and a bucket.
#[must_use]
pub fn relation_data(
    endpoint: &str,
    access_key: &str,
    secret_key: &str,
    bucket: &str,
) -> BTreeMap<String, String> {
    [
        ("access-key", access_key),
        ("secret-key", secret_key),
        ("bucket", bucket),
        ("endpoint", endpoint),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}
