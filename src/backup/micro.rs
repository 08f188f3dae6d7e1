//! A door for the micro benches in `tests/micro`: the pipe between two stages, alone. It is in no program.

use std::io::{self, Read, Write};

use super::pipe::{self, PipeReader, PipeWriter};

/// The end that is written to.
pub struct Writer(PipeWriter);

/// The end that is read from.
pub struct Reader(PipeReader);

/// Makes a pipe as a backup has it.
pub fn pipe() -> (Writer, Reader) {
    let (writer, reader) = pipe::pipe();
    (Writer(writer), Reader(reader))
}

impl Writer {
    /// Ends the stream well.
    pub fn finish(self) -> io::Result<()> {
        self.0.finish()
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}
