//! The `homeserver.yaml` of a rehearsal; pure.

use serde_json::json;

use crate::synapse::secrets::{FORM_SECRET, MACAROON_SECRET, REGISTRATION_SECRET};
use crate::synapse::{DATABASE, MEDIA, ServerName, below_data};

/// Where nothing listens: whatever is sent there does not leave the machine.
const NOWHERE: &str = "http://127.0.0.1:1";

/// A path of the data volume, as it is called below another directory.
pub(super) fn below(directory: &str, path: &str) -> String {
    format!("{directory}/{}", below_data(path))
}

/// Writes the configuration of a Synapse that works on a staged data directory, given by its absolute path in the
/// workload, for one who asks on a port of the loopback, and that has nothing to do with the rest of the world.
pub fn homeserver_yaml(
    staged: &str,
    server_name: &ServerName,
    port: u16,
) -> Result<String, serde_yaml::Error> {
    let document = json!({
        "server_name": server_name,
        "listeners": [{
            "port": port,
            "bind_addresses": ["127.0.0.1"],
            "type": "http",
            "tls": false,
            "resources": [{ "names": ["client", "health"], "compress": false }],
        }],
        "database": { "name": "sqlite3", "args": { "database": below(staged, DATABASE) } },
        "media_store_path": below(staged, MEDIA),
        "signing_key_path": below(staged, &server_name.signing_key_path()),
        "macaroon_secret_key_path": below(staged, MACAROON_SECRET),
        "form_secret_path": below(staged, FORM_SECRET),
        "registration_shared_secret_path": below(staged, REGISTRATION_SECRET),
        // Nothing is sent to other servers, and nothing asked of them.
        "send_federation": false,
        "federation_domain_whitelist": [],
        "trusted_key_servers": [],
        "suppress_key_server_warning": true,
        "allow_public_rooms_over_federation": false,
        "limit_remote_rooms": { "enabled": true, "complexity": 0.0 },
        // Nor to anybody else.
        "start_pushers": false,
        "report_stats": false,
        "url_preview_enabled": false,
        "ip_range_blocklist": ["0.0.0.0/0", "::/0"],
        "app_service_config_files": [],
        "modules": [],
        // What it does by the clock belongs to a worker that there is not.
        "run_background_tasks_on": "nobody",
        "update_user_directory_from_worker": "nobody",
        "notify_appservices_from_worker": "nobody",
        "presence": { "enabled": false },
        "stats": { "enabled": false },
        "retention": { "enabled": false },
        "enable_registration": false,
        "enable_metrics": false,
    });
    serde_yaml::to_string(&document)
}

/// What a rehearsal's Synapse finds in its environment, besides what the container has.
pub(super) fn environment() -> Vec<(&'static str, &'static str)> {
    let mut variables = vec![("HOME", "/nonexistent"), ("PYTHONSAFEPATH", "1")];
    let proxies = ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"];
    variables.extend(proxies.map(|name| (name, NOWHERE)));
    variables.extend(["no_proxy", "NO_PROXY"].map(|name| (name, "")));
    variables
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    #[test]
    fn the_configuration_of_a_rehearsal_reads_like_this() {
        let name = ServerName::parse("example.org").unwrap();
        let yaml = homeserver_yaml("/data/scratch", &name, 40001).unwrap();
        insta::assert_snapshot!(yaml, @r"
        allow_public_rooms_over_federation: false
        app_service_config_files: []
        database:
          args:
            database: /data/scratch/homeserver.db
          name: sqlite3
        enable_metrics: false
        enable_registration: false
        federation_domain_whitelist: []
        form_secret_path: /data/scratch/form.secret
        ip_range_blocklist:
        - 0.0.0.0/0
        - ::/0
        limit_remote_rooms:
          complexity: 0.0
          enabled: true
        listeners:
        - bind_addresses:
          - 127.0.0.1
          port: 40001
          resources:
          - compress: false
            names:
            - client
            - health
          tls: false
          type: http
        macaroon_secret_key_path: /data/scratch/macaroon.secret
        media_store_path: /data/scratch/media
        modules: []
        notify_appservices_from_worker: nobody
        presence:
          enabled: false
        registration_shared_secret_path: /data/scratch/registration.secret
        report_stats: false
        retention:
          enabled: false
        run_background_tasks_on: nobody
        send_federation: false
        server_name: example.org
        signing_key_path: /data/scratch/example.org.signing.key
        start_pushers: false
        stats:
          enabled: false
        suppress_key_server_warning: true
        trusted_key_servers: []
        update_user_directory_from_worker: nobody
        url_preview_enabled: false
        ");
    }
}
