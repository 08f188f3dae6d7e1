//! Settings to a Pebble layer; pure.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::pebble::{Check, HttpCheck, Layer, Override, Service, Span, Startup};

use super::{CHECK, CONFIG, DATA, GID, PORT, SERVICE, UID};

/// The label under which the layer is added.
pub const LABEL: &str = "synapse";

/// The variable by which Pebble notices that a file changed, and so restarts Synapse on replan.
const DIGEST: &str = "SYNAPSE_CONFIG_DIGEST";

/// Describes the service and its check, for a server that is configured by these two texts.
///
/// Equal texts give an equal layer, and then a replan does nothing.
pub fn layer(homeserver_yaml: &str, log_config: &str) -> Layer {
    let service = Service {
        r#override: Override::Replace,
        summary: Some("Matrix homeserver".to_owned()),
        startup: Some(Startup::Enabled),
        command: Some(format!(
            "python3 -m synapse.app.homeserver --config-path {CONFIG}"
        )),
        environment: environment(homeserver_yaml, log_config),
        user_id: Some(UID),
        group_id: Some(GID),
        working_dir: Some(DATA.to_owned()),
        // A clean stop folds the write-ahead log into the database.
        kill_delay: Some(Span(Duration::from_secs(30))),
        ..Service::default()
    };
    let check = Check {
        r#override: Override::Replace,
        level: Some("ready".to_owned()),
        period: Some(Span(Duration::from_secs(10))),
        timeout: Some(Span(Duration::from_secs(3))),
        threshold: Some(3),
        http: Some(HttpCheck {
            url: format!("http://localhost:{PORT}/health"),
            ..HttpCheck::default()
        }),
        ..Check::default()
    };
    Layer {
        summary: Some("Synapse, as the charm wants it".to_owned()),
        services: BTreeMap::from([(SERVICE.to_owned(), service)]),
        checks: BTreeMap::from([(CHECK.to_owned(), check)]),
        ..Layer::default()
    }
}

fn environment(homeserver_yaml: &str, log_config: &str) -> BTreeMap<String, String> {
    let variables = [
        (DIGEST, digest(&[homeserver_yaml, log_config])),
        // The daemon runs as root, and its home is not Synapse's to write to.
        ("HOME", "/nonexistent".to_owned()),
        // Else `python3 -m` looks for modules in the working directory first, which holds what users sent.
        ("PYTHONSAFEPATH", "1".to_owned()),
    ];
    variables
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

/// A digest of several texts that no other division of the same characters shares.
fn digest(texts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    digest
        .finalize()
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    #[test]
    fn the_layer_reads_like_this() {
        insta::assert_snapshot!(serde_yaml::to_string(&layer("a", "b")).unwrap(), @r"
        summary: Synapse, as the charm wants it
        services:
          synapse:
            override: replace
            summary: Matrix homeserver
            startup: enabled
            command: python3 -m synapse.app.homeserver --config-path /data/homeserver.yaml
            environment:
              HOME: /nonexistent
              PYTHONSAFEPATH: '1'
              SYNAPSE_CONFIG_DIGEST: 3c9d591045bc8876f9d0399bbfb05c6a412096e906f73278f98406cd5dca86df
            user-id: 991
            group-id: 991
            working-dir: /data
            kill-delay: 30s
        checks:
          synapse-alive:
            override: replace
            level: ready
            period: 10s
            timeout: 3s
            threshold: 3
            http:
              url: http://localhost:8008/health
        ");
    }

    #[test]
    fn the_layer_changes_when_a_text_does_and_only_then() {
        assert_eq!(layer("a", "b"), layer("a", "b"));
        for other in [
            layer("a", "c"),
            layer("c", "b"),
            layer("ab", ""),
            layer("b", "a"),
        ] {
            assert_ne!(layer("a", "b"), other);
        }
    }
}
