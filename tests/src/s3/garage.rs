//! Garage on one node.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::daemon::{Daemon, free_addresses, run, status};
use super::running::{Keys, Running, part};

/// How long it may take to answer.
const START: Duration = Duration::from_secs(60);
/// The name it has for its region, and insists on.
const REGION: &str = "garage";
/// It takes no keys but such.
const ACCESS: &str = "GK31c2f218a2e44f485b94239e";
const SECRET: &str = "b892c0665f0ada8a4755dae98baa3b133590e11dae3bcc1f9d769d67f16c3835";
const STRANGER: &str = "GK0123456789abcdef01234567";
const STRANGERS_SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Starts it and waits until it answers.
pub(super) fn start() -> Result<Running> {
    let program = part("garage")?;
    let directory = tempfile::tempdir().context("no temporary directory")?;
    let [s3, rpc, admin] = free_addresses()?;
    let (meta, data) = (directory.path().join("meta"), directory.path().join("data"));
    let config = directory.path().join("garage.toml");
    let text = format!(
        r#"metadata_dir = "{meta}"
data_dir = "{data}"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "{rpc}"
rpc_public_addr = "{rpc}"
rpc_secret = "{SECRET}"
[s3_api]
s3_region = "{REGION}"
api_bind_addr = "{s3}"
[admin]
api_bind_addr = "{admin}"
"#,
        meta = meta.display(),
        data = data.display(),
    );
    fs::write(&config, text)?;
    let mut command = garage(&program, &config);
    command
        .env("GARAGE_DEFAULT_ACCESS_KEY", ACCESS)
        .env("GARAGE_DEFAULT_SECRET_KEY", SECRET)
        .args(["server", "--single-node", "--default-access-key"]);
    let mut daemon = Daemon::start("Garage", &mut command, &directory.path().join("log"))?;
    daemon.wait(START, || status(admin, "/health") == Some(200))?;
    run(garage(&program, &config).args(["key", "allow", "--create-bucket", ACCESS]))?;
    let stranger = ["key", "import", "--yes", STRANGER, STRANGERS_SECRET];
    run(garage(&program, &config).args(stranger))?;
    let mut running = Running::plain(s3, vec![Box::new(daemon), Box::new(directory)]);
    running.region = Some(REGION);
    running.keys = Keys {
        access: ACCESS.to_owned(),
        secret: SECRET.to_owned(),
    };
    running.stranger = Some(Keys {
        access: STRANGER.to_owned(),
        secret: STRANGERS_SECRET.to_owned(),
    });
    Ok(running)
}

fn garage(program: &Path, config: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("RUST_LOG", "error")
        .arg("-c")
        .arg(config);
    command
}
