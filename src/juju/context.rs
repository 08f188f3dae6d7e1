//! The one place that reads the environment.
//!
//! The unit agent builds the environment from scratch for every hook and action. What is optional there, or differs
//! between Juju 3.6 and 4.0, may be missing here; what nothing works without is named in [`ContextError`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::Event;

/// Everything the unit agent told us when it started us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The unit we are.
    pub unit: UnitName,
    /// The model's name; empty when the agent did not say.
    pub model_name: String,
    /// The model's UUID; empty when the agent did not say.
    pub model_uuid: String,
    /// The version of the unit agent; empty when it did not say.
    pub juju_version: String,
    /// The directory that the charm was unpacked into.
    pub charm_dir: PathBuf,
    /// The proxies that outgoing requests must use.
    pub proxies: Proxies,
    /// Why we were woken.
    pub event: Event,
    /// What the hook tools need to run.
    pub tools: ToolEnvironment,
}

/// The model's proxy settings; what is empty in Juju is `None` here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For plain HTTP.
    pub http: Option<String>,
    /// For HTTPS.
    pub https: Option<String>,
    /// The hosts, domains and networks that are reached without a proxy, separated by commas.
    pub no_proxy: Option<String>,
}

/// Where the hook tools are, and the few variables that they get.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolEnvironment {
    /// The directories to look for the tools in, as in `PATH`.
    pub path: String,
    /// The variables that tell a tool which agent to ask, and for which run.
    pub variables: BTreeMap<String, String>,
}

/// A unit's name, such as `synapse/0`: an application, a slash, a number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitName {
    name: String,
    slash: usize,
}

/// What was wrong with the environment.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ContextError {
    /// A variable that Juju always sets is not there: we were not started by a unit agent.
    #[error("{variable} is not set: this program is started by juju's unit agent")]
    Missing {
        /// The variable's name.
        variable: &'static str,
    },
    /// A variable is set to something that it can never be.
    #[error("{variable} is {value:?}, which is not {expected}")]
    Malformed {
        /// The variable's name.
        variable: &'static str,
        /// What it was set to.
        value: String,
        /// What it should have been.
        expected: &'static str,
    },
}

/// Passed on to hook tools, and nothing else is: a tool has no business with the rest.
const TOOL_VARIABLES: [&str; 4] = [
    "JUJU_CONTEXT_ID",
    "JUJU_AGENT_SOCKET_ADDRESS",
    "JUJU_AGENT_SOCKET_NETWORK",
    "JUJU_AGENT_CA_CERT",
];

impl Context {
    /// Reads the environment of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn from_env() -> Result<Self, ContextError> {
        // What is not UTF-8 cannot be a variable of Juju's.
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::from_map(&variables)
    }

    /// Reads an environment that is already a map.
    pub fn from_map(variables: &BTreeMap<String, String>) -> Result<Self, ContextError> {
        let variables = Variables(variables);
        variables.required("JUJU_CONTEXT_ID")?;
        let tools = ToolEnvironment {
            path: variables.text("PATH"),
            variables: TOOL_VARIABLES
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), variables.optional(name)?)))
                .collect(),
        };
        Ok(Self {
            unit: variables.parsed("JUJU_UNIT_NAME", "a unit name", UnitName::parse)?,
            model_name: variables.text("JUJU_MODEL_NAME"),
            model_uuid: variables.text("JUJU_MODEL_UUID"),
            juju_version: variables.text("JUJU_VERSION"),
            charm_dir: variables
                .optional("JUJU_CHARM_DIR")
                .or_else(|| variables.optional("CHARM_DIR"))
                .map_or_else(|| PathBuf::from("."), PathBuf::from),
            proxies: Proxies::read(&variables),
            event: Event::read(&variables)?,
            tools,
        })
    }
}

impl Proxies {
    /// The charm's own settings first, the model's legacy ones (which Juju exports under the usual names) second.
    fn read(variables: &Variables<'_>) -> Self {
        let first = |names: [&str; 3]| names.iter().find_map(|name| variables.optional(name));
        Self {
            http: first(["JUJU_CHARM_HTTP_PROXY", "http_proxy", "HTTP_PROXY"]),
            https: first(["JUJU_CHARM_HTTPS_PROXY", "https_proxy", "HTTPS_PROXY"]),
            no_proxy: first(["JUJU_CHARM_NO_PROXY", "no_proxy", "NO_PROXY"]),
        }
    }
}

