//! The relation that names the bucket: what we write so that an integrator speaks to us, and what it says.
//!
//! There are two generations of the interface, and nobody says which one is at the other end:
//!
//! ```text
//! v0 (s3-integrator 1)  is silent until it is asked for a bucket; writes its keys into the bag
//! v1 (s3-integrator 2)  writes lib-version at once; answers who has written lib-version; its keys are in a secret if they
//!                       were requested as one; makes the bucket that it is asked for if it has none
//! ```
//!
//! So the first request is that of v1, which v0 passes over. Whoever has not written lib-version by the next hook is asked
//! for a bucket, too, and that wish is taken back from a v1 that only was slow, because nobody has ordered a bucket to be
//! made. Only the leader writes; every unit reads.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;

use super::{Charm, failure};
use crate::juju::{Databag, RelationId, SecretError, ToolError, Tools};
use crate::s3::{Keys, Params, Problem};

/// Our endpoint.
pub(super) const BACKUP: &str = "backup";
/// What we want to get as a secret.
const SECRETS: &str = r#"["access-key", "secret-key"]"#;
/// The version of the interface that we speak.
const VERSION: &str = "1.0";
/// The keys without which there is nothing to be done.
const CREDENTIALS: [&str; 2] = ["access-key", "secret-key"];

/// What the S3 integrator has told us.
#[derive(Debug)]
pub(super) enum BackupRelation {
    /// There is no relation.
    Absent,
    /// It has said nothing yet.
    Silent,
    /// It has not given all credentials yet, or not let us read them.
    Partial {
        /// What is missing, as a fragment.
        cause: String,
        /// What can be done if it stays so.
        hint: String,
    },
    /// What it says cannot be used.
    Invalid(Vec<Problem>),
    /// A bucket and the keys to it.
    Ready(Box<Params>),
}

/// What is to be written so that the other end speaks to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asking {
    pub(super) relation: RelationId,
    /// An empty value takes a key back.
    pub(super) settings: BTreeMap<String, String>,
}

/// The other end's bag, as it is.
pub(super) struct Told {
    relation: RelationId,
    bag: Databag,
}

/// What was read of a relation: its settings with the secret ones among them, or why those are missing.
enum Settings {
    Read(BTreeMap<String, String>),
    Unreadable(SecretError),
}

impl Told {
    /// Reads the other end's bag, if there is a relation.
    pub(super) async fn read(tools: &Tools) -> Result<Option<Self>, ToolError> {
        let Some(relation) = tools.relation_ids(BACKUP).await?.into_iter().next() else {
            return Ok(None);
        };
        let bag = match tools.relation_app(&relation).await? {
            Some(provider) => tools.relation_get(&relation, &provider).await?,
            None => Databag::default(),
        };
        Ok(Some(Self { relation, bag }))
    }

    /// What is left to be asked for; nothing for a unit that may not ask.
    pub(super) async fn asking(&self, charm: &Charm) -> Result<Option<Asking>, ToolError> {
        if !charm.tools.is_leader().await? {
            return Ok(None);
        }
        let tools = &charm.tools;
        let own = tools
            .relation_get(&self.relation, charm.application())
            .await?;
        let settings = request(&self.relation, &self.bag, &own);
        Ok((!settings.is_empty()).then(|| Asking {
            relation: self.relation.clone(),
            settings,
        }))
    }

    /// What the other end says, its secret included.
    pub(super) async fn understood(&self, tools: &Tools) -> Result<BackupRelation, ToolError> {
        if self.bag.as_map().keys().all(|key| is_prelude(key)) {
            return Ok(BackupRelation::Silent);
        }
        let settings = match self.settings(tools).await? {
            Settings::Read(settings) => settings,
            Settings::Unreadable(error) => {
                return Ok(BackupRelation::Partial {
                    cause: format!("the S3 integrator's secret cannot be read: {error}"),
                    hint: "wait for the integrator; if it stays, remove the relation and integrate again".to_owned(),
                });
            }
        };
        Ok(match Params::parse(&settings) {
            Ok(params) => BackupRelation::Ready(Box::new(params)),
            Err(problems) => self.problems(&settings, problems),
        })
    }

