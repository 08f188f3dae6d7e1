//! What mends an item, as a command that can be typed.

use crate::charm::Charm;
use crate::juju::ToolError;
use crate::s3::Remedy;

/// The endpoint of the backup relation.
const BACKUP: &str = "backup";
/// What the provider is called when there is none yet.
const USUAL: &str = "s3-integrator";

/// Whom the commands are for.
pub(super) struct Provider {
    application: String,
    /// Whether its credentials lie in a Juju secret, as those of s3-integrator's track 2.
    secret: bool,
}

impl Provider {
    /// The application at the other end of the relation, or the usual one.
    pub(super) async fn find(charm: &Charm) -> Result<Self, ToolError> {
        let mut found = Self {
            application: USUAL.to_owned(),
            secret: false,
        };
        let Some(relation) = charm.tools.relation_ids(BACKUP).await?.into_iter().next() else {
            return Ok(found);
        };
        if let Some(application) = charm.tools.relation_app(&relation).await? {
            let told = charm.tools.relation_get(&relation, &application).await?;
            found.secret = ["secret-extra", "lib-version"]
                .iter()
                .any(|key| told.get(key).is_some());
            found.application = application;
        }
        Ok(found)
    }

    /// The command, or the words when there is none.
    pub(super) fn command(&self, remedy: &Remedy) -> String {
        let application = &self.application;
        match remedy {
            Remedy::Set { key, value } => format!("juju config {application} {key}={value}"),
            Remedy::Allow { action, resource } => format!(
                "allow {action} on {resource} in the key's policy: docs/reference/iam-policy.json"
            ),
            Remedy::Credentials if self.secret => format!(
                "juju update-secret <the secret of {application}> access-key=... secret-key=..."
            ),
            Remedy::Credentials => format!(
                "juju run {application}/leader sync-s3-credentials access-key=... secret-key=..."
            ),
            Remedy::Proxy(host) => format!(
                "juju model-config juju-http-proxy=... juju-https-proxy=..., or leave {host} out of them with juju-no-proxy"
            ),
            Remedy::Advice(text) => text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_are_commands_for_the_provider_that_is_there() {
        let provider = |secret| Provider {
            application: "minio-keys".to_owned(),
            secret,
        };
        let set = Remedy::Set {
            key: "region",
            value: "eu-west-1".to_owned(),
        };
        assert_eq!(
            provider(false).command(&set),
            "juju config minio-keys region=eu-west-1"
        );
        let keys = [false, true].map(|secret| provider(secret).command(&Remedy::Credentials));
        assert!(keys[0].starts_with("juju run minio-keys/leader sync-s3-credentials"));
        assert!(keys[1].starts_with("juju update-secret"));
    }
}
