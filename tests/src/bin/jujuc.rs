//! The hook tools: one program under many names, which hands everything to the agent.

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, io};

use harness::juju::socket::{self, Request};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(text) => {
            eprintln!("ERROR {text}");
            ExitCode::from(1)
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let mut args = Vec::new();
    for arg in env::args_os() {
        args.push(
            arg.into_string()
                .map_err(|arg| format!("bad request: argument {arg:?} is no UTF-8"))?,
        );
    }
    let program = PathBuf::from(args.remove(0));
    let tool = program
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
        .to_owned();
    let context = required("JUJU_CONTEXT_ID")?;
    let address = required("JUJU_AGENT_SOCKET_ADDRESS")?;
    let cwd = env::current_dir().map_err(|error| error.to_string())?;
    let request = Request {
        context,
        tool,
        argv: args,
        cwd,
    };
    let outcome = socket::ask(address.as_ref(), &request, &mut io::stdin())
        .map_err(|error| error.to_string())?;
    print!("{}", outcome.stdout);
    eprint!("{}", outcome.stderr);
    Ok(ExitCode::from(outcome.exit))
}

fn required(name: &str) -> Result<String, String> {
    env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("{name} not set"))
}