impl UnitName {
    /// Reads `<application>/<number>`.
    pub fn parse(name: &str) -> Option<Self> {
        let (application, number) = name.split_once('/')?;
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        (!application.is_empty() && digits).then(|| Self {
            name: name.to_owned(),
            slash: application.len(),
        })
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The application's name.
    pub fn application(&self) -> &str {
        &self.name[..self.slash]
    }

    /// The unit's number, as text.
    pub fn number(&self) -> &str {
        &self.name[self.slash + 1..]
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The environment with the ways in which we ask it.
pub(super) struct Variables<'a>(pub(super) &'a BTreeMap<String, String>);

impl Variables<'_> {
    /// The value, unless it is unset or empty.
    pub(super) fn optional(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// The value, empty when unset.
    pub(super) fn text(&self, name: &str) -> String {
        self.optional(name).unwrap_or_default()
    }

    /// The value, which must be there and not empty.
    pub(super) fn required(&self, variable: &'static str) -> Result<String, ContextError> {
        self.optional(variable)
            .ok_or(ContextError::Missing { variable })
    }

    /// The value, which must be there and read as what is expected.
    pub(super) fn parsed<T>(
        &self,
        variable: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ContextError> {
        let value = self.required(variable)?;
        parse(&value).ok_or(ContextError::Malformed {
            variable,
            value,
            expected,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn variables(extra: &[(&str, &str)]) -> BTreeMap<String, String> {
        let base = [
            ("JUJU_CONTEXT_ID", "synapse/0-config-changed-0123"),
            ("JUJU_UNIT_NAME", "synapse/0"),
            ("JUJU_DISPATCH_PATH", "hooks/config-changed"),
        ];
        base.iter()
            .chain(extra)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_least_environment_is_enough() {
        let context = Context::from_map(&variables(&[])).unwrap();
        assert_eq!(context.event, Event::ConfigChanged);
        assert_eq!(context.unit.application(), "synapse");
        assert_eq!(context.unit.number(), "0");
        assert_eq!(context.unit.to_string(), "synapse/0");
        assert_eq!(context.charm_dir, PathBuf::from("."));
        assert_eq!(context.proxies, Proxies::default());
        assert_eq!(context.model_name, "");
    }

    #[test]
    fn only_what_hook_tools_need_is_passed_on() {
        let context = Context::from_map(&variables(&[
            ("PATH", "/tools:/bin"),
            ("JUJU_AGENT_SOCKET_ADDRESS", "/agent.socket"),
            ("JUJU_AGENT_SOCKET_NETWORK", "unix"),
            ("JUJU_CHARM_HTTP_PROXY", "http://user:password@proxy:3128"),
            ("AWS_SECRET_ACCESS_KEY", "not-for-tools"),
        ]))
        .unwrap();
        assert_eq!(context.tools.path, "/tools:/bin");
        assert_eq!(
            context.tools.variables.keys().collect::<Vec<_>>(),
            [
                "JUJU_AGENT_SOCKET_ADDRESS",
                "JUJU_AGENT_SOCKET_NETWORK",
                "JUJU_CONTEXT_ID"
            ]
        );
    }

    #[test]
    fn the_charms_proxies_win_over_the_legacy_ones_and_empty_means_none() {
        let context = Context::from_map(&variables(&[
            ("JUJU_CHARM_HTTP_PROXY", "http://charm:1"),
            ("http_proxy", "http://legacy:1"),
            ("JUJU_CHARM_HTTPS_PROXY", ""),
            ("HTTPS_PROXY", "http://legacy:2"),
            ("JUJU_CHARM_NO_PROXY", ""),
        ]))
        .unwrap();
        let expected = Proxies {
            http: Some("http://charm:1".to_owned()),
            https: Some("http://legacy:2".to_owned()),
            no_proxy: None,
        };
        assert_eq!(context.proxies, expected);
    }

    #[test]
    fn what_is_no_wake_up_of_juju_is_named() {
        let error = Context::from_map(&BTreeMap::new()).unwrap_err();
        insta::assert_snapshot!(error, @"JUJU_CONTEXT_ID is not set: this program is started by juju's unit agent");
        let error = Context::from_map(&variables(&[("JUJU_UNIT_NAME", "synapse")])).unwrap_err();
        insta::assert_snapshot!(error, @r#"JUJU_UNIT_NAME is "synapse", which is not a unit name"#);
    }

    #[test]
    fn unit_names_are_an_application_and_a_number() {
        for good in ["synapse/0", "a-b/17"] {
            assert!(UnitName::parse(good).is_some(), "{good}");
        }
        for bad in ["", "synapse", "/0", "synapse/", "synapse/x", "a/0/1"] {
            assert!(UnitName::parse(bad).is_none(), "{bad}");
        }
    }
}
