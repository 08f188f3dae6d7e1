//! The stand-in's command line, as far as Juju and the suite use it.

use anyhow::{Context, bail};

use super::command;
use super::server::Server;

/// The version of Pebble that the stand-in stands in for.
pub(crate) const VERSION: &str = "v1.26.0";

/// The options of `run`.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) create_dirs: bool,
    pub(crate) hold: bool,
    pub(crate) verbose: bool,
    pub(crate) http: Option<String>,
}

/// Does what a command line asks: `run`, `version --client`, or something of services to a daemon. What it does not know it refuses.
///
/// # Errors
/// When the command line makes no sense or the daemon cannot begin.
pub fn main(arguments: &[String]) -> anyhow::Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["version", "--client"] => {
            use std::io::Write as _;
            writeln!(std::io::stdout(), "{VERSION}")?;
            Ok(())
        }
        ["run", options @ ..] => {
            let options = Run::parse(options)?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_stack_size(1 << 20)
                .enable_all()
                .build()
                .context("cannot begin")?;
            let result = runtime.block_on(Server::run(&options));
            runtime.shutdown_background();
            result
        }
        [action @ ("start" | "stop" | "restart"), names @ ..] if !names.is_empty() => {
            command::services(action, names)
        }
        _ => bail!(
            "the Pebble stand-in knows only `run`, `start`, `stop`, `restart` and `version --client`, not {arguments:?}"
        ),
    }
}

impl Run {
    fn parse(words: &[&str]) -> anyhow::Result<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--create-dirs" => options.create_dirs = true,
                "--hold" => options.hold = true,
                "--verbose" | "-v" => options.verbose = true,
                "--http" => {
                    options.http =
                        Some((*words.next().context("--http needs an address")?).to_owned())
                }
                other => match other.strip_prefix("--http=") {
                    Some(address) => options.http = Some(address.to_owned()),
                    None => bail!("the Pebble stand-in does not know the option {other:?}"),
                },
            }
        }
        Ok(options)
    }
}
