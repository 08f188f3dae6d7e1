//! The charm's `dispatch`.

use std::process::ExitCode;

fn main() -> ExitCode {
    synapse_operator::charm::main()
}
