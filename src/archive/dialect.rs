//! Whose archive it is.

/// Who wrote an archive, and what that allows it to say.
///
/// Only names differ. In both, a header is one that GNU tar writes in its own format, which is what the tar in the Python
/// charm's image writes when it is not asked for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// One of ours: all names are relative.
    Own,
    /// One of the Python charm: a name may have one slash in front, which `tar -x` takes off as we do.
    Foreign,
}

impl Dialect {
    /// The name as it is judged and told.
    pub(super) fn relative(self, name: &[u8]) -> &[u8] {
        match (self, name) {
            // A slash alone is the root, and a second one is nothing that a tar ever wrote.
            (Self::Foreign, [b'/', rest @ ..]) if !matches!(rest, [] | [b'/', ..]) => rest,
            (Self::Own | Self::Foreign, name) => name,
        }
    }
}
