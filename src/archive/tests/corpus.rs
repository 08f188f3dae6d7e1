//! What somebody might hand us, and must not be unpacked.

use super::blocks::{file, header, long_named, padded, with};

/// A member that must be refused, and the rule that it breaks, as the refusal words it.
pub(super) struct Hostile {
    pub(super) what: &'static str,
    pub(super) blocks: Vec<u8>,
    pub(super) refusal: &'static str,
}

const ABSOLUTE: &str = "its name is absolute";
const CLIMBING: &str = "its name climbs out of the directory";
const IDLE: &str = "its name has a part that leads nowhere";
const UNREADABLE: &str = "its name cannot be read";
const LONG: &str = "its name is too long";
const LINK: &str = "it is a link (symbolic and hard links are not part of a backup)";
const DEVICE: &str = "it is a device or a FIFO";
const PAX: &str = "it has a pax header, which an archive of GNU tar's own format has not";
const FORMAT: &str = "its header is not of GNU tar's own format";
const SIZE: &str = "its size is not a plain number";
const SET_ID: &str = "it has a set-user-id or set-group-id bit";
const MISMATCHED: &str = "its kind does not go with its name and size";

/// A pax record with its own length in front.
fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

/// A file behind a pax header of the kind `x` or `g`.
fn pax(kind: u8, records: &str) -> Vec<u8> {
    let header = with(
        header(b"PaxHeaders/x", kind, records.len() as u64),
        257,
        b"ustar\x0000",
    );
    [
        header.to_vec(),
        padded(records.as_bytes()),
        file(b"data/b.txt", b"below"),
    ]
    .concat()
}

/// Members with a kind and no content; what a link names stands in the header.
fn special(name: &[u8], kind: u8, link: &[u8]) -> Vec<u8> {
    with(header(name, kind, 0), 157, link).to_vec()
}

/// A file with other bytes in one place of its header.
fn altered(at: usize, bytes: &[u8]) -> Vec<u8> {
    let header = with(header(b"data/b.txt", b'0', 5), at, bytes);
    [header.to_vec(), padded(b"below")].concat()
}

fn sparse() -> Vec<u8> {
    let mut header = with(
        header(b"data/sparse", b'S', 512),
        386,
        b"00000010000\x0000000001000\0",
    );
    header = with(header, 483, b"00000011000\0");
    [header.to_vec(), vec![b's'; 512]].concat()
}

/// Who adds signed bytes, as some old tar did, finds this checksum right.
fn signed_sum() -> Vec<u8> {
    let mut block = header("data/ö.txt".as_bytes(), b'0', 0);
    block[148..156].fill(b' ');
    let sum: i32 = block.iter().map(|byte| i32::from(byte.cast_signed())).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.to_vec()
}

/// All of them.
pub(super) fn hostile() -> Vec<Hostile> {
    let all = [names(), kinds(), pax_headers(), headers()];
    let all = all.into_iter().flatten();
    all.map(|(what, blocks, refusal)| Hostile {
        what,
        blocks,
        refusal,
    })
    .collect()
}

type Case = (&'static str, Vec<u8>, &'static str);

