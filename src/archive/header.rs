//! One header block, read as strictly as GNU tar writes it.
//!
//! Two readers of tar may see two different things in one header: numbers in base 64, a leading sign, a name in the
//! `prefix` field, a pax record that one of them knows. What is judged here is unpacked by another program, so
//! a header that leaves any room for reading is refused. What remains is what `tar --create --format=gnu` writes
//! for files and directories; `tests/it/gnu_tar.rs` holds the two side by side.

use super::member::{Kind, Refusal};

/// The unit of a tar stream.
pub(super) const BLOCK: usize = 512;

/// What a header announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    /// A member.
    Member(Kind),
    /// The name of the member that follows, too long for its own header.
    LongName,
}

/// A header whose every field has one meaning.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub(super) announced: Announced,
    /// The name as it stands in the header.
    pub(super) name: &'a [u8],
    pub(super) size: u64,
    /// The twelve mode bits.
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    /// Seconds since 1970.
    pub(super) mtime: i64,
}

impl<'a> Header<'a> {
    /// Reads a header. The kind is judged before the rest, so that a device is called a device in any format.
    pub(super) fn read(block: &'a [u8; BLOCK]) -> Result<Self, Refusal> {
        if octal(&block[148..156]) != Some(checksum(block)) {
            return Err(Refusal::Checksum);
        }
        let announced = announced(block[156])?;
        // The link's name, and behind the owner's name all that other formats and other kinds of member use.
        let unused = block[157..257].iter().chain(&block[345..]);
        if block[257..265] != *b"ustar  \0" || unused.into_iter().any(|byte| *byte != 0) {
            return Err(Refusal::Format);
        }
        let number = |value: Option<u64>, field| value.ok_or(Refusal::Number(field));
        let mode = octal(&block[100..108]).filter(|mode| *mode <= 0o7777);
        let id = |field: &[u8]| unsigned(field).filter(|id| *id <= u64::from(u32::MAX));
        Ok(Self {
            announced,
            name: name(block),
            size: number(unsigned(&block[124..136]), "size")?,
            mode: number(mode, "mode")? as u32,
            uid: number(id(&block[108..116]), "owner")?,
            gid: number(id(&block[116..124]), "group")?,
            mtime: signed(&block[136..148]).ok_or(Refusal::Number("time"))?,
        })
    }
}

/// The name in a header, good or bad.
pub(super) fn name(block: &[u8; BLOCK]) -> &[u8] {
    let field = &block[..100];
    let end = field.iter().position(|byte| *byte == 0);
    &field[..end.unwrap_or(field.len())]
}

fn announced(kind: u8) -> Result<Announced, Refusal> {
    match kind {
        b'0' => Ok(Announced::Member(Kind::File)),
        b'5' => Ok(Announced::Member(Kind::Directory)),
        b'L' => Ok(Announced::LongName),
        // 'K' is the target of a link, too long for the link's own header.
        b'1' | b'2' | b'K' => Err(Refusal::Link),
        b'3' | b'4' | b'6' => Err(Refusal::Device),
        b'S' => Err(Refusal::Sparse),
        // 'X' is how Solaris began.
        b'x' | b'g' | b'X' => Err(Refusal::Pax),
        other => Err(Refusal::UnknownKind(char::from(other))),
    }
}

/// The sum over a block, with the field of the sum taken for spaces.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let others = block[..148].iter().chain(&block[156..]);
    others.map(|byte| u64::from(*byte)).sum::<u64>() + 8 * u64::from(b' ')
}

/// Octal digits from the first byte on, and behind them nothing but NULs and spaces.
fn octal(field: &[u8]) -> Option<u64> {
    let digits = field.iter().take_while(|byte| matches!(byte, b'0'..=b'7'));
    let digits = digits.count();
    let (number, rest) = field.split_at(digits);
    if number.is_empty() || rest.iter().any(|byte| !matches!(byte, 0 | b' ')) {
        return None;
    }
    // At most twelve digits of three bits.
    Some(
        number
            .iter()
            .fold(0, |value, digit| value << 3 | u64::from(digit - b'0')),
    )
}

/// Octal digits, or base 256 for what they cannot hold; never more than a file can measure.
fn unsigned(field: &[u8]) -> Option<u64> {
    signed(field).and_then(|value| u64::try_from(value).ok())
}

/// The same, and below zero in two's complement.
fn signed(field: &[u8]) -> Option<i64> {
    let (first, rest) = field.split_first()?;
    let fill = match first {
        0x80 => 0,
        0xff => 0xff,
        _ => return octal(field).and_then(|value| i64::try_from(value).ok()),
    };
    // What does not fit into 64 bits has other bytes in front than the sign's.
    let mut value = [fill; 8];
    let (beyond, low) = rest.split_at(rest.len().saturating_sub(value.len()));
    let start = value.len() - low.len();
    value[start..].copy_from_slice(low);
    let value = i64::from_be_bytes(value);
    let fits = beyond.iter().all(|byte| *byte == fill) && (value < 0) == (fill != 0);
    fits.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_reading_or_none() {
        let octals: [(&[u8], Option<i64>); 16] = [
            (b"0000640\0", Some(0o640)),
            (b"006655\0 ", Some(0o6655)),
            (b"7777777\0", Some(0o7_777_777)),
            (b"77777777", Some(0o77_777_777)),
            (b"0\0\0\0\0\0\0\0", Some(0)),
            // Each of these is a number to some reader.
            (b"\x00000640\0", None),
            (b"   0640\0", None),
            (b"+000640\0", None),
            (b"-000640\0", None),
            (b"0000648\0", None),
            (b"0640\x007\0\0", None),
            (b"\0\0\0\0\0\0\0\0", None),
            (b"        ", None),
            (b"0x00640\0", None),
            (b"\x81\0\0\0\0\0\0\0", None),
            (b"\xfe\0\0\0\0\0\0\0", None),
        ];
        for (field, expected) in octals {
            assert_eq!(signed(field), expected, "{}", field.escape_ascii());
        }
    }

    #[test]
    fn base_256_is_read_as_far_as_a_file_can_reach() {
        let field = |first: u8, beyond: [u8; 3], low: i64| {
            let mut field = vec![first];
            field.extend(beyond);
            field.extend(low.to_be_bytes());
            field
        };
        for value in [0, 1, 8 << 30, 1 << 62, i64::MAX] {
            assert_eq!(unsigned(&field(0x80, [0; 3], value)), Some(value as u64));
        }
        for value in [-1, -631_155_600, i64::MIN] {
            assert_eq!(signed(&field(0xff, [0xff; 3], value)), Some(value));
            assert_eq!(unsigned(&field(0xff, [0xff; 3], value)), None);
            assert_eq!(signed(&field(0x80, [0; 3], value)), None, "beyond 63 bits");
        }
        // Who reads only the last eight bytes takes this for 512.
        assert_eq!(unsigned(&field(0x80, [0, 0, 1], 512)), None);
        assert_eq!(signed(&field(0xff, [0xff; 3], 1)), None);
        assert_eq!(unsigned(b"\x80\0\0\0\xff\xff\xff\xfe"), Some(0xffff_fffe));
    }
}