    /// Credentials that are missing, and nothing else, are on their way.
    fn problems(
        &self,
        settings: &BTreeMap<String, String>,
        problems: Vec<Problem>,
    ) -> BackupRelation {
        let absent = |key: &&str| settings.get(*key).is_none_or(|text| text.trim().is_empty());
        let missing: Vec<&str> = CREDENTIALS.into_iter().filter(absent).collect();
        let awaited = |problem: &Problem| missing.contains(&problem.key);
        if !problems.iter().all(awaited) {
            return BackupRelation::Invalid(problems);
        }
        let hint = match is_v1(&self.bag) {
            true => {
                "give it a secret: juju config s3-integrator credentials=<secret>, and juju grant-secret"
            }
            false => "run its action sync-s3-credentials",
        };
        BackupRelation::Partial {
            cause: format!(
                "the S3 integrator has not given {} yet",
                missing.join(" and ")
            ),
            hint: hint.to_owned(),
        }
    }

    async fn settings(&self, tools: &Tools) -> Result<Settings, ToolError> {
        let mut settings = self.bag.as_map().clone();
        let Some(uri) = self.bag.get("secret-extra") else {
            return Ok(Settings::Read(settings));
        };
        let number = self.relation.number();
        let label = format!("{BACKUP}.{number}.extra.secret");
        let mut read = tools.secret_get_as(uri, &label).await;
        if let Err(SecretError::Tool(ToolError::Failed { .. })) = &read {
            // The label may still be that of an earlier secret of the same relation.
            read = tools.secret_get(uri).await;
        }
        let content = match read {
            Ok(content) => content,
            Err(SecretError::Tool(error)) if !matches!(error, ToolError::Failed { .. }) => {
                return Err(error);
            }
            Err(error) => return Ok(Settings::Unreadable(error)),
        };
        let content = content.into_iter();
        settings.extend(content.map(|(key, value)| (key, value.expose_secret().to_owned())));
        Ok(Settings::Read(settings))
    }
}

/// Reads what the S3 integrator has told us.
pub(super) async fn backup_relation(charm: &Charm) -> Result<BackupRelation, ToolError> {
    match Told::read(&charm.tools).await? {
        Some(told) => told.understood(&charm.tools).await,
        None => Ok(BackupRelation::Absent),
    }
}

/// The newest keys, for a backup whose keys are refused half-way; nothing when they cannot be read any more.
pub(super) async fn newest_keys(tools: &Tools) -> Option<Keys> {
    let settings = match Told::read(tools).await {
        Ok(Some(told)) => told.settings(tools).await,
        Ok(None) => return None,
        Err(error) => Err(error),
    };
    match settings {
        Ok(Settings::Read(settings)) => Keys::read(&settings),
        Ok(Settings::Unreadable(error)) => {
            tracing::warn!("{}", failure::chain(&error));
            None
        }
        Err(error) => {
            tracing::warn!("{}", failure::chain(&error));
            None
        }
    }
}

/// What has to be written into our own bag; pure.
fn request(relation: &RelationId, told: &Databag, own: &Databag) -> BTreeMap<String, String> {
    const BUCKET: &str = "bucket";
    let mut settings = BTreeMap::new();
    for (key, value) in [("lib-version", VERSION), ("requested-secrets", SECRETS)] {
        if own.get(key) != Some(value) {
            settings.insert(key.to_owned(), value.to_owned());
        }
    }
    let wish = format!("relation-{}", relation.number());
    let asked_before = own.get("lib-version").is_some();
    let silent = told.as_map().is_empty();
    match own.get(BUCKET) {
        Some(ours) if is_v1(told) && ours == wish => {
            settings.insert(BUCKET.to_owned(), String::new());
        }
        None if !is_v1(told) && (asked_before || !silent) => {
            settings.insert(BUCKET.to_owned(), wish);
        }
        Some(_) | None => (),
    }
    settings
}

