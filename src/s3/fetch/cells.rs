//! The memory of a fetch, in pieces of one size that are used again.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// The bytes of one cell.
pub(super) const CELL: usize = 256 << 10;

/// Cells that nobody uses.
///
/// What a connection hands out is a slice of its read buffer, and a small slice that waits keeps a large buffer alive.
/// So bytes that may wait are copied into cells: then memory is what was counted, and fresh pages cost more than the copy.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
    most: usize,
}

impl Cells {
    /// Keeps at most so many idle cells.
    pub(super) fn new(most: usize) -> Self {
        Self {
            idle: Arc::default(),
            most,
        }
    }

    /// An empty cell. Never waits, so a caller that keeps what it was handed cannot hold the others up.
    pub(super) fn take(&self) -> Vec<u8> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        idle.unwrap_or_else(|| Vec::with_capacity(CELL))
    }

    /// Makes bytes of a cell; when the last copy of them is dropped, the cell is idle again.
    pub(super) fn lend(&self, cell: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent {
            cell,
            home: self.clone(),
        })
    }

    fn keep(&self, mut cell: Vec<u8>) {
        cell.clear();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.most {
            idle.push(cell);
        }
    }
}

struct Lent {
    cell: Vec<u8>,
    home: Cells,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.cell
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.keep(mem::take(&mut self.cell));
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_cell_comes_home_with_its_memory_when_its_last_copy_is_dropped() {
        let cells = Cells::new(1);
        let mut cell = cells.take();
        cell.extend_from_slice(b"piece");
        let place = cell.as_ptr();
        let bytes = cells.lend(cell);
        let copy = bytes.slice(1..);
        drop(bytes);
        assert!(cells.idle.lock().unwrap().is_empty(), "a copy is still out");
        drop(copy);
        let again = cells.take();
        assert_eq!((again.len(), again.as_ptr()), (0, place));
    }

    #[test]
    fn no_more_idle_cells_are_kept_than_may_be() {
        let cells = Cells::new(2);
        let lent: Vec<Bytes> = (0..5).map(|_| cells.lend(cells.take())).collect();
        drop(lent);
        assert_eq!(cells.idle.lock().unwrap().len(), 2);
    }
}
