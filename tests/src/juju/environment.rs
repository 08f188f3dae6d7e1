//! The environment that a run of the charm gets: what Juju sets, and nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use super::context::{Context, Flavour, Run};
use super::unit::UnitName;

/// What of the model is told to every run.
#[derive(Clone, Debug)]
pub struct ModelFacts {
    /// The model's name.
    pub name: String,
    /// The model's UUID.
    pub uuid: String,
    /// `juju-http-proxy`, `juju-https-proxy`, `juju-ftp-proxy`, `juju-no-proxy`; empty when unset.
    pub proxies: [String; 4],
}

impl Default for ModelFacts {
    fn default() -> Self {
        ModelFacts {
            name: "demo".to_owned(),
            uuid: "f47ac10b-58cc-4372-a567-0e02b2c3d479".to_owned(),
            proxies: Default::default(),
        }
    }
}

impl Flavour {
    /// The version that the agent tells.
    pub fn version(self) -> &'static str {
        match self {
            Flavour::V3 => "3.6.28",
            Flavour::V4 => "4.0.15",
        }
    }
}

/// The environment of one run. `data_dir` is `/var/lib/juju` as the charm sees it.
pub(super) fn of_run(
    unit: &UnitName,
    data_dir: &Path,
    context_id: &str,
    model: &ModelFacts,
    context: &Context,
) -> BTreeMap<String, String> {
    let tools = unit.tools_dir(data_dir);
    let charm = unit.charm_dir(data_dir).display().to_string();
    let socket = unit.socket(data_dir).display().to_string();
    let path = format!(
        "{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/charm/bin",
        tools.display()
    );
    let unit_name = unit.to_string();
    let [http, https, ftp, no_proxy] = &model.proxies;
    let mut variables: Vec<(&str, &str)> = vec![
        ("PATH", &path),
        ("JUJU_CHARM_DIR", &charm),
        ("CHARM_DIR", &charm),
        ("JUJU_CONTEXT_ID", context_id),
        ("JUJU_AGENT_SOCKET_ADDRESS", &socket),
        ("JUJU_AGENT_SOCKET_NETWORK", "unix"),
        ("JUJU_UNIT_NAME", &unit_name),
        ("JUJU_MODEL_NAME", &model.name),
        ("JUJU_MODEL_UUID", &model.uuid),
        ("JUJU_VERSION", context.flavour.version()),
        ("JUJU_API_ADDRESSES", "10.152.183.2:17070"),
        ("JUJU_PRINCIPAL_UNIT", ""),
        ("JUJU_MACHINE_ID", ""),
        ("JUJU_AVAILABILITY_ZONE", ""),
        ("CLOUD_API_VERSION", "1.30.0"),
        ("JUJU_CHARM_HTTP_PROXY", http),
        ("JUJU_CHARM_HTTPS_PROXY", https),
        ("JUJU_CHARM_FTP_PROXY", ftp),
        ("JUJU_CHARM_NO_PROXY", no_proxy),
        ("KUBERNETES_SERVICE_HOST", "10.152.183.1"),
        ("KUBERNETES_SERVICE_PORT", "443"),
        ("KUBERNETES_SERVICE_PORT_HTTPS", "443"),
        ("KUBERNETES_PORT", "tcp://10.152.183.1:443"),
        ("LANG", "C.UTF-8"),
        ("TERM", "tmux-256color"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("APT_LISTCHANGES_FRONTEND", "none"),
    ];
    if context.flavour == Flavour::V3 {
        variables.push(("JUJU_SLA", "unsupported"));
    }
    let mut environment: BTreeMap<String, String> = variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    environment.extend(of_kind(context));
    environment
}

/// What is set for this kind of run only.
fn of_kind(context: &Context) -> Vec<(String, String)> {
    let run = &context.run;
    let dispatch = match run {
        Run::Exec { .. } => return Vec::new(),
        Run::Action { name, .. } => format!("actions/{name}"),
        run => format!("hooks/{}", run.name()),
    };
    let hook = if run.is_action() { "" } else { run.name() };
    let mut extra = vec![
        ("JUJU_DISPATCH_PATH", dispatch),
        ("JUJU_HOOK_NAME", hook.to_owned()),
    ];
    match run {
        Run::Hook { .. } | Run::Exec { .. } => {}
        Run::Relation {
            relation,
            remote_app,
            remote_unit,
            departing_unit,
            ..
        } => {
            let found = context.relations.iter().find(|known| known.id == *relation);
            if let Some(found) = found {
                extra.push(("JUJU_RELATION", found.endpoint.clone()));
                extra.push(("JUJU_RELATION_ID", found.full_id()));
            }
            extra.push(("JUJU_REMOTE_UNIT", remote_unit.clone()));
            extra.push(("JUJU_REMOTE_APP", remote_app.clone()));
            if !departing_unit.is_empty() {
                extra.push(("JUJU_DEPARTING_UNIT", departing_unit.clone()));
            }
        }
        Run::Storage { storage, .. } => {
            let found = context.storage.iter().find(|known| known.id == *storage);
            extra.push(("JUJU_STORAGE_ID", storage.clone()));
            if let Some(found) = found {
                extra.push(("JUJU_STORAGE_LOCATION", found.location.clone()));
                extra.push(("JUJU_STORAGE_KIND", found.kind.clone()));
            }
        }
        Run::Workload {
            workload,
            notice,
            check,
            ..
        } => {
            extra.push(("JUJU_WORKLOAD_NAME", workload.clone()));
            if let Some((id, kind, key)) = notice {
                extra.push(("JUJU_NOTICE_ID", id.clone()));
                extra.push(("JUJU_NOTICE_TYPE", kind.clone()));
                extra.push(("JUJU_NOTICE_KEY", key.clone()));
            }
            if let Some(check) = check {
                extra.push(("JUJU_PEBBLE_CHECK_NAME", check.clone()));
            }
        }
        Run::Secret { secret, label, .. } => {
            extra.push(("JUJU_SECRET_ID", format!("secret:{secret}")));
            extra.push(("JUJU_SECRET_LABEL", label.clone()));
        }
        Run::Action { name, task, .. } => {
            extra.push(("JUJU_ACTION_NAME", name.clone()));
            extra.push(("JUJU_ACTION_UUID", task.to_string()));
            extra.push(("JUJU_ACTION_TAG", format!("action-{task}")));
        }
    }
    extra
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
