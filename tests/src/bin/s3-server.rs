//! The suite's S3 store as a program, for the demo: objects are plain files below a directory.
//!
//! It prints its URL as the first line on standard output and serves until it is killed. The secret key comes from a
//! file, or from `S3_SERVER_SECRET_KEY`, never from the command line, which everybody can read.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use harness::s3::{Options, Server};

const USAGE: &str = "usage: s3-server --dir DIRECTORY --access-key KEY [--secret-key-file FILE] [--bucket NAME] [--port NUMBER]";

fn main() -> Result<()> {
    let server = Server::start(options()?)?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", server.endpoint())?;
    out.flush()?;
    loop {
        std::thread::park();
    }
}

fn options() -> Result<Options> {
    let (mut directory, mut access_key, mut secret_file) = (None, None, None);
    let mut options = Options::default();
    let mut arguments = env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments
            .next()
            .with_context(|| format!("{name} has no value\n{USAGE}"))?;
        match name.as_str() {
            "--dir" => directory = Some(PathBuf::from(value)),
            "--access-key" => access_key = Some(value),
            "--secret-key-file" => secret_file = Some(PathBuf::from(value)),
            "--bucket" => options.bucket = value,
            "--port" => {
                options.port = value
                    .parse()
                    .with_context(|| format!("not a port: {value}"))?
            }
            _ => bail!("unknown argument {name}\n{USAGE}"),
        }
    }
    options.directory = Some(directory.context(USAGE)?);
    options.access_key = access_key.context(USAGE)?;
    options.secret_key = match secret_file {
        Some(path) => fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?
            .trim()
            .to_owned(),
        None => env::var("S3_SERVER_SECRET_KEY")
            .context("neither --secret-key-file nor S3_SERVER_SECRET_KEY is given")?,
    };
    if options.secret_key.is_empty() {
        bail!("the secret key is empty");
    }
    Ok(options)
}
