//! The hook tools, as functions over a [`Context`].
//!
//! [`invoke`] is what the agent does when a tool rings its socket. Every recorded invocation of the
//! tools in [`TOOLS`] is reproduced to the byte; a tool that is not among them is refused, with a
//! mark in the run's effects, so that no test passes on a guess.

mod action;
mod config;
mod log;
mod ports;
mod relation;
mod secret;
mod state;
mod status;
mod storage;
mod words;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::context::{Context, Relation};
use super::flags::{self, Flag, Kind, Stop};
use super::value::{Format, Value};
use words::{key_values, unit_application};

pub(super) use words::{is_application, is_number};

/// What a tool leaves behind for its caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit code.
    pub exit: u8,
}

/// Standard input, read only by a tool that asks for it.
pub type Stdin<'a> = &'a mut dyn FnMut() -> io::Result<Vec<u8>>;

/// A hook tool.
pub struct Tool {
    /// Its name, under which it lies on PATH.
    pub name: &'static str,
    usage: &'static str,
    output: Output,
    flags: &'static [Flag],
    run: fn(Call) -> Result<Value, Fault>,
}

/// Whether a tool prints values, and in which forms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    /// No `--format`.
    None,
    /// `--format` is taken and ignored, with a complaint.
    Deprecated,
    /// All forms; smart unless told.
    Smart,
    /// Yaml, unless told json.
    Yaml,
}

/// Why a tool failed.
enum Fault {
    /// Bad flags or arguments: exit 2.
    Usage(String),
    /// It ran and failed: exit 1.
    Failed(String),
}

/// One invocation, flags read.
struct Call<'a> {
    context: &'a mut Context,
    cwd: &'a Path,
    stdin: Stdin<'a>,
    given: BTreeMap<&'static str, String>,
    args: Vec<String>,
}

const RELATION: Flag = Flag {
    names: &["r", "relation"],
    kind: Kind::Text,
};
const APP: Flag = Flag {
    names: &["app"],
    kind: Kind::Switch,
};
const FILE: Flag = Flag {
    names: &["file"],
    kind: Kind::Text,
};
const FORMAT: Flag = Flag {
    names: &["format"],
    kind: Kind::Text,
};
const OUTPUT: Flag = Flag {
    names: &["o", "output"],
    kind: Kind::Text,
};
const STORAGE: Flag = Flag {
    names: &["s"],
    kind: Kind::Text,
};

/// The tools that are simulated.
pub const TOOLS: &[&Tool] = &[
    &action::FAIL,
    &action::GET,
    &action::LOG,
    &action::SET,
    &config::GET,
    &log::LOG,
    &ports::CLOSE,
    &ports::OPEN,
    &ports::OPENED,
    &relation::GET,
    &relation::IDS,
    &relation::LIST,
    &relation::SET,
    &secret::GET,
    &state::DELETE,
    &state::GET,
    &state::SET,
    &status::GET,
    &status::IS_LEADER,
    &status::SET,
    &status::VERSION_SET,
    &storage::GET,
    &storage::LIST,
];

/// Tools of Juju that are on PATH only to be refused loudly.
pub const REFUSED: &[&str] = &[
    "credential-get",
    "goal-state",
    "juju-reboot",
    "leader-get",
    "leader-set",
    "network-get",
    "relation-model-get",
    "resource-get",
    "secret-add",
    "secret-grant",
    "secret-ids",
    "secret-info-get",
    "secret-remove",
    "secret-revoke",
    "secret-set",
    "storage-add",
    "unit-get",
];

