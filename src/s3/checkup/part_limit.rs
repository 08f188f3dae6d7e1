//! How many parts a store takes, as far as its name tells.

use super::bench::Bench;
use crate::s3::parts::PartPlan;

/// Stores that are known by the end of their host's name.
const KNOWN: [(&str, &str); 8] = [
    (".amazonaws.com", "AWS takes 10,000"),
    (".amazonaws.com.cn", "AWS takes 10,000"),
    (".scw.cloud", "Scaleway takes 1,000"),
    (
        ".r2.cloudflarestorage.com",
        "Cloudflare R2 takes 10,000 and demands equal ones",
    ),
    (".googleapis.com", "Google Cloud Storage takes 10,000"),
    (".backblazeb2.com", "Backblaze B2 takes 10,000"),
    (".wasabisys.com", "Wasabi takes 10,000"),
    (".digitaloceanspaces.com", "DigitalOcean takes 10,000"),
];

/// What we use, and what the store takes.
pub(super) fn told(bench: &Bench) -> String {
    let most = PartPlan::MOST_PARTS;
    let known = of_host(bench.scene.store());
    let known =
        known.unwrap_or("all stores that we know take so many, and the limit itself is not probed");
    format!("at most {most} parts of one size are sent; {known}")
}

/// What is known of a store by its URL.
fn of_host(store: &str) -> Option<&'static str> {
    let rest = store.split_once("://").map_or(store, |(_, rest)| rest);
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    let known = KNOWN.iter().find(|(ending, _)| host.ends_with(ending));
    known.map(|(_, told)| *told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_known_by_their_names() {
        let scaleway = of_host("https://s3.fr-par.scw.cloud:443/");
        assert_eq!(scaleway, Some("Scaleway takes 1,000"));
        let r2 = of_host("https://0123abcd.eu.r2.cloudflarestorage.com");
        assert!(r2.is_some_and(|told| told.contains("equal")));
        assert_eq!(of_host("https://scw.cloud.example.com"), None);
    }
}
