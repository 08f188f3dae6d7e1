//! The environment of a run.

use std::collections::BTreeMap;
use std::fs;

use harness::juju::agent::Verdict;
use harness::juju::context::{Context, Run};
use serde_json::json;

use super::house::{House, action, context, hook};

/// The variables of a run's environment, as the script's `env` shows them.
pub(super) fn environment(context: Context) -> (House, BTreeMap<String, String>) {
    let house = House::new("env > seen; pwd > cwd; cat > stdin; id -u > uid");
    assert_eq!(house.simply(context).verdict, Verdict::Completed);
    let seen = house.wrote("seen");
    // The shell's own additions.
    let own = ["PWD", "OLDPWD", "SHLVL", "_"];
    let variables = seen
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| !own.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let variables = variables.collect();
    (house, variables)
}

/// What every run gets.
pub(super) const COMMON: &[&str] = &[
    "APT_LISTCHANGES_FRONTEND",
    "CHARM_DIR",
    "CLOUD_API_VERSION",
    "DEBIAN_FRONTEND",
    "JUJU_AGENT_SOCKET_ADDRESS",
    "JUJU_AGENT_SOCKET_NETWORK",
    "JUJU_API_ADDRESSES",
    "JUJU_AVAILABILITY_ZONE",
    "JUJU_CHARM_DIR",
    "JUJU_CHARM_FTP_PROXY",
    "JUJU_CHARM_HTTPS_PROXY",
    "JUJU_CHARM_HTTP_PROXY",
    "JUJU_CHARM_NO_PROXY",
    "JUJU_CONTEXT_ID",
    "JUJU_DISPATCH_PATH",
    "JUJU_HOOK_NAME",
    "JUJU_MACHINE_ID",
    "JUJU_MODEL_NAME",
    "JUJU_MODEL_UUID",
    "JUJU_PRINCIPAL_UNIT",
    "JUJU_SLA",
    "JUJU_UNIT_NAME",
    "JUJU_VERSION",
    "KUBERNETES_PORT",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "KUBERNETES_SERVICE_PORT_HTTPS",
    "LANG",
    "PATH",
    "TERM",
];

#[test]
fn behaviour_1_the_environment_is_made_afresh() {
    let (house, variables) = environment(hook("config-changed"));
    assert_eq!(
        variables.keys().collect::<Vec<_>>(),
        COMMON,
        "no HOME, no USER, nothing of ours"
    );
    assert_eq!(variables["JUJU_DISPATCH_PATH"], "hooks/config-changed");
    assert_eq!(variables["JUJU_HOOK_NAME"], "config-changed");
    assert!(variables["JUJU_CONTEXT_ID"].starts_with("synapse/0-config-changed-"));
    assert!(variables["PATH"].starts_with(house.unit.tools_dir(&house.data()).to_str().unwrap()));
    assert!(variables["PATH"].ends_with(":/charm/bin"));
    let charm = fs::canonicalize(house.charm()).unwrap();
    assert_eq!(fs::canonicalize(house.wrote("cwd").trim()).unwrap(), charm);
    assert_eq!(house.wrote("stdin"), "");
    assert_eq!(
        house.wrote("uid").trim(),
        rustix::process::getuid().as_raw().to_string()
    );
}

#[test]
fn behaviour_1_each_kind_of_run_gets_its_own_variables() {
    let extra = |context: Context| -> BTreeMap<String, String> {
        let (_, variables) = environment(context);
        variables
            .into_iter()
            .filter(|(name, _)| !COMMON.contains(&name.as_str()))
            .collect()
    };
    let expect = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let changed = |unit: &str| Run::Relation {
        name: "backup-relation-changed".to_owned(),
        relation: 7,
        remote_app: "s3-integrator".to_owned(),
        remote_unit: unit.to_owned(),
        departing_unit: String::new(),
    };
    assert_eq!(
        extra(context(changed(""))),
        expect(&[
            ("JUJU_RELATION", "backup"),
            ("JUJU_RELATION_ID", "backup:7"),
            ("JUJU_REMOTE_APP", "s3-integrator"),
            ("JUJU_REMOTE_UNIT", ""),
        ]),
    );
    assert_eq!(
        extra(context(changed("s3-integrator/0")))["JUJU_REMOTE_UNIT"],
        "s3-integrator/0"
    );
    assert_eq!(
        extra(context(Run::Storage {
            name: "data-storage-attached".to_owned(),
            storage: "data/0".to_owned()
        })),
        expect(&[
            ("JUJU_STORAGE_ID", "data/0"),
            ("JUJU_STORAGE_KIND", "filesystem"),
            ("JUJU_STORAGE_LOCATION", "/data"),
        ]),
    );
    let ready = Run::Workload {
        name: "synapse-pebble-ready".to_owned(),
        workload: "synapse".to_owned(),
        notice: None,
        check: None,
    };
    assert_eq!(
        extra(context(ready)),
        expect(&[("JUJU_WORKLOAD_NAME", "synapse")])
    );
    let (_, variables) = environment(action(json!({})));
    assert_eq!(variables["JUJU_ACTION_NAME"], "create-backup");
    assert_eq!(variables["JUJU_ACTION_UUID"], "2");
    assert_eq!(variables["JUJU_ACTION_TAG"], "action-2");
    assert_eq!(variables["JUJU_HOOK_NAME"], "", "set, but empty");
    assert_eq!(variables["JUJU_DISPATCH_PATH"], "actions/create-backup");
}