/// Runs one tool. `argv` leaves the tool's name out.
pub fn invoke(
    tool: &str,
    argv: &[String],
    cwd: &Path,
    stdin: Stdin,
    context: &mut Context,
) -> Outcome {
    context.effects.called.push(tool.to_owned());
    let Some(tool) = TOOLS.iter().find(|known| known.name == tool) else {
        context.effects.refused.push(tool.to_owned());
        return Outcome {
            stderr: format!("ERROR the simulated agent has no hook tool {tool:?}\n"),
            exit: 1,
            ..Outcome::default()
        };
    };
    let mut format = match tool.output {
        Output::Yaml => Format::Yaml,
        Output::None | Output::Deprecated | Output::Smart => Format::Smart,
    };
    let mut complaint = String::new();
    let mut known = tool.flags.to_vec();
    match tool.output {
        Output::None => {}
        Output::Deprecated => known.push(FORMAT),
        Output::Smart | Output::Yaml => known.extend([FORMAT, OUTPUT]),
    }
    let mut given = BTreeMap::new();
    let parsed = flags::parse(&known, argv, |name, value| {
        match name {
            "format" if tool.output == Output::Deprecated => {
                complaint = format!("--format flag deprecated for command {:?}", tool.name);
            }
            "format" => format = parse_format(value, tool.output)?,
            "r" => {
                let id = find_relation(value, context)?;
                given.insert(name, id.to_string());
                return Ok(());
            }
            "s" => storage::check_id(value, context)?,
            _ => {}
        }
        given.insert(name, value.to_owned());
        Ok(())
    });
    let args = match parsed {
        Ok(args) => args,
        Err(Stop::Help) => {
            return Outcome {
                stdout: format!("Usage: {}\n", tool.usage),
                ..Outcome::default()
            };
        }
        Err(Stop::Bad(text)) => return failed(2, &complaint, &text),
    };
    let target = given
        .get("o")
        .filter(|name| !name.is_empty())
        .map(|name| cwd.join(name));
    match (tool.run)(Call {
        context,
        cwd,
        stdin,
        given,
        args,
    }) {
        Ok(value) => {
            let text = if matches!(tool.output, Output::Smart | Output::Yaml) {
                value.print(format)
            } else {
                String::new()
            };
            match target {
                None => Outcome {
                    stdout: text,
                    stderr: complaint,
                    exit: 0,
                },
                Some(path) => match std::fs::write(&path, text) {
                    Ok(()) => Outcome {
                        stderr: complaint,
                        ..Outcome::default()
                    },
                    Err(error) => failed(1, &complaint, &open_error(&path, &error)),
                },
            }
        }
        Err(Fault::Usage(text)) => failed(2, &complaint, &text),
        Err(Fault::Failed(text)) => failed(1, &complaint, &text),
    }
}

fn failed(exit: u8, complaint: &str, text: &str) -> Outcome {
    Outcome {
        stderr: format!("{complaint}ERROR {text}\n"),
        exit,
        ..Outcome::default()
    }
}

fn parse_format(name: &str, output: Output) -> Result<Format, String> {
    match name {
        "json" => Ok(Format::Json),
        "yaml" => Ok(Format::Yaml),
        "smart" if output == Output::Smart => Ok(Format::Smart),
        name => Err(format!("unknown format {name:?}")),
    }
}

/// Everything before the last colon is ignored, as Juju does.
fn find_relation(text: &str, context: &Context) -> Result<i64, String> {
    let number = text.rsplit(':').next().unwrap_or(text);
    let id: i64 = number
        .parse()
        .map_err(|_| "invalid relation id".to_owned())?;
    match context.relations.iter().any(|relation| relation.id == id) {
        true => Ok(id),
        false => Err("relation not found".to_owned()),
    }
}

/// A file that cannot be opened, in Go's words.
fn open_error(path: &Path, error: &io::Error) -> String {
    let cause = match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => error.to_string(),
    };
    format!("open {}: {cause}", path.display())
}

impl Call<'_> {
    fn switch(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(|value| value == "true")
    }

    fn text(&self, name: &str) -> &str {
        self.given.get(name).map_or("", String::as_str)
    }

    /// Takes the first argument off, if there is one.
    fn next(&mut self) -> Option<String> {
        (!self.args.is_empty()).then(|| self.args.remove(0))
    }

    /// Refuses arguments that are left.
    fn end(&self) -> Result<(), Fault> {
        flags::no_more(&self.args).map_err(Fault::Usage)
    }

    /// The number of the relation that is named by `-r`, or else the hook's own.
    fn relation_id(&self) -> Result<i64, Fault> {
        let own = match &self.context.run {
            super::context::Run::Relation { relation, .. } => Some(*relation),
            _ => None,
        };
        self.given
            .get("r")
            .and_then(|id| id.parse().ok())
            .or(own)
            .ok_or_else(|| Fault::Usage("no relation id specified".to_owned()))
    }

    fn relation(&self, id: i64) -> Result<&Relation, Fault> {
        self.context
            .relations
            .iter()
            .find(|relation| relation.id == id)
            .ok_or_else(|| Fault::Failed("relation not found".to_owned()))
    }

    /// The unit's application.
    fn application(&self) -> String {
        self.context
            .unit
            .split('/')
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    /// What `--file` and the arguments say, the arguments winning.
    fn settings(
        &mut self,
        argv: BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Fault> {
        let name = self.text("file").to_owned();
        let bytes = match name.as_str() {
            "" => Vec::new(),
            "-" => (self.stdin)().map_err(|error| Fault::Failed(error.to_string()))?,
            name => {
                let path = self.cwd.join(name);
                std::fs::read(&path).map_err(|error| Fault::Failed(open_error(&path, &error)))?
            }
        };
        let text = String::from_utf8(bytes)
            .map_err(|_| Fault::Failed("yaml: invalid UTF-8".to_owned()))?;
        let mut settings = super::yaml::string_map(&text).map_err(Fault::Failed)?;
        settings.extend(argv);
        Ok(settings)
    }
}