fn names() -> Vec<Case> {
    let long = |name: &[u8]| long_named(name, b"x");
    let claim = header(b"././@LongLink", b'L', 8 << 30).to_vec();
    let longest = vec![b'n'; 4096];
    let endless_name = [claim, vec![b'n'; 4096]].concat();
    let cut_name = [
        header(b"././@LongLink", b'L', 6).to_vec(),
        padded(b"data/bcd\0"),
        file(b"data/short", b"x"),
    ]
    .concat();
    let twice = [
        header(b"././@LongLink", b'L', 7).to_vec(),
        padded(b"data/b\0"),
        long(b"data/c"),
    ]
    .concat();
    let headless = [
        header(b"././@LongLink", b'L', 7).to_vec(),
        padded(b"data/b\0"),
    ]
    .concat();
    let prefix = with(header(b"passwd", b'0', 0), 257, b"ustar\x0000");
    let prefix = with(prefix, 345, b"../../etc").to_vec();
    let half_ustar = with(header(b"data/b.txt", b'0', 0), 257, b"ustar\0  ");
    let half_ustar = with(half_ustar, 345, b"/etc").to_vec();
    vec![
        ("climbing", file(b"data/../../etc/passwd", b"x"), CLIMBING),
        ("climbing at once", file(b"../passwd", b"x"), CLIMBING),
        (
            "climbing at the end",
            header(b"data/..", b'5', 0).to_vec(),
            CLIMBING,
        ),
        (
            "nothing but climbing",
            header(b"..", b'5', 0).to_vec(),
            CLIMBING,
        ),
        ("absolute", file(b"/etc/passwd", b"x"), ABSOLUTE),
        ("twice absolute", file(b"//etc/passwd", b"x"), ABSOLUTE),
        ("root", header(b"/", b'5', 0).to_vec(), ABSOLUTE),
        ("here", header(b"./", b'5', 0).to_vec(), IDLE),
        ("detour", file(b"data/./a.txt", b"x"), IDLE),
        ("double slash", file(b"data//a.txt", b"x"), IDLE),
        (
            "no long name",
            [header(b"././@LongLink", b'L', 0).to_vec(), file(b"x", b"")].concat(),
            UNREADABLE,
        ),
        ("no name", header(b"", b'0', 0).to_vec(), UNREADABLE),
        ("line break", file(b"data/new\nline", b"x"), UNREADABLE),
        ("escape", file(b"data/\x1b[2J", b"x"), UNREADABLE),
        ("no text", file(b"data/\xff", b"x"), UNREADABLE),
        (
            "long and climbing",
            long(b"data/../../etc/passwd"),
            CLIMBING,
        ),
        ("long and absolute", long(b"/etc/passwd"), ABSOLUTE),
        ("long and empty", long(b""), UNREADABLE),
        (
            "long with a NUL",
            long(b"data/x\0/../../passwd"),
            UNREADABLE,
        ),
        ("longer than any name", long(&longest), LONG),
        ("8 GiB of name", endless_name, LONG),
        ("two names", twice, "it has two names"),
        ("name longer than it says", cut_name, UNREADABLE),
        (
            "name without a header",
            headless,
            "it has a name and no header",
        ),
        ("climbing prefix of ustar", prefix, FORMAT),
        ("prefix of what is ustar for some", half_ustar, FORMAT),
    ]
}

fn kinds() -> Vec<Case> {
    let through = [
        special(b"data/link", b'2', b"."),
        file(b"data/link/evil", b"x"),
    ]
    .concat();
    let long_link = [
        header(b"././@LongLink", b'K', 12).to_vec(),
        padded(b"/etc/passwd\0"),
        special(b"data/link", b'2', b"/etc"),
    ]
    .concat();
    let set_id = |mode: &[u8]| altered(100, mode);
    let full_directory = [header(b"data/full", b'5', 5).to_vec(), padded(b"below")].concat();
    vec![
        ("symbolic link", special(b"data/link", b'2', b"/etc"), LINK),
        ("write through a symbolic link", through, LINK),
        (
            "hard link",
            special(b"data/hard", b'1', b"/etc/passwd"),
            LINK,
        ),
        ("long link", long_link, LINK),
        ("character device", special(b"data/null", b'3', b""), DEVICE),
        ("block device", special(b"data/disk", b'4', b""), DEVICE),
        ("FIFO", special(b"data/fifo", b'6', b""), DEVICE),
        ("sparse", sparse(), "it is a sparse file"),
        ("contiguous", kind(b'7'), "it is of the unknown kind '7'"),
        ("kind of old", kind(0), "it is of the unknown kind '\\0'"),
        (
            "directory listing",
            kind(b'D'),
            "it is of the unknown kind 'D'",
        ),
        ("second half", kind(b'M'), "it is of the unknown kind 'M'"),
        ("old long name", kind(b'N'), "it is of the unknown kind 'N'"),
        ("volume label", kind(b'V'), "it is of the unknown kind 'V'"),
        ("unheard of", kind(b'q'), "it is of the unknown kind 'q'"),
        ("set-user-id", set_id(b"0004755\0"), SET_ID),
        ("set-group-id", set_id(b"0002755\0"), SET_ID),
        (
            "file called as a directory",
            file(b"data/slash/", b"x"),
            MISMATCHED,
        ),
        ("directory with content", full_directory, MISMATCHED),
    ]
}

