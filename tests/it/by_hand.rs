//! The commands of `docs/how-to/recover-by-hand.md`, run as they stand there: from a bucket and a passphrase to a Synapse
//! that serves its users.

#![expect(clippy::unwrap_used, reason = "tests")]

mod page;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::demo::Story;
use harness::matrix::{Diary, Homeserver, picture};
use harness::parts;
use harness::pod::{Pod, WORKLOAD_ID};
use harness::world::World;
use synapse_operator::pebble::{Client, Layer, Service};

use page::Page;

const UNIT: &str = "synapse/0";
const SERVER: &str = "demo.example";
/// What could break a shell, or a file that is read by one.
const PASSPHRASE: &str = r#"it's "a" $PASSPHRASE, 100 % \safe"#;

/// A server with a backup of several volumes on a real S3 server.
struct Scene {
    world: World,
    diary: Diary,
    id: String,
}

impl Scene {
    fn new() -> Self {
        let world = World::with_versitygw().unwrap();
        let (_, mut diary) = Story::inhabited(&world).unwrap();
        for option in [
            &format!("backup_passphrase={PASSPHRASE}"),
            "backup_volume_size=1MiB",
        ] {
            let set = world.juju(&["config", "synapse", option]).unwrap();
            set.success().unwrap();
        }
        diary.open_room("Travel").unwrap();
        diary.write("We are at the sea.").unwrap();
        diary.post("sea.png", &picture(1)).unwrap();
        for number in 0..4 {
            let session = diary.session();
            session
                .upload("large", "application/octet-stream", &vec![number; 900_000])
                .unwrap();
        }
        let created = world.act(UNIT, &["create-backup"]).unwrap();
        let created = created.success().unwrap();
        let volumes: u32 = created["volumes"].as_str().unwrap().parse().unwrap();
        assert!(volumes >= 4, "{created}");
        Self {
            id: created["backup-id"].as_str().unwrap().to_owned(),
            world,
            diary,
        }
    }

    fn folder(&self) -> PathBuf {
        self.world.store().bucket().join(SERVER).join(&self.id)
    }

    /// Runs the page in an empty directory; gives how it ended, and what it printed.
    fn recover(&self, page: &Page, way: &str, called: &str) -> (bool, String, PathBuf) {
        let directory = self.world.path(called);
        for room in ["here", "root", "gnupg"] {
            fs::create_dir_all(directory.join(room)).unwrap();
        }
        let gnupg = directory.join("gnupg");
        fs::set_permissions(&gnupg, fs::Permissions::from_mode(0o700)).unwrap();
        let store = self.world.store();
        let place = format!("{}/{SERVER}", store.fact("bucket"));
        let owner = fs::metadata(&directory).unwrap();
        let owner = match owner.uid() {
            0 => format!("{WORKLOAD_ID}:{WORKLOAD_ID}"),
            own => format!("{own}:{}", owner.gid()),
        };
        let root = directory.join("root").display().to_string();
        let values = [
            ("ENDPOINT", store.fact("endpoint")),
            ("REGION", "us-east-1".to_owned()),
            ("PLACE", place),
            ("ID", self.id.clone()),
            ("ROOT", root.clone()),
            ("OWNER", owner),
            ("AWS_ACCESS_KEY_ID", store.fact("access-key")),
            ("AWS_SECRET_ACCESS_KEY", store.fact("secret-key")),
        ];
        let script = page.script(way, &values);
        let here = directory.join("here");
        fs::write(here.join("passphrase"), format!("{PASSPHRASE}\n")).unwrap();
        let mut bash = Command::new("bash");
        bash.args(["-c", &script]).current_dir(&here);
        bash.env("GNUPGHOME", &gnupg).env("LC_ALL", "C");
        for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            bash.env_remove(proxy);
        }
        let output = bash.output().unwrap();
        // gpg leaves an agent running for its home.
        let mut agent = Command::new("gpgconf");
        agent.arg("--homedir").arg(&gnupg);
        let _ = agent.args(["--kill", "gpg-agent"]).output();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        (output.status.success(), printed, PathBuf::from(root))
    }
}

/// A Synapse without any charm, on data that somebody has put there.
fn start_synapse(world: &World, data: &Path) -> (Pod, Homeserver) {
    let keeper = std::process::id().cast_signed();
    let place = world.path("hand/synapse-0");
    let pod = Pod::create_kept_by(Some(keeper), &place, UNIT).unwrap();
    let there = pod.host_path(Path::new("/data"));
    fs::remove_dir(&there).unwrap();
    fs::rename(data, &there).unwrap();
    pod.start_workload().unwrap();
    let command = "python3 -m synapse.app.homeserver --config-path /data/homeserver.yaml";
    let service = Service {
        command: Some(command.to_owned()),
        user_id: Some(991),
        group_id: Some(991),
        ..Service::default()
    };
    let layer = Layer {
        services: [("synapse".to_owned(), service)].into(),
        ..Layer::default()
    };
    let socket = pod.host_path(Path::new("/charm/containers/synapse/pebble.socket"));
    let client = Client::new(socket);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        client.add_layer("hand", &layer).await.unwrap();
        let patience = Duration::from_secs(60);
        client.start(&["synapse"], patience).await.unwrap();
    });
    let homeserver = Homeserver::at(pod.address());
    homeserver.wait_healthy(Duration::from_secs(60)).unwrap();
    (pod, homeserver)
}

#[test]
fn the_commands_of_the_page_bring_back_a_server_without_the_charm() {
    for program in ["curl", "gpg", "tar", "sha256sum"] {
        parts::machine_program(program, program).unwrap();
    }
    let page = Page::read();
    let scene = Scene::new();
    // Whoever recovers by hand has no other server of that name.
    scene.world.pod(UNIT).unwrap().kill_all().unwrap();

    let mut ways = vec!["curl"];
    match parts::machine_program("aws", "awscli") {
        Ok(_) => ways.push("aws"),
        Err(missing) => eprintln!("only curl is tried: {missing:#}"),
    }
    let mut roots = Vec::new();
    for way in ways {
        let (good, printed, root) = scene.recover(&page, way, &format!("by-{way}"));
        println!("{way}:\n{printed}");
        assert!(good, "with {way}:\n{printed}");
        assert!(printed.matches("is whole").count() >= 4, "{printed}");
        roots.push(root);
    }
    let (pod, homeserver) = start_synapse(&scene.world, &roots[0].join("data"));
    scene.diary.check(&homeserver).unwrap();
    pod.kill_all().unwrap();

    // Whatever is altered in the bucket stops it, by name.
    let objects = [
        "volume-0001.tar.gpg",
        "volume-0003.tar.gpg",
        "manifest.json",
    ];
    for name in objects {
        let path = scene.folder().join(name);
        let whole = fs::read(&path).unwrap();
        let mut altered = whole.clone();
        let at = altered.len() - 30;
        altered[at] ^= 1;
        fs::write(&path, altered).unwrap();
        let (good, printed, root) = scene.recover(&page, "curl", &format!("without-{name}"));
        let stem = name.split('.').next().unwrap();
        assert!(!good && printed.contains(stem), "{name}: {printed}");
        assert!(!root.join("data").exists(), "{name} was used");
        fs::write(&path, whole).unwrap();
    }
    scene.world.finish().unwrap();
}
