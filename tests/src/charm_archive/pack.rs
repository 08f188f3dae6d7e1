//! Packing the charm: reproducible bytes from checked inputs.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{Archive, check, check_static};

/// The members of our charm with the file each comes from; `dispatch` and `version` are made by the build.
pub const MEMBERS: [(&str, &str); 9] = [
    ("metadata.yaml", "metadata.yaml"),
    ("config.yaml", "config.yaml"),
    ("actions.yaml", "actions.yaml"),
    ("manifest.yaml", "charm/manifest.yaml"),
    ("icon.svg", "charm/icon.svg"),
    ("LICENSE", "LICENSE"),
    ("LICENSE.LGPL-2.0", "charm/LICENSE.LGPL-2.0"),
    ("NOTICE", "NOTICE"),
    ("README.md", "README.md"),
];

/// What was packed.
#[derive(Debug)]
pub struct Packed {
    /// The size of the archive in bytes.
    pub archive: u64,
    /// The size of the program in it, in bytes.
    pub program: u64,
}

/// Packs the charm whose sources lie in `root`, with the program `dispatch`, and writes it to `out`.
///
/// The same inputs give the same bytes. Nothing is written unless the inputs are good: the program static, the files
/// there and by Juju's rules.
pub fn pack(root: &Path, dispatch: &Path, out: &Path) -> Result<Packed> {
    let program = fs::read(dispatch)
        .with_context(|| format!("cannot read the program {}", dispatch.display()))?;
    check_static(&program)
        .with_context(|| format!("{} cannot be packed as dispatch", dispatch.display()))?;

    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, source) in MEMBERS {
        let source = root.join(source);
        let contents =
            fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?;
        ensure!(!contents.is_empty(), "{} is empty", source.display());
        add(&mut zip, name, 0o644, &contents)?;
    }
    add(
        &mut zip,
        "version",
        0o644,
        format!("{}\n", env!("CARGO_PKG_VERSION")).as_bytes(),
    )?;
    add(&mut zip, "dispatch", 0o755, &program)?;
    let bytes = zip
        .finish()
        .context("cannot finish the archive")?
        .into_inner();

    Archive::read(&bytes)
        .and_then(|archive| check(&archive))
        .context("Juju would refuse the charm")?;
    if let Some(directory) = out.parent() {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    fs::write(out, &bytes).with_context(|| format!("cannot write {}", out.display()))?;
    Ok(Packed {
        archive: bytes.len() as u64,
        program: program.len() as u64,
    })
}

/// Adds a member with the mode, and always the same time, which Juju gives to the unpacked file.
fn add(zip: &mut ZipWriter<Cursor<Vec<u8>>>, name: &str, mode: u32, contents: &[u8]) -> Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(mode);
    zip.start_file(name, options)
        .with_context(|| format!("cannot add {name}"))?;
    zip.write_all(contents)
        .with_context(|| format!("cannot add {name}"))
}
