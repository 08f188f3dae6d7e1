//! What the Python charm left in the bucket: read, proven and restored.

#![expect(clippy::unwrap_used, reason = "tests")]

mod objects;
mod survey;
mod world;

use std::fs;
use std::path::Path;

use harness::python_charm::busy_database;
use tempfile::TempDir;

const SECRET: &str = "correct horse battery staple";
const ID: &str = "backup-20240229235959123456";

fn plant(root: &Path, files: &[(&str, &[u8])]) {
    for (name, content) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// A data directory such as that charm had.
fn data() -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let long = format!(
        "media/local_thumbnails/aa/{}/32-32-image-png-crop",
        "b".repeat(150)
    );
    plant(
        data.path(),
        &[
            ("demo.example.signing.key", b"ed25519 a_abcd 0123\n"),
            ("tls.key", b"not ours\n"),
            ("homeserver.yaml", b"server_name: demo.example\n"),
            ("media/local_content/aa/bb/cccc", &[7; 70_000]),
            ("media/remote_content/other.example/aa", b"not saved"),
            (&long, b"thumbnail"),
        ],
    );
    fs::create_dir(data.path().join("media/local_content/empty")).unwrap();
    busy_database(data.path()).unwrap();
    data
}
