//! The signals that can be sent to a service or a command.

/// A signal, known to the daemon by its name only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Asks a process to look at its configuration again.
    Hup,
    /// Interrupts, as from a keyboard.
    Int,
    /// Ends a process and asks for a core file.
    Quit,
    /// Ends a process at once; it cannot be caught.
    Kill,
    /// Means what the process says it means.
    Usr1,
    /// Means what the process says it means.
    Usr2,
    /// Asks a process to end.
    Term,
}

impl Signal {
    /// The name that the daemon knows; numbers and names without `SIG` are not taken.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hup => "SIGHUP",
            Self::Int => "SIGINT",
            Self::Quit => "SIGQUIT",
            Self::Kill => "SIGKILL",
            Self::Usr1 => "SIGUSR1",
            Self::Usr2 => "SIGUSR2",
            Self::Term => "SIGTERM",
        }
    }
}
