//! A fixed number of buffers that come home by themselves.

use std::mem;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The buffers of one upload: `count` of `size` bytes each and never more, which is all the memory it takes.
///
/// A buffer gets its memory when it is first used and keeps it, because fresh pages cost more than the copy into them.
#[derive(Debug)]
pub(super) struct Buffers {
    size: usize,
    home: Sender<Vec<u8>>,
    idle: Receiver<Vec<u8>>,
}

impl Buffers {
    pub(super) fn new(count: usize, size: usize) -> Self {
        let (home, idle) = channel(count);
        for _ in 0..count {
            // There is room for exactly these.
            let _ = home.try_send(Vec::new());
        }
        Self { size, home, idle }
    }

    /// An empty buffer, as soon as one is idle. Cancel-safe: a wait given up takes none away.
    pub(super) async fn take(&mut self) -> Vec<u8> {
        // The channel cannot be closed, since we hold a sender.
        let mut buffer = self.idle.recv().await.unwrap_or_default();
        buffer.reserve_exact(self.size);
        buffer
    }

    /// Makes bytes of a buffer; when the last copy of them is dropped, the buffer is idle again.
    pub(super) fn lend(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent {
            buffer,
            home: self.home.clone(),
        })
    }
}

struct Lent {
    buffer: Vec<u8>,
    home: Sender<Vec<u8>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut buffer = mem::take(&mut self.buffer);
        buffer.clear();
        // Fails only when the upload is gone, and its memory may go with it.
        let _ = self.home.try_send(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_buffer_comes_home_with_its_memory_when_its_last_copy_is_dropped() {
        let mut buffers = Buffers::new(1, 1024);
        let mut buffer = buffers.take().await;
        buffer.extend_from_slice(b"part");
        let place = buffer.as_ptr();
        let bytes = buffers.lend(buffer);
        let copy = bytes.clone();
        drop(bytes);
        assert!(buffers.idle.is_empty(), "a copy is still out");
        drop(copy);
        let again = buffers.take().await;
        assert_eq!((again.len(), again.as_ptr()), (0, place));
    }
}
