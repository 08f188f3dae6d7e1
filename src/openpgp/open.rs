//! Reading: a stream that decrypts what passes, and the token that it ended well.

use std::io::{self, Read};
use std::marker::PhantomData;
use std::sync::Arc;

use sequoia_openpgp::Packet;
use sequoia_openpgp::packet::{CompressedData, Tag};
use sequoia_openpgp::parse::{
    Dearmor, PacketParser, PacketParserBuilder, PacketParserResult, Parse,
};

use super::body::Body;
use super::cfb::STEP;
use super::envelope::Envelope;
use super::watch::{Source, Watch};
use super::{OpenError, Passphrase};

/// How many bytes are asked of the parsers at once: a step of the cipher, so that all of it stays in the first caches.
const PIECE: usize = STEP;

/// How many times its size a message may swell: deflate cannot do more than 1,032, so only bzip2 ever gets here.
const SWELLING: u64 = 1_100;

/// How many bytes any message may become, however small it is.
const HARMLESS: u64 = 64 * 1024 * 1024;

/// Opens a sealed message as far as its content's first byte.
///
/// It reads what [`super::seal()`] writes and what `gpg --symmetric` writes without asking for something exotic: AES of
/// any key length, any way to hash the passphrase but Argon2, compressed or not. All else is refused by a name of its
/// own, and so is a wrong passphrase, before anything is handed out. Blocks while the source does.
pub fn open<R: Read + Send + 'static>(
    source: R,
    passphrase: &Passphrase,
) -> Result<Untrusted<R>, OpenError> {
    let watch = Arc::new(Watch::default());
    let envelope = Envelope::open(Source::new(source, watch.clone()), passphrase, &watch)?;
    let body = Body::open(envelope, watch.clone())?;
    let content = content(body, &watch)?;
    Ok(Untrusted {
        content: Content::Flowing(Box::new(content)),
        watch,
        plaintext: 0,
        limit: u64::MAX,
        source: PhantomData,
    })
}

/// The content of a message that has not been checked to its end.
///
/// Reading gives plaintext that somebody may have altered; only the end of file says that nobody did, because it comes
/// after the modification detection code was found good and the outer message ended where it should. A truncated,
/// altered or extended message always ends in an error, at the latest instead of the end of file. After an error each
/// further read repeats it. The buffers are of constant size, whatever the message says.
#[must_use = "nothing is known about the message before its end"]
pub struct Untrusted<R> {
    content: Content,
    watch: Arc<Watch>,
    plaintext: u64,
    limit: u64,
    /// The parsers own the source and hide its type; the name stays, for those who pass it on.
    source: PhantomData<fn() -> R>,
}

enum Content {
    Flowing(Box<PacketParser<'static>>),
    Ended,
    Failed(OpenError),
}

impl<R> Untrusted<R> {
    /// Makes content of more than so many bytes an error.
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Reads what is left, throws it away, and tells whether the message was whole and unaltered.
    pub fn authenticate(mut self) -> Result<Authenticated, OpenError> {
        let mut rest = vec![0; PIECE];
        while self.pull(&mut rest)? > 0 {}
        Ok(Authenticated {
            plaintext: self.plaintext,
        })
    }

    fn pull(&mut self, buffer: &mut [u8]) -> Result<usize, OpenError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let pulled = match &mut self.content {
            Content::Failed(error) => return Err(error.clone()),
            Content::Ended => return Ok(0),
            Content::Flowing(parser) => {
                let piece = buffer.len().min(PIECE);
                parser
                    .read(&mut buffer[..piece])
                    .map_err(|error| self.watch.explain_io(error))
            }
        };
        let judged = match pulled {
            Ok(0) => self.conclude().map(|()| 0),
            Ok(bytes) => self.count(bytes),
            Err(error) => Err(error),
        };
        judged.inspect_err(|error| self.content = Content::Failed(error.clone()))
    }

    fn count(&mut self, bytes: usize) -> Result<usize, OpenError> {
        self.plaintext += bytes as u64;
        let (plaintext, sealed) = (self.plaintext, self.watch.sealed());
        if plaintext > self.limit {
            return Err(OpenError::TooLong { limit: self.limit });
        }
        if plaintext > HARMLESS && plaintext > sealed.saturating_mul(SWELLING) {
            return Err(OpenError::Bomb { sealed, plaintext });
        }
        Ok(bytes)
    }

    /// The literal packet is at its end: nothing may follow it, and the body must have been found good.
    fn conclude(&mut self) -> Result<(), OpenError> {
        let Content::Flowing(parser) = std::mem::replace(&mut self.content, Content::Ended) else {
            return Ok(());
        };
        match parser.next().map_err(|error| self.watch.explain(error))? {
            (_, PacketParserResult::EOF(_)) => {}
            (_, PacketParserResult::Some(parser)) => return Err(refuse(parser.packet.tag())),
        }
        match self.watch.verdict() {
            Some(verdict) => verdict,
            None => Err(OpenError::Truncated),
        }
    }
}

impl<R> Read for Untrusted<R> {
    /// Reads untrusted plaintext. Errors hold an [`OpenError`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.pull(buffer)?)
    }
}

/// The token of a message that was whole and unaltered to its very end.
///
/// Only [`Untrusted::authenticate`] makes one, so a function that asks for it cannot be called on faith.
#[derive(Debug)]
#[must_use = "the token is what allows touching live data"]
pub struct Authenticated {
    plaintext: u64,
}

impl Authenticated {
    /// How many bytes the message held.
    pub fn plaintext_bytes(&self) -> u64 {
        self.plaintext
    }
}

/// Goes through at most one layer of compression to the literal packet.
fn content(body: Body, watch: &Watch) -> Result<PacketParser<'static>, OpenError> {
    let first = PacketParserBuilder::from_buffered_reader(body)
        .and_then(|builder| builder.dearmor(Dearmor::Disabled).build())
        .map_err(|error| watch.explain(error))?;
    let PacketParserResult::Some(first) = first else {
        return Err(OpenError::Truncated);
    };
    let Packet::CompressedData(compressed) = &first.packet else {
        return literal(first, refuse);
    };
    check(compressed)?;
    let (_, inner) = first.recurse().map_err(|error| watch.explain(error))?;
    let PacketParserResult::Some(inner) = inner else {
        return Err(OpenError::Truncated);
    };
    literal(inner, |tag| match tag {
        Tag::CompressedData => OpenError::NestedCompression,
        other => refuse(other),
    })
}

fn check(compressed: &CompressedData) -> Result<(), OpenError> {
    let method = compressed.algo();
    if method.is_supported() {
        Ok(())
    } else {
        Err(OpenError::Compression {
            name: method.to_string(),
        })
    }
}

fn literal(
    parser: PacketParser<'static>,
    otherwise: impl FnOnce(Tag) -> OpenError,
) -> Result<PacketParser<'static>, OpenError> {
    match &parser.packet {
        Packet::Literal(_) => Ok(parser),
        packet => Err(otherwise(packet.tag())),
    }
}

/// Names what stands inside the encrypted body where the literal packet, or its end, should.
fn refuse(tag: Tag) -> OpenError {
    match tag {
        Tag::PKESK | Tag::SKESK | Tag::SED | Tag::SEIP | Tag::AED => OpenError::NestedEncryption,
        _ => OpenError::Unexpected {
            packet: tag.to_string(),
        },
    }
}