/// Whether the other end speaks version 1 or newer.
fn is_v1(told: &Databag) -> bool {
    let version = told.get("lib-version").unwrap_or_default();
    let major = version.trim().split('.').next().unwrap_or_default();
    major.parse::<u32>().is_ok_and(|major| major >= 1)
}

/// Whether a key is one that is written before anything is said.
fn is_prelude(key: &str) -> bool {
    matches!(key, "data" | "lib-version" | "version")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn bag(pairs: &[(&str, &str)]) -> Databag {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Databag::from(pairs.collect::<BTreeMap<_, _>>())
    }

    /// Our bag after what was left to be asked for was written.
    fn asked(told: &Databag, own: &Databag) -> Databag {
        let mut all = own.as_map().clone();
        all.extend(request(&RelationId::parse("backup:7").unwrap(), told, own));
        all.retain(|_, value| !value.is_empty());
        all.into()
    }

    fn keys(bag: &Databag) -> String {
        let pairs = bag.as_map().iter();
        let pairs = pairs.filter(|(key, _)| *key != "requested-secrets");
        pairs
            .map(|(key, value)| format!("{key}={value} "))
            .collect()
    }

    const BOTH: &str = "bucket=relation-7 lib-version=1.0 ";
    const FIRST: &str = "lib-version=1.0 ";

    #[test]
    fn first_generation_is_asked_for_a_bucket_with_the_second_hook() {
        let nothing = Databag::default();
        let created = asked(&nothing, &nothing);
        assert_eq!(keys(&created), FIRST);
        let joined = asked(&nothing, &created);
        assert_eq!(keys(&joined), BOTH);
        // It says something before we ask, as after a refresh of this charm, and later on.
        let told = bag(&[("data", "{}"), ("bucket", "demo")]);
        assert_eq!(keys(&asked(&told, &nothing)), BOTH);
        assert_eq!(
            asked(&told, &joined),
            joined,
            "nothing is left to be asked for"
        );
    }

    #[test]
    fn second_generation_is_never_asked_for_a_bucket_to_be_made() {
        let nothing = Databag::default();
        let told = bag(&[("lib-version", "1.0")]);
        for before in [
            nothing.clone(),
            asked(&nothing, &nothing),
            asked(&nothing, &asked(&nothing, &nothing)),
            bag(&[("bucket", "relation-7")]),
        ] {
            let asked = asked(&told, &before);
            assert_eq!(keys(&asked), FIRST);
            assert_eq!(asked.get("requested-secrets"), Some(SECRETS));
        }
    }

    #[test]
    fn versions_are_read_by_their_first_number() {
        let told = |version| is_v1(&bag(&[("lib-version", version)]));
        assert!(["1.0", "1", "2.3", " 10.0"].into_iter().all(told));
        assert!(!["0.9", "", "x", "-1"].into_iter().any(told));
    }

    #[test]
    fn missing_credentials_alone_are_waited_for() {
        let problems = |pairs: &[(&str, &str)]| {
            let bag = bag(pairs);
            let problems = Params::parse(bag.as_map()).unwrap_err();
            let settings = bag.as_map().clone();
            let told = Told {
                relation: RelationId::parse("backup:7").unwrap(),
                bag,
            };
            match told.problems(&settings, problems) {
                BackupRelation::Partial { cause, hint } => format!("{cause}, {hint}"),
                BackupRelation::Invalid(problems) => problems.len().to_string(),
                other => format!("{other:?}"),
            }
        };
        let place = [("bucket", "demo"), ("endpoint", "http://s3")];
        let with = |more: &[(&'static str, &'static str)]| [&place, more].concat();
        assert_eq!(
            problems(&with(&[("access-key", "a")])),
            "the S3 integrator has not given secret-key yet, run its action sync-s3-credentials"
        );
        assert!(
            problems(&with(&[("lib-version", "1.0")]))
                .contains("access-key and secret-key yet, give it a secret")
        );
        assert_eq!(
            problems(&with(&[("access-key", "a b")])),
            "2",
            "a key that is wrong is told at once"
        );
        assert_eq!(problems(&[("access-key", "a")]), "3");
    }
}
