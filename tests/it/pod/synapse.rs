//! A real Synapse in a pod, started by hand through Pebble and used through the pod's address.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use harness::matrix::{Diary, Homeserver, picture};
use harness::pod::WORKLOAD_ID;

use super::{Kept, is_root, printed};

#[test]
fn a_real_synapse_runs_under_pebble_and_serves_a_user_at_the_pods_address() {
    let kept = Kept::new();
    kept.pod.start_workload().unwrap();

    kept.workload("chown 991:991 /data");
    let generate = "cd /data && python3 -m synapse.app.homeserver --server-name demo.example --config-path /data/homeserver.yaml \
                    --generate-config --report-stats=no --data-directory /data > /tmp/generate 2>&1 && chown -R 991:991 /data";
    kept.workload(generate);
    let layer = "\
services:
  synapse:
    override: replace
    command: python3 -m synapse.app.homeserver --config-path /data/homeserver.yaml
    working-dir: /data
    user-id: 991
    group-id: 991
";
    fs::write(
        kept.pod.workload_host_path(Path::new("/tmp/layer.yaml")),
        layer,
    )
    .unwrap();
    let client = r#"
import http.client, json, socket
connection = http.client.HTTPConnection('localhost')
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect('/charm/container/pebble.socket')
def post(path, body):
    connection.request('POST', path, json.dumps(body), {'Content-Type': 'application/json'})
    answer = json.load(connection.getresponse())
    assert answer['status-code'] < 300, answer
post('/v1/layers', {'action': 'add', 'label': 'test', 'combine': True, 'format': 'yaml', 'layer': open('/tmp/layer.yaml').read()})
post('/v1/services', {'action': 'start', 'services': ['synapse']})
"#;
    printed(&mut kept.pod.workload_command(&["python3", "-c", client]));

    let homeserver = Homeserver::at(kept.pod.address());
    homeserver.wait_healthy(Duration::from_secs(60)).unwrap();
    let owner = kept
        .pod
        .host_path(Path::new("/data/homeserver.db"))
        .metadata()
        .unwrap()
        .uid();
    assert_eq!(
        owner,
        if is_root() {
            WORKLOAD_ID
        } else {
            rustix::process::geteuid().as_raw()
        }
    );

    kept.workload(
        "register_new_matrix_user --config /data/homeserver.yaml --no-admin --user anna --password secret http://localhost:8008 \
         > /tmp/register 2>&1",
    );
    let mut diary = Diary::begin(&homeserver, "anna", "secret").unwrap();
    assert_eq!(diary.session().user_id(), "@anna:demo.example");
    diary.open_room("Travel").unwrap();
    diary.write("Hello").unwrap();
    diary.post("sea.png", &picture(1)).unwrap();
    diary.write("Is it not beautiful? \u{1f30a}").unwrap();
    assert_eq!((diary.messages(), diary.files()), (3, 1));
    diary.check(&homeserver).unwrap();
}
