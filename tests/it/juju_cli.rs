//! The `juju` look-alike: the model behind it, the order of hooks, and the texts a user sees.
//!
//! The units live on the bare machine and their charm is a shell script; what pods add is shown by `pod`
//! and `story`. Behaviours of the agent's list that concern the model are named here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod secrets;
mod tasks;
mod world;

use std::fs;

use serde_json::{Value, json};

use world::World;

#[test]
fn a_first_start_runs_the_hooks_in_their_order() {
    let world = World::new("status-set active; application-version-set 1.127.1; open-port 8008");
    world.deploy();
    let order = [
        "install",
        "cache-storage-attached",
        "data-storage-attached",
        "synapse-peers-relation-created",
        "leader-elected",
        "config-changed",
        "start",
        "synapse-pebble-ready",
    ];
    assert_eq!(world.woken("synapse-0"), order);
    let status = world.status();
    let synapse = &status["applications"]["synapse"];
    assert_eq!(synapse["application-status"]["current"], "active");
    assert_eq!(synapse["version"], "1.127.1");
    assert_eq!(synapse["units"]["synapse/0"]["leader"], true);
    assert_eq!(
        synapse["units"]["synapse/0"]["open-ports"],
        json!(["8008/tcp"])
    );

    let table = world.juju("status");
    assert!(
        table.contains("synapse/0*  active    idle   127.0.0.1  8008/tcp"),
        "{table}"
    );
}

#[test]
fn the_integrator_publishes_when_the_charm_has_written_its_bucket() {
    let world = World::new(
        "case $JUJU_DISPATCH_PATH in
         *-relation-created) [ $JUJU_RELATION = backup ] && is-leader && relation-set --app bucket=relation-x ;;
         *backup-relation-changed) relation-get --app --format=json - s3-integrator > ../seen ;;
         esac; true",
    );
    world.deploy();
    world.juju("deploy s3-integrator --channel 1/stable");
    let integrator =
        || world.status()["applications"]["s3-integrator"]["application-status"].clone();
    assert_eq!(
        integrator()["message"],
        "Missing parameters: ['access-key', 'secret-key']"
    );
    world.juju(
        "config s3-integrator endpoint=http://127.0.0.1:9000 region=us-east-1 s3-uri-style=path",
    );
    let answer =
        world.juju("run s3-integrator/leader sync-s3-credentials access-key=AK secret-key=SK");
    assert_eq!(answer, "ok: Credentials successfully updated.\n\n");
    assert_eq!(integrator()["current"], "active");

    world.woken("synapse-0");
    world.juju("integrate synapse:backup s3-integrator");
    let order = [
        "backup-relation-created",
        "backup-relation-joined s3-integrator/0",
        "backup-relation-changed s3-integrator/0",
        "backup-relation-changed",
    ];
    assert_eq!(world.woken("synapse-0"), order);
    let seen = || -> Value {
        serde_json::from_str(
            &fs::read_to_string(world.agent_dir("synapse-0").join("seen")).unwrap(),
        )
        .unwrap()
    };
    let mut expected = json!({
        "access-key": "AK",
        "secret-key": "SK",
        "bucket": "relation-x",
        "data": "{\"bucket\":\"relation-x\"}",
        "endpoint": "http://127.0.0.1:9000",
        "region": "us-east-1",
        "s3-uri-style": "path",
    });
    assert_eq!(
        seen(),
        expected,
        "without a bucket of its own it echoes ours"
    );

    world.juju("config s3-integrator bucket=backups");
    expected["bucket"] = json!("backups");
    assert_eq!(seen(), expected);
    let info = world.juju("run s3-integrator/0 get-s3-connection-info");
    assert!(info.contains("secret-key: '************'"), "{info}");

    world.woken("synapse-0");
    let (code, text) = world.fails("integrate synapse s3-integrator");
    assert_eq!((code, text.contains("already exists")), (1, true), "{text}");
    world.juju("remove-relation synapse s3-integrator");
    assert_eq!(
        world.woken("synapse-0"),
        [
            "backup-relation-departed s3-integrator/0",
            "backup-relation-broken"
        ]
    );
    assert_eq!(
        world.status()["applications"]["synapse"]["relations"]["backup"],
        Value::Null
    );
}

