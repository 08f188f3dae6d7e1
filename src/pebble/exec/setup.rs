//! What to run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How long a stream may stand still unless said otherwise.
const STALL: Duration = Duration::from_secs(15 * 60);

/// A stream that most of what a command moves goes through, and the command's argument that names it.
///
/// The argument ends in the `-` that stands for standard input or output. Where this container and the workload's share
/// a directory, a named pipe's path takes the place of that `-`, and the daemon is spared the bytes. To whoever uses the
/// [`super::Process`] there is no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bulk {
    /// What the command reads.
    Input(&'static str),
    /// What the command writes.
    Output(&'static str),
}

/// A command to be run in the container, and how.
///
/// There is no shell unless the command names one. Signals, the time limit and the leash reach the command itself but
/// not its children, so a shell should `exec` what it is there for.
#[derive(Clone)]
pub struct Exec {
    /// The program, looked up in the daemon's PATH, and its arguments.
    pub command: Vec<String>,
    /// Variables laid over the daemon's own.
    pub environment: BTreeMap<String, String>,
    /// Where it runs; by default `/`. The daemon's own default fails for users whose home is missing.
    pub working_dir: String,
    /// The user; needs `group_id` when it has no passwd entry.
    pub user_id: Option<u32>,
    /// The group.
    pub group_id: Option<u32>,
    /// How long it may run before the daemon kills it.
    pub timeout: Option<Duration>,
    /// How long its input or output may stand still while somebody waits for it; by default a quarter of an hour.
    pub stall_limit: Duration,
    /// The stream that may go through a named pipe, if there is one.
    pub bulk: Option<Bulk>,
}

impl Exec {
    /// A command and its arguments, with everything else at its default.
    pub fn new<S: Into<String>>(command: impl IntoIterator<Item = S>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            environment: BTreeMap::new(),
            working_dir: "/".to_owned(),
            user_id: None,
            group_id: None,
            timeout: None,
            stall_limit: STALL,
            bulk: None,
        }
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Sets where it runs.
    #[must_use]
    pub fn working_dir(mut self, path: impl Into<String>) -> Self {
        self.working_dir = path.into();
        self
    }

    /// Sets user and group.
    #[must_use]
    pub fn user(mut self, user_id: u32, group_id: u32) -> Self {
        self.user_id = Some(user_id);
        self.group_id = Some(group_id);
        self
    }

    /// Sets how long it may run.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Sets how long its streams may stand still.
    #[must_use]
    pub fn stall_limit(mut self, limit: Duration) -> Self {
        self.stall_limit = limit;
        self
    }

    /// Lets this stream go through a named pipe, if it can.
    #[must_use]
    pub fn bulk(mut self, stream: Bulk) -> Self {
        self.bulk = Some(stream);
        self
    }

    /// The command with this path in place of the `-` that names its bulk stream; `None` when nothing names it.
    pub(super) fn through(&self, path: &str) -> Option<Vec<String>> {
        let (Bulk::Input(named) | Bulk::Output(named)) = self.bulk?;
        let option = named.strip_suffix('-')?;
        let mut command = self.command.clone();
        let argument = command.iter_mut().skip(1).find(|word| *word == named)?;
        *argument = format!("{option}{path}");
        Some(command)
    }

    /// The program's name, which is all that messages tell of the command.
    pub(super) fn name(&self) -> String {
        self.command.first().cloned().unwrap_or_default()
    }
}

impl fmt::Debug for Exec {
    /// Leaves out the values of variables, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exec")
            .field("command", &self.command)
            .field("environment", &self.environment.keys())
            .field("working_dir", &self.working_dir)
            .field("user_id", &self.user_id)
            .field("group_id", &self.group_id)
            .field("timeout", &self.timeout)
            .field("stall_limit", &self.stall_limit)
            .field("bulk", &self.bulk)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_takes_the_place_of_the_dash_in_the_named_argument_only() {
        let tar = Exec::new(["tar", "--create", "--file=-", "--exclude=-", "-"]);
        assert_eq!(tar.through("/p"), None);
        let through = tar.clone().bulk(Bulk::Output("--file=-")).through("/p");
        let expected = ["tar", "--create", "--file=/p", "--exclude=-", "-"];
        assert_eq!(through, Some(expected.map(str::to_owned).into()));
        for absent in ["--file", "-f-", "", "tar"] {
            assert_eq!(tar.clone().bulk(Bulk::Input(absent)).through("/p"), None);
        }
        let dash = Exec::new(["-", "-"]).bulk(Bulk::Input("-")).through("/p");
        assert_eq!(dash, Some(vec!["-".to_owned(), "/p".to_owned()]));
    }
}
