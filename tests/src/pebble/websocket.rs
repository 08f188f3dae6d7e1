//! Websockets as Pebble speaks them, frame by frame.
//!
//! The usual libraries hide what matters here: they answer Close with Close and then end the connection,
//! collect a message before handing it over, and send Close when dropped. This one does only what it is told.

use std::io::{self, ErrorKind, IoSlice};

use hyper_util::rt::TokioIo;
use rustix::net::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// How much is read from a connection at once.
const BUFFER: usize = 64 << 10;
/// The longest text message that is looked at; the longest that means anything has a hundred bytes.
const LONGEST_TEXT: u64 = 64 << 10;
/// The message that ends a stream.
pub(crate) const END: &[u8] = br#"{"command":"end"}"#;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What a client sent.
#[derive(Debug)]
pub(crate) enum Message {
    /// Some bytes of a binary message, as they came, which `Receiver::last` hands out.
    Bytes,
    /// A whole text message.
    Text(Vec<u8>),
    /// A ping, to be answered with the same.
    Ping(Vec<u8>),
    /// The polite end.
    Close,
    /// A breach of the protocol, to be answered with Close and this reason.
    Breach(&'static str),
}

/// The receiving half of a websocket.
pub(crate) struct Receiver {
    stream: OwnedReadHalf,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// How many bytes before the start were handed out last.
    taken: usize,
    /// What is left of the binary frame at hand, and how to unmask it.
    left: u64,
    mask: [u8; 4],
    turn: usize,
    /// The kind of the message that continuation frames go on with.
    going: u8,
    text: Vec<u8>,
}

/// The sending half of a websocket.
pub(crate) struct Sender {
    stream: OwnedWriteHalf,
    closed: bool,
}

/// Takes over a connection after its handshake, with what was read too far.
pub(crate) fn open(upgraded: hyper::upgrade::Upgraded) -> io::Result<(Receiver, Sender)> {
    let parts = upgraded
        .downcast::<TokioIo<UnixStream>>()
        .map_err(|_| io::Error::new(ErrorKind::Unsupported, "not a unix socket"))?;
    let (read, write) = parts.io.into_inner().into_split();
    let mut buffer = parts.read_buf.to_vec();
    let end = buffer.len();
    buffer.resize(BUFFER.max(end), 0);
    let receiver = Receiver {
        stream: read,
        buffer,
        start: 0,
        end,
        taken: 0,
        left: 0,
        mask: [0; 4],
        turn: 0,
        going: 0,
        text: Vec::new(),
    };
    Ok((
        receiver,
        Sender {
            stream: write,
            closed: false,
        },
    ))
}

impl Receiver {
    /// The next that comes. An end without Close is an error of kind `UnexpectedEof`.
    pub(crate) async fn next(&mut self) -> io::Result<Message> {
        loop {
            if self.left > 0 {
                self.piece().await?;
                return Ok(Message::Bytes);
            }
            let head = self.head().await?;
            if !head.masked {
                return Ok(Message::Breach("bad MASK"));
            }
            match head.opcode {
                CONTINUATION if self.going == BINARY => self.left = head.length,
                BINARY => {
                    self.going = BINARY;
                    self.left = head.length;
                }
                TEXT | CONTINUATION if head.length <= LONGEST_TEXT => {
                    self.going = TEXT;
                    let payload = self.payload(head.length).await?;
                    self.text.extend(payload);
                    if self.text.len() as u64 > LONGEST_TEXT {
                        return Ok(Message::Breach("text too long"));
                    }
                    if head.last {
                        return Ok(Message::Text(std::mem::take(&mut self.text)));
                    }
                }
                PING if head.length <= 125 => {
                    return Ok(Message::Ping(self.payload(head.length).await?));
                }
                PONG if head.length <= 125 => drop(self.payload(head.length).await?),
                CLOSE => return Ok(Message::Close),
                _ => return Ok(Message::Breach("bad opcode")),
            }
        }
    }

