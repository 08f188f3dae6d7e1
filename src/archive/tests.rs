#![expect(clippy::unwrap_used, reason = "tests")]

mod blocks;
mod corpus;
mod cut;
mod foreign;

use std::io::{Read, Write as _};

use super::*;
use blocks::{archive, beginning, file, header, long_named, padded, sealed};
use corpus::{Hostile, hostile};

fn pass_all(bytes: &[u8]) -> (Result<Passed, ArchiveError>, Vec<u8>, Vec<Member>) {
    pass_some(bytes, |_| Ok(true))
}

fn pass_some(
    bytes: &[u8],
    admit: impl FnMut(&Member) -> Result<bool, Refusal>,
) -> (Result<Passed, ArchiveError>, Vec<u8>, Vec<Member>) {
    let mut out = Vec::new();
    let mut members = Vec::new();
    let result = pass(bytes, &mut out, admit, |member| {
        members.push(member);
        Ok(())
    });
    (result, out, members)
}

#[test]
fn whole_archive_passes_unchanged_and_every_member_is_told() {
    let long = format!("data/{}", "n".repeat(300));
    let bytes = archive(&long_named(long.as_bytes(), b"xyz"));
    let (result, out, members) = pass_all(&bytes);
    let passed = result.unwrap();
    assert_eq!(out, bytes);
    assert_eq!(
        (passed.members, passed.content, passed.stream),
        (3, 8, bytes.len() as u64)
    );
    assert_eq!(members[0].path, "data");
    assert_eq!(members[0].sha256, None);
    assert_eq!(
        (members[1].path.as_str(), members[1].size, members[1].mode),
        ("data/a.txt", 5, 0o750)
    );
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(members[1].sha256.as_ref().unwrap().to_string(), hello);
    assert_eq!((members[2].path.as_str(), members[2].size), (&*long, 3));
}

#[test]
fn archive_cut_anywhere_is_an_error() {
    let bytes = archive(&long_named(b"data/long", b"content"));
    for length in 0..bytes.len() {
        let (result, out, _) = pass_all(&bytes[..length]);
        assert!(
            matches!(result, Err(ArchiveError::Truncated { bytes }) if bytes == length as u64),
            "an archive cut to {length} bytes: {result:?}"
        );
        assert!(bytes.starts_with(&out));
    }
    assert!(pass_all(&bytes).0.is_ok());
}

#[test]
fn bytes_after_the_end_mark_are_an_error_and_do_not_pass() {
    let mut bytes = archive(&[]);
    bytes.extend_from_slice(&[0; 512]);
    assert!(pass_all(&bytes).0.is_ok());
    bytes.write_all(&file(b"data/late", b"x")).unwrap();
    let (result, out, _) = pass_all(&bytes);
    assert!(matches!(result, Err(ArchiveError::Trailing)), "{result:?}");
    assert!(!out.windows(9).any(|bytes| bytes == b"data/late"));
}

#[test]
fn hostile_members_are_refused_by_name_and_nothing_of_them_passes() {
    for Hostile {
        what,
        blocks,
        refusal: expected,
    } in hostile()
    {
        let (result, out, members) = pass_all(&archive(&blocks));
        match result {
            Err(ArchiveError::Refused { refusal, .. }) => {
                assert_eq!(refusal.to_string(), expected, "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(out, beginning(), "{what}: something of it passed");
        assert_eq!(members.len(), 2, "{what}: it was noted");
    }
}

#[test]
fn refused_member_is_told_by_its_name() {
    for blocks in [
        file(b"data/../x", b""),
        long_named(b"data/../x", b""),
        [
            header(b"././@LongLink", b'L', 10).to_vec(),
            padded(b"data/../x\0"),
        ]
        .concat(),
    ] {
        match pass_all(&archive(&blocks)).0 {
            Err(ArchiveError::Refused { name, .. }) => assert_eq!(name, "data/../x"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn caller_is_asked_before_anything_of_a_member_passes() {
    let bytes = archive(&[file(b"data/b.txt", b"below"), file(b"data/c.txt", b"")].concat());
    let mut asked = Vec::new();
    let (result, out, members) = pass_some(&bytes, |member| {
        assert_eq!(member.sha256, None);
        asked.push(member.path.clone());
        match member.path.as_str() {
            "data/b.txt" => Err(Refusal::Outside),
            _ => Ok(true),
        }
    });
    assert!(
        matches!(&result, Err(ArchiveError::Refused { name, refusal: Refusal::Outside }) if name == "data/b.txt"),
        "{result:?}"
    );
    assert_eq!(asked, ["data", "data/a.txt", "data/b.txt"]);
    assert_eq!(out, beginning());
    assert_eq!(members.len(), 2);
}

#[test]
fn content_shorter_than_its_claim_is_never_the_end() {
    for claim in [(8 << 30) - 1, 8 << 30, 1 << 62] {
        let claim = header(b"data/big", b'0', claim).to_vec();
        let bytes = archive(&[claim, padded(b"short")].concat());
        let (result, _, members) = pass_all(&bytes);
        assert!(
            matches!(result, Err(ArchiveError::Truncated { .. })),
            "{result:?}"
        );
        assert_eq!(members.len(), 2);

        // Who knows how much there should be stops it at once.
        let (result, out, _) = pass_some(&bytes, |member| match member.size {
            0..=512 => Ok(true),
            _ => Err(Refusal::Surplus),
        });
        assert!(
            matches!(
                result,
                Err(ArchiveError::Refused {
                    refusal: Refusal::Surplus,
                    ..
                })
            ),
            "{result:?}"
        );
        assert_eq!(out, beginning());
    }
}

#[test]
fn endless_header_is_not_held_in_memory() {
    let claim = header(b"././@LongLink", b'L', 8 << 30);
    let mut endless = claim[..].chain(io::repeat(b'n')).take(1 << 20);
    let source = io::BufReader::with_capacity(512, &mut endless);
    let error = pass(source, io::sink(), |_| Ok(true), |_| Ok(())).unwrap_err();
    assert!(matches!(error, ArchiveError::Refused { .. }), "{error:?}");
    assert_eq!((1 << 20) - endless.limit(), 512);
}

#[test]
fn time_before_1970_is_kept() {
    let mut block = header(b"data/old", b'0', 0);
    block[136..148].copy_from_slice(b"\xff\xff\xff\xff\xff\xff\xff\xff\xda\x61\x62\x80");
    let (result, _, members) = pass_all(&archive(&sealed(block)));
    result.unwrap();
    assert_eq!(members[2].mtime.cast_signed(), -631_152_000);
}

#[test]
fn failing_sink_is_told_from_a_failing_source() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::ConnectionReset))
        }
    }
    let bytes = archive(&[]);
    assert!(matches!(
        pass(&bytes[..], Full, |_| Ok(true), |_| Ok(())),
        Err(ArchiveError::Sink(_))
    ));
    let begun = bytes[..1000].chain(io::BufReader::new(Broken));
    assert!(matches!(
        pass(begun, io::sink(), |_| Ok(true), |_| Ok(())),
        Err(ArchiveError::Read(_))
    ));
}
