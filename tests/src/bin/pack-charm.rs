//! Packs the charm: `pack-charm <dispatch> <archive>`, run by `make charm`.

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use harness::charm_archive::pack;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pack-charm: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [dispatch, out] = arguments.as_slice() else {
        bail!("usage: pack-charm <dispatch> <archive>, in the top directory of the sources");
    };
    let packed = pack(Path::new("."), Path::new(dispatch), Path::new(out))?;
    println!(
        "packed {} ({:.1} MB, dispatch {:.1} MB)",
        Path::new(out).display(),
        packed.archive as f64 / 1e6,
        packed.program as f64 / 1e6
    );
    Ok(())
}