#[test]
fn juju_config_checks_types_and_wakes_the_charm_only_when_something_changed() {
    let world = World::new("config-get --format=json > ../config");
    world.deploy();
    let seen = || fs::read_to_string(world.agent_dir("synapse-0").join("config")).unwrap();
    assert_eq!(
        seen(),
        "{\"report_stats\":false,\"workers\":2}\n",
        "defaults are applied, unset is left out"
    );
    world.woken("synapse-0");
    world.juju("config synapse server_name=example.org workers=3 report_stats=True");
    assert_eq!(
        seen(),
        "{\"report_stats\":true,\"server_name\":\"example.org\",\"workers\":3}\n"
    );
    world.juju("config synapse server_name=example.org");
    assert_eq!(world.woken("synapse-0"), ["config-changed"]);
    assert_eq!(world.juju("config synapse server_name"), "example.org\n");
    world.juju("config synapse --reset server_name,workers");
    assert_eq!(world.juju("config synapse workers"), "2\n");
    assert!(world.juju("config synapse").contains(
        "  workers:\n    default: 2\n    description: \"\"\n    source: default\n    type: int\n    value: 2\n"
    ));
    let (code, text) = world.fails("config synapse workers=many");
    assert_eq!(code, 1);
    assert_eq!(
        text,
        "ERROR parsing settings for application: option \"workers\" expected int, got \"many\"\n"
    );
    let (_, text) = world.fails("config synapse nope=1");
    assert_eq!(
        text,
        "ERROR parsing settings for application: unknown option \"nope\"\n"
    );
}

#[test]
fn behaviour_10_a_non_leader_sees_and_writes_less() {
    let world =
        World::new("[ $JUJU_HOOK_NAME != leader-elected ] || relation-set -r 0 --app admin=done");
    world.deploy();
    world.juju("deploy s3-integrator");
    world.juju("integrate synapse s3-integrator");
    world.woken("synapse-0");
    world.juju("add-unit synapse");
    assert_eq!(
        world.woken("synapse-0"),
        [
            "synapse-peers-relation-joined synapse/1",
            "synapse-peers-relation-changed synapse/1"
        ]
    );
    let started = world.woken("synapse-1");
    assert!(
        started.contains(&"leader-settings-changed".to_owned()),
        "{started:?}"
    );
    let relation = world.juju("status --relations");
    assert!(
        relation.contains("s3-integrator:s3-credentials"),
        "{relation}"
    );

    let model: Value =
        serde_json::from_str(&fs::read_to_string(world.model().join("model.json")).unwrap())
            .unwrap();
    assert_eq!(
        model["relations"][0]["ends"][0]["endpoint"],
        "synapse-peers"
    );
    assert_eq!(model["relations"][2]["ends"][0]["endpoint"], "backup");
    let script =
        "{ relation-get -r 0 --app --format=json - synapse; relation-get -r 2 --app - synapse
                    relation-set -r 2 --app k=v; } 2>&1";
    let output = world
        .command("exec --unit synapse/1 --")
        .arg(script)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "{\"admin\":\"done\"}\nERROR permission denied\nERROR cannot write relation settings\n"
    );
}

#[test]
fn behaviour_11_a_relation_that_breaks_is_not_listed_any_more() {
    let world = World::new(
        "case $JUJU_DISPATCH_PATH in
         *-relation-broken) { relation-ids backup --format=json; relation-list --format=json; } > ../broken ;;
         esac",
    );
    world.deploy();
    world.juju("deploy s3-integrator");
    world.juju("integrate synapse s3-integrator");
    world.juju("remove-relation synapse s3-integrator");
    let seen = fs::read_to_string(world.agent_dir("synapse-0").join("broken")).unwrap();
    assert_eq!(seen, "[]\n[]\n");
}

#[test]
fn behaviour_17_storage_is_absent_before_it_is_attached_and_its_path_depends_on_the_version() {
    let script = "storage-list --format=json >> ../storage; [ -z \"$JUJU_STORAGE_ID\" ] || storage-get location >> ../storage";
    for (version, cache) in [
        ("3.6", "/var/lib/juju/storage/cache/0"),
        ("4.0", "/var/lib/juju/storage/cache-0"),
    ] {
        let world = World::of(version, script);
        world.deploy();
        let seen = fs::read_to_string(world.agent_dir("synapse-0").join("storage")).unwrap();
        let expected = format!("[]\n[\"cache/0\"]\n{cache}\n[\"cache/0\",\"data/1\"]\n/data\n");
        assert!(seen.starts_with(&expected), "{seen}");
    }
}

