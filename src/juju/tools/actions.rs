//! Calls that only an action may make.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ARGUMENT_LIMIT, ToolError, Tools, argument};

/// How many bytes of results go into one call: far from what Linux takes for all arguments together.
const RESULTS_IN_ONE_CALL: usize = 256 * 1024;

/// The most bytes of one progress message or failure: a person reads it.
const MESSAGE_LIMIT: usize = 8 * 1024;

impl Tools {
    /// Reads the action's parameters.
    pub async fn action_get(&self) -> Result<BTreeMap<String, Value>, ToolError> {
        let parameters: Option<BTreeMap<String, Value>> =
            self.ask("action-get", &["--format=json"]).await?;
        Ok(parameters.unwrap_or_default())
    }

    /// Sets results of the action; a dot in a key makes a map, and setting a key again replaces its value.
    ///
    /// A result that is too long for Juju is refused before any is set. Keys must be such as [`is_result_key`] takes.
    pub async fn action_set(&self, results: &BTreeMap<String, String>) -> Result<(), ToolError> {
        let mut calls: Vec<Vec<String>> = Vec::new();
        let mut bytes = RESULTS_IN_ONE_CALL;
        for (key, value) in results {
            debug_assert!(
                is_result_key(key),
                "juju refuses {key:?} as key of an action result"
            );
            let result = format!("{key}={}", value.replace('\0', "\u{fffd}"));
            if result.len() > ARGUMENT_LIMIT {
                return Err(ToolError::ResultTooLong {
                    key: key.clone(),
                    bytes: result.len(),
                });
            }
            bytes += result.len();
            match calls.last_mut() {
                Some(call) if bytes <= RESULTS_IN_ONE_CALL => call.push(result),
                _ => {
                    bytes = result.len();
                    calls.push(vec![result]);
                }
            }
        }
        for call in &calls {
            let mut arguments = vec!["--"];
            arguments.extend(call.iter().map(String::as_str));
            self.tell("action-set", &arguments).await?;
        }
        Ok(())
    }

    /// Marks the action as failed; end the process with exit code 0 afterwards, or Juju replaces the message.
    pub async fn action_fail(&self, message: &str) -> Result<(), ToolError> {
        self.tell("action-fail", &["--", &argument(message, MESSAGE_LIMIT)])
            .await
    }

    /// Shows progress to whoever waits for the action. Juju 3.6 keeps about a thousand of these for one task.
    pub async fn action_log(&self, message: &str) -> Result<(), ToolError> {
        self.tell("action-log", &["--", &argument(message, MESSAGE_LIMIT)])
            .await
    }
}

/// Tells whether Juju takes a key for an action result.
///
/// Each part between dots is made of lower-case letters, digits and inner hyphens, and is no name that Juju reserves
/// for what the action printed. `return-code` is refused here too: Juju would overwrite it.
pub fn is_result_key(key: &str) -> bool {
    const RESERVED: [&str; 5] = [
        "stdout",
        "stdout-encoding",
        "stderr",
        "stderr-encoding",
        "return-code",
    ];
    key.split('.').all(|part| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        part.bytes().all(|byte| plain(byte) || byte == b'-')
            && part.bytes().next().is_some_and(plain)
            && part.bytes().next_back().is_some_and(plain)
            && !RESERVED.contains(&part)
    })
}
