//! The `juju` look-alike: the commands of the README against a model kept in a directory.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(harness::juju::cli::main(std::env::args().skip(1).collect()))
}
