//! What the lowest layers of an opening know and the uppermost must hear.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sequoia_openpgp::anyhow;

use super::OpenError;

/// The verdict on a message, past all the layers of parsing between.
///
/// The parsers between the source and the reader may turn an error into an end of file or into another error. So the
/// layer that knows writes it down here; the first verdict stands, and without a good one there is no end of file.
#[derive(Default)]
pub(super) struct Watch {
    verdict: OnceLock<Result<(), OpenError>>,
    sealed: AtomicU64,
}

impl Watch {
    /// Writes down that the message was whole and ended well.
    pub(super) fn good(&self) {
        self.verdict.get_or_init(|| Ok(()));
    }

    /// Writes down what is wrong, and gives the first cause.
    pub(super) fn bad(&self, error: OpenError) -> OpenError {
        match self.verdict.get_or_init(|| Err(error.clone())) {
            Ok(()) => error,
            Err(first) => first.clone(),
        }
    }

    /// What an I/O error of a layer between means.
    pub(super) fn explain_io(&self, error: io::Error) -> OpenError {
        let error = match error.downcast::<OpenError>() {
            Ok(ours) => ours,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => OpenError::Truncated,
            Err(error) => OpenError::malformed(error),
        };
        self.bad(error)
    }

    /// What an error of Sequoia means.
    pub(super) fn explain(&self, error: anyhow::Error) -> OpenError {
        match error.downcast::<io::Error>() {
            Ok(error) => self.explain_io(error),
            Err(error) => self.bad(OpenError::malformed(error)),
        }
    }

    /// The verdict, if there is one.
    pub(super) fn verdict(&self) -> Option<Result<(), OpenError>> {
        self.verdict.get().cloned()
    }

    /// How many sealed bytes have been read.
    pub(super) fn sealed(&self) -> u64 {
        self.sealed.load(Ordering::Relaxed)
    }
}

/// The caller's reader, as Sequoia takes it, with an eye on what it does.
///
/// Sequoia asks for `Sync`, which many a reader is not. Nobody ever locks the mutex; it is there for that promise only.
pub(super) struct Source<R> {
    reader: Mutex<R>,
    watch: Arc<Watch>,
}

impl<R> Source<R> {
    pub(super) fn new(reader: R, watch: Arc<Watch>) -> Self {
        Self {
            reader: Mutex::new(reader),
            watch,
        }
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let reader = self
            .reader
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        match reader.read(buffer) {
            Ok(bytes) => {
                self.watch.sealed.fetch_add(bytes as u64, Ordering::Relaxed);
                Ok(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => Err(self.watch.bad(OpenError::Read(Arc::new(error))).into()),
        }
    }
}