    /// The bytes that came last.
    pub(crate) fn last(&self) -> &[u8] {
        &self.buffer[self.start - self.taken..self.start]
    }

    /// Some unmasked bytes of the frame at hand.
    async fn piece(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.fill().await?;
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let length = most.min(self.end - self.start);
        let piece = &mut self.buffer[self.start..self.start + length];
        unmask(piece, self.mask, self.turn);
        self.start += length;
        self.taken = length;
        self.left -= length as u64;
        self.turn = (self.turn + length) % 4;
        Ok(self.last())
    }

    async fn payload(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut payload = Vec::new();
        self.left = length;
        while self.left > 0 {
            payload.extend_from_slice(self.piece().await?);
        }
        Ok(payload)
    }

    async fn head(&mut self) -> io::Result<Head> {
        self.want(2).await?;
        let (first, second) = (self.buffer[self.start], self.buffer[self.start + 1]);
        let extra = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let masked = second & 0x80 != 0;
        let size = 2 + extra + if masked { 4 } else { 0 };
        self.want(size).await?;
        let head = &self.buffer[self.start..self.start + size];
        let length = match extra {
            0 => u64::from(second & 0x7f),
            _ => head[2..2 + extra]
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        if masked {
            self.mask.copy_from_slice(&head[size - 4..]);
        }
        self.turn = 0;
        self.start += size;
        Ok(Head {
            last: first & 0x80 != 0,
            opcode: first & 0x0f,
            masked,
            length,
        })
    }

    /// Reads until so many bytes lie in the buffer.
    async fn want(&mut self, count: usize) -> io::Result<()> {
        while self.end - self.start < count {
            self.fill().await?;
        }
        Ok(())
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            self.taken = 0;
        }
        match self.stream.read(&mut self.buffer[self.end..]).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.end += count;
                Ok(())
            }
        }
    }
}

struct Head {
    last: bool,
    opcode: u8,
    masked: bool,
    length: u64,
}

/// Sixteen bytes at a time, as a build without optimisation does this as well.
fn unmask(piece: &mut [u8], mask: [u8; 4], turn: usize) {
    if mask == [0; 4] {
        return;
    }
    let turned: [u8; 16] = std::array::from_fn(|index| mask[(index + turn) % 4]);
    let word = u128::from_ne_bytes(turned);
    let (chunks, rest) = piece.as_chunks_mut();
    for chunk in chunks {
        *chunk = (u128::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(turned) {
        *byte ^= mask;
    }
}

impl Sender {
    pub(crate) async fn bytes(&mut self, payload: &[u8]) -> io::Result<()> {
        self.frame(BINARY, payload).await
    }

    /// Sends the message that ends a stream.
    pub(crate) async fn end(&mut self) -> io::Result<()> {
        self.frame(TEXT, END).await
    }

    pub(crate) async fn pong(&mut self, payload: &[u8]) -> io::Result<()> {
        self.frame(PONG, payload).await
    }

    /// Sends Close, after which nothing can be sent.
    pub(crate) async fn close(&mut self, code: u16, reason: &str) -> io::Result<()> {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        let sent = self.frame(CLOSE, &payload).await;
        self.closed = true;
        sent
    }

    /// Breaks the connection in both directions without a word.
    pub(crate) fn drop_it(&mut self) {
        self.closed = true;
        let _gone = rustix::net::shutdown(self.stream.as_ref(), Shutdown::Both);
    }

    async fn frame(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        if self.closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut head = vec![0x80 | opcode];
        match payload.len() {
            length @ 0..126 => head.push(length as u8),
            length @ 126..65_536 => {
                head.push(126);
                head.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                head.push(127);
                head.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        let written = self
            .stream
            .write_vectored(&[IoSlice::new(&head), IoSlice::new(payload)])
            .await?;
        if let Some(rest) = head.get(written..) {
            self.stream.write_all(rest).await?;
        }
        self.stream
            .write_all(&payload[written.saturating_sub(head.len())..])
            .await
    }
}