#[test]
fn behaviour_18_a_replaced_pod_gets_its_charm_anew_and_is_woken_in_order() {
    let world = World::new("touch left-over");
    world.deploy();
    world.woken("synapse-0");
    assert!(
        world
            .agent_dir("synapse-0")
            .join("charm/left-over")
            .exists()
    );
    world.pack("true");
    world.juju("lever replace-pod synapse/0");
    let order = [
        "stop",
        "upgrade-charm",
        "config-changed",
        "start",
        "synapse-pebble-ready",
    ];
    assert_eq!(world.woken("synapse-0"), order);
    assert!(
        world
            .agent_dir("synapse-0")
            .join("charm/left-over")
            .exists(),
        "the old charm came back, and ran"
    );
    world.juju("refresh synapse --path ./synapse.charm");
    assert_eq!(world.woken("synapse-0"), order);
    assert!(
        !world
            .agent_dir("synapse-0")
            .join("charm/left-over")
            .exists(),
        "nothing but the new charm is there"
    );
    world.juju("lever restart-agent synapse/0");
    assert_eq!(world.woken("synapse-0"), ["start", "synapse-pebble-ready"]);
    world.juju("lever hook synapse/0 update-status");
    assert_eq!(world.woken("synapse-0"), ["update-status"]);
}

#[test]
fn behaviour_5_a_failed_flush_puts_the_unit_in_error_and_the_hook_is_tried_again() {
    let world = World::new("relation-set -r 0 --app k=v");
    world.deploy();
    world.juju("lever fail-flush synapse/0 quota");
    world.juju("config synapse workers=9");
    let unit = || {
        world.status()["applications"]["synapse"]["units"]["synapse/0"]["workload-status"].clone()
    };
    assert_eq!(unit()["current"], "error");
    assert_eq!(unit()["message"], "hook failed: \"config-changed\"");
    assert!(
        world
            .log()
            .contains("ERROR juju.worker.uniter.operation hook \"config-changed\"")
    );
    world.juju("run synapse/0 create-backup");
    assert_ne!(
        unit()["current"],
        "error",
        "actions run in between, and then the hook succeeds"
    );
}

#[test]
fn a_hook_in_error_is_retried_by_the_next_command_or_skipped_by_resolved() {
    let world = World::new("[ $JUJU_HOOK_NAME != config-changed ] || [ -e ../fixed ]");
    world.deploy();
    assert_eq!(world.woken("synapse-0").last().unwrap(), "config-changed");
    world.juju("lever settle");
    assert_eq!(world.woken("synapse-0"), ["config-changed"]);
    world.juju("resolved synapse/0 --no-retry");
    assert_eq!(world.woken("synapse-0"), ["start", "synapse-pebble-ready"]);
}

#[test]
fn a_tool_that_is_not_simulated_puts_the_unit_in_error() {
    let world = World::new("[ $JUJU_HOOK_NAME != start ] || goal-state; true");
    world.deploy();
    let message =
        world.status()["applications"]["synapse"]["application-status"]["message"].clone();
    assert_eq!(
        message,
        "hook failed: \"start\": the charm called hook tools that are not simulated: goal-state"
    );
}

#[test]
fn applications_and_models_go_without_leaving_anything() {
    let world = World::new("cat ../woken >> ../../../../../../../all");
    world.deploy();
    world.juju("remove-application synapse --no-prompt");
    assert_eq!(world.status()["applications"], json!({}));
    let all = fs::read_to_string(world.dir.path().join("all")).unwrap();
    assert!(all.ends_with(
        "hooks/stop\nhooks/cache-storage-detaching\nhooks/data-storage-detaching\nhooks/remove\n"
    ));
    assert_eq!(
        fs::read_dir(world.model().join("units")).unwrap().count(),
        0
    );
    world.juju("destroy-model demo --no-prompt");
    assert!(!world.model().exists());
    let (code, text) = world.fails("status");
    assert_eq!(code, 1);
    assert!(text.starts_with("ERROR No model in focus"), "{text}");
}

#[test]
fn what_is_typed_wrong_is_said_with_exit_2() {
    let world = World::new("true");
    assert_eq!(world.fails("juggle").0, 2);
    assert_eq!(
        world.fails("status --nope"),
        (
            2,
            "ERROR option provided but not defined: --nope\n".to_owned()
        )
    );
    let (code, text) = world.fails("deploy ./synapse.charm");
    assert_eq!(
        (code, text.as_str()),
        (
            1,
            "ERROR local charm missing OCI images for: synapse-image\n"
        )
    );
    assert!(
        world
            .fails("deploy ./none.charm --resource a=b")
            .1
            .contains("none.charm")
    );
}
