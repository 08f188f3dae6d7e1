//! Command-line flags as the hook tools read them.
//!
//! GNU style: flags may follow positionals, `--` ends them, one dash means one letter. Flags are
//! checked in the order in which they stand, so the first bad one is the one that is reported.

/// One flag of a tool.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Its names, without dashes; one-letter names take one dash.
    pub names: &'static [&'static str],
    /// Whether it takes a value.
    pub kind: Kind,
}

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, or `=true` and `=false`.
    Switch,
    /// A value.
    Text,
}

/// What was found before the flags went wrong or came to an end.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// `--help` or `-h`.
    Help,
    /// The text of a bad flag.
    Bad(String),
}

/// Reads flags in order, calling `set` with each flag's first name and its value; gives the positionals.
///
/// A switch's value is `true` or `false`. What `set` refuses is reported as that flag's bad value.
pub fn parse(
    flags: &[Flag],
    args: &[String],
    mut set: impl FnMut(&'static str, &str) -> Result<(), String>,
) -> Result<Vec<String>, Stop> {
    let mut positionals = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            positionals.extend(args.cloned());
            break;
        }
        if arg.len() < 2 || !arg.starts_with('-') {
            positionals.push(arg.clone());
            continue;
        }
        if let Some(long) = arg.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let written = format!("--{name}");
            let flag = find(flags, name, &written)?;
            let value = match (flag.kind, value) {
                (_, Some(value)) => value,
                (Kind::Switch, None) => "true",
                (Kind::Text, None) => args.next().ok_or_else(|| missing(&written))?,
            };
            apply(flag, &written, value, &mut set)?;
            continue;
        }
        let mut letters = &arg[1..];
        while let Some(letter) = letters.chars().next() {
            let (name, rest) = letters.split_at(letter.len_utf8());
            let written = format!("-{name}");
            let flag = find(flags, name, &written)?;
            let value = match (flag.kind, rest.strip_prefix('=')) {
                (_, Some(value)) => {
                    letters = "";
                    value
                }
                (Kind::Switch, None) => {
                    letters = rest;
                    "true"
                }
                (Kind::Text, None) if rest.is_empty() => {
                    letters = "";
                    args.next().ok_or_else(|| missing(&written))?
                }
                (Kind::Text, None) => {
                    letters = "";
                    rest
                }
            };
            apply(flag, &written, value, &mut set)?;
            // Juju looks whether arguments are left before it looks at the letters that are left.
            if args.len() == 0 {
                letters = "";
            }
        }
    }
    Ok(positionals)
}

/// A truth value as Go reads it.
pub fn truth(value: &str) -> Result<bool, String> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        value => Err(format!(
            "strconv.ParseBool: parsing {value:?}: invalid syntax"
        )),
    }
}

/// The complaint about arguments that are too many, if there are any.
pub fn no_more(args: &[String]) -> Result<(), String> {
    if args.is_empty() {
        return Ok(());
    }
    let quoted: Vec<String> = args.iter().map(|arg| format!("{arg:?}")).collect();
    Err(format!("unrecognized args: [{}]", quoted.join(" ")))
}

fn find<'a>(flags: &'a [Flag], name: &str, written: &str) -> Result<&'a Flag, Stop> {
    match flags.iter().find(|flag| flag.names.contains(&name)) {
        Some(flag) => Ok(flag),
        None if name == "help" || name == "h" => Err(Stop::Help),
        None => Err(Stop::Bad(format!(
            "option provided but not defined: {written}"
        ))),
    }
}

fn missing(written: &str) -> Stop {
    Stop::Bad(format!("option needs an argument: {written}"))
}

fn apply(
    flag: &Flag,
    written: &str,
    value: &str,
    set: &mut impl FnMut(&'static str, &str) -> Result<(), String>,
) -> Result<(), Stop> {
    let name = flag.names[0];
    let done = match flag.kind {
        Kind::Switch => {
            truth(value).and_then(|truth| set(name, if truth { "true" } else { "false" }))
        }
        Kind::Text => set(name, value),
    };
    done.map_err(|error| {
        Stop::Bad(format!(
            "invalid value {value:?} for option {written}: {error}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: [Flag; 2] = [
        Flag {
            names: &["a", "all"],
            kind: Kind::Switch,
        },
        Flag {
            names: &["r", "relation"],
            kind: Kind::Text,
        },
    ];

    fn read(args: &[&str]) -> (Result<Vec<String>, Stop>, Vec<String>) {
        let mut seen = Vec::new();
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let rest = parse(&FLAGS, &args, |name, value| {
            seen.push(format!("{name}={value}"));
            Ok(())
        });
        (rest, seen)
    }

    #[test]
    fn flags_may_follow_positionals_and_two_dashes_end_them() {
        let (rest, seen) = read(&["x", "-r", "7", "--", "-a"]);
        assert_eq!(rest, Ok(vec!["x".to_owned(), "-a".to_owned()]));
        assert_eq!(seen, ["r=7"]);
    }

    #[test]
    fn one_dash_takes_one_letter_and_the_value_may_stick_to_it() {
        assert_eq!(
            read(&["-r7", "-r=8", "--relation=9"]).1,
            ["r=7", "r=8", "r=9"]
        );
        assert_eq!(
            read(&["-format"]).0,
            Err(Stop::Bad("option provided but not defined: -f".to_owned()))
        );
    }
}