fn kind(kind: u8) -> Vec<u8> {
    [header(b"data/odd", kind, 5).to_vec(), padded(b"below")].concat()
}

fn pax_headers() -> Vec<Case> {
    let one = |key: &str, value: &str| pax(b'x', &record(key, value));
    let sparse = [
        record("GNU.sparse.major", "1"),
        record("GNU.sparse.minor", "0"),
        record("GNU.sparse.name", "data/other"),
        record("GNU.sparse.realsize", "8589934592"),
    ]
    .concat();
    vec![
        ("pax path", one("path", "data/other"), PAX),
        ("absolute pax path", one("path", "/etc/passwd"), PAX),
        ("climbing pax path", one("path", "data/../../passwd"), PAX),
        (
            "pax path for all",
            pax(b'g', &record("path", "data/all")),
            PAX,
        ),
        ("pax size", one("size", "1"), PAX),
        ("pax linkpath", one("linkpath", "/etc/passwd"), PAX),
        ("pax sparse", pax(b'x', &sparse), PAX),
        ("pax sparse of old", one("GNU.sparse.map", "0,1"), PAX),
        ("pax attribute", one("SCHILY.xattr.user.a", "b"), PAX),
        ("pax list", one("SCHILY.acl.access", "user::rwx"), PAX),
        ("pax directory", one("GNU.dumpdir", "Ya.txt"), PAX),
        ("pax volume", one("GNU.volume.filename", "data/a.txt"), PAX),
        ("pax character set", one("hdrcharset", "BINARY"), PAX),
        ("pax comment", one("comment", "no harm"), PAX),
        (
            "overflowing pax record",
            pax(b'x', "99999999999999999999 path=x\n"),
            PAX,
        ),
        (
            "endless pax header",
            header(b"x", b'x', 8 << 30).to_vec(),
            PAX,
        ),
        (
            "pax header of Solaris",
            pax(b'X', &record("path", "data/other")),
            PAX,
        ),
    ]
}

fn headers() -> Vec<Case> {
    let mut wrong_sum = file(b"data/b.txt", b"below");
    wrong_sum[148] ^= 1;
    let mut wrong_name = file(b"data/b.txt", b"below");
    wrong_name[5] = b'c';
    vec![
        (
            "wrong checksum",
            wrong_sum,
            "its header has a wrong checksum",
        ),
        (
            "altered name",
            wrong_name,
            "its header has a wrong checksum",
        ),
        (
            "signed checksum",
            signed_sum(),
            "its header has a wrong checksum",
        ),
        ("no format", altered(257, &[0; 8]), FORMAT),
        ("ustar", altered(257, b"ustar\x0000"), FORMAT),
        ("target in a file", altered(157, b"/etc/passwd"), FORMAT),
        (
            "times of an incremental archive",
            altered(345, b"15300337171\0"),
            FORMAT,
        ),
        (
            "holes in a plain file",
            altered(386, b"00000001000\0"),
            FORMAT,
        ),
        ("more holes to come", altered(482, b"\x01"), FORMAT),
        ("size in base 64", altered(124, b"+AAAAAAAAAF\0"), SIZE),
        ("size with a sign", altered(124, b"+0000000005\0"), SIZE),
        ("size behind spaces", altered(124, b"          5\0"), SIZE),
        ("size behind a NUL", altered(124, b"\x000000000005\0"), SIZE),
        ("no size", altered(124, &[0; 12]), SIZE),
        ("size below zero", altered(124, &[0xff; 12]), SIZE),
        (
            "size of 2^64 + 5",
            altered(124, b"\x80\0\0\x01\0\0\0\0\0\0\0\x05"),
            SIZE,
        ),
        (
            "size of 2^63",
            altered(124, b"\x80\0\0\0\x80\0\0\0\0\0\0\0"),
            SIZE,
        ),
        (
            "kind of file in its mode",
            altered(100, b"0100644\0"),
            "its mode is not a plain number",
        ),
        (
            "owner below zero",
            altered(108, &[0xff; 8]),
            "its owner is not a plain number",
        ),
        (
            "group of 2^32",
            altered(116, b"\x80\0\0\x01\0\0\0\0"),
            "its group is not a plain number",
        ),
        (
            "no time",
            altered(136, &[0; 12]),
            "its time is not a plain number",
        ),
    ]
}
