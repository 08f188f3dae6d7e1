//! Calls about secrets: the one that reads.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::{ToolError, Tools};

/// What a secret holds, by key.
pub type SecretContent = BTreeMap<String, SecretString>;

/// Why a secret could not be read. None of it tells any of the content.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The application may not read it: the operator has not granted it.
    #[error("this application may not read the secret {uri}")]
    NotGranted {
        /// What was asked for.
        uri: String,
    },
    /// There is no such secret in the model.
    #[error("there is no secret {uri}")]
    NotFound {
        /// What was asked for.
        uri: String,
    },
    /// What was asked for is not the URI of a secret, such as a secret's name.
    #[error("{uri} is not the URI of a secret")]
    NotUri {
        /// What was asked for.
        uri: String,
    },
    /// The tool failed in another way.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

impl Tools {
    /// Reads the newest content of a secret, and keeps to that revision from then on.
    ///
    /// Juju wakes the charm when there is a newer one, but only if it has read the secret before.
    pub async fn secret_get(&self, uri: &str) -> Result<SecretContent, SecretError> {
        self.read_secret(uri, &["--refresh", "--format=json", "--", uri])
            .await
    }

    /// The same, and gives the secret a label by which Juju names it to us from then on.
    pub async fn secret_get_as(
        &self,
        uri: &str,
        label: &str,
    ) -> Result<SecretContent, SecretError> {
        let label = format!("--label={label}");
        self.read_secret(uri, &["--refresh", "--format=json", &label, "--", uri])
            .await
    }

    async fn read_secret(
        &self,
        uri: &str,
        arguments: &[&str],
    ) -> Result<SecretContent, SecretError> {
        let asked: Result<BTreeMap<String, String>, ToolError> =
            self.ask("secret-get", arguments).await;
        let content = asked.map_err(|error| sort(error, uri))?.into_iter();
        Ok(content
            .map(|(key, value)| (key, SecretString::from(value)))
            .collect())
    }
}

/// Tells Juju's refusals apart, which only their words do.
fn sort(error: ToolError, uri: &str) -> SecretError {
    let uri = uri.to_owned();
    match &error {
        ToolError::Failed { message, .. } if message.contains("permission denied") => {
            SecretError::NotGranted { uri }
        }
        ToolError::Failed { message, .. } if message.ends_with("not found") => {
            SecretError::NotFound { uri }
        }
        ToolError::Refused { message, .. } if message.ends_with("not valid") => {
            SecretError::NotUri { uri }
        }
        _ => SecretError::Tool(error),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::super::tests::{Bench, block_on};
    use super::*;

    #[test]
    fn a_secret_that_is_not_to_be_had_tells_why() {
        const URI: &str = "secret:9m4e2mr0ui3e8a215n5g";
        let bench = Bench::new(&["secret-get"]);
        let ask = |uri| block_on(bench.tools().secret_get(uri)).unwrap_err();
        bench.answer("secret-get", "", "ERROR permission denied\n", 1);
        assert!(matches!(ask(URI), SecretError::NotGranted { uri } if uri == URI));
        let gone = "ERROR secret \"9m4e2mr0ui3e8a215n5g\" not found\n";
        bench.answer("secret-get", "", gone, 1);
        assert!(matches!(ask(URI), SecretError::NotFound { uri } if uri == URI));
        let name = "ERROR secret URI \"secret:backup\" not valid\n";
        bench.answer("secret-get", "", name, 2);
        assert!(matches!(ask("secret:backup"), SecretError::NotUri { .. }));
        bench.answer("secret-get", "", "ERROR connection refused\n", 1);
        assert!(matches!(
            ask(URI),
            SecretError::Tool(ToolError::Failed { .. })
        ));
    }
}
