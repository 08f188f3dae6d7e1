#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;

use super::*;

/// A small archive made by the `tar` package: `data/`, `data/a.txt`, and whatever `more` adds.
fn archive(more: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    add(&mut builder, "data/", tar::EntryType::Directory, b"");
    add(
        &mut builder,
        "data/a.txt",
        tar::EntryType::Regular,
        b"hello",
    );
    more(&mut builder);
    builder.into_inner().unwrap()
}

/// Adds a member under any name at all, which the builder's own functions refuse to.
fn add(builder: &mut tar::Builder<Vec<u8>>, name: &str, kind: tar::EntryType, content: &[u8]) {
    let mut header = owned(content.len() as u64, 0o640);
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

fn owned(size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(991);
    header.set_gid(991);
    header.set_mtime(1_700_000_000);
    header
}

fn pass_all(bytes: &[u8]) -> (Result<Passed, ArchiveError>, Vec<u8>, Vec<Member>) {
    let mut out = Vec::new();
    let mut members = Vec::new();
    let result = pass(bytes, &mut out, |member| {
        members.push(member);
        Ok(())
    });
    (result, out, members)
}

#[test]
fn whole_archive_passes_unchanged_and_every_member_is_told() {
    let bytes = archive(|builder| {
        let long = format!("data/{}", "n".repeat(300));
        let mut header = owned(3, 0o600);
        builder.append_data(&mut header, long, &b"xyz"[..]).unwrap();
    });
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
        ("data/a.txt", 5, 0o640)
    );
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(members[1].sha256.as_ref().unwrap().to_string(), hello);
    assert_eq!(members[2].path.len(), 305);
}

#[test]
fn archive_cut_anywhere_is_an_error() {
    let bytes = archive(|_| ());
    let whole = bytes.len();
    for length in 0..whole {
        let (result, ..) = pass_all(&bytes[..length]);
        assert!(
            result.is_err(),
            "an archive cut to {length} of {whole} bytes passed"
        );
    }
    assert!(pass_all(&bytes[..whole]).0.is_ok());
}

#[test]
fn bytes_after_the_end_mark_are_an_error() {
    let mut bytes = archive(|_| ());
    bytes.extend_from_slice(&[0; 512]);
    assert!(pass_all(&bytes).0.is_ok());
    bytes.write_all(b"x").unwrap();
    assert!(matches!(pass_all(&bytes).0, Err(ArchiveError::Trailing)));
}

#[test]
fn hostile_members_are_refused_by_name_and_nothing_of_them_passes() {
    use tar::EntryType as Type;
    let table = [
        ("/etc/passwd", Type::Regular, Refusal::Absolute),
        ("data/../../etc/passwd", Type::Regular, Refusal::Climbing),
        ("..", Type::Directory, Refusal::Climbing),
        ("./", Type::Directory, Refusal::Unreadable),
        ("data/new\nline", Type::Regular, Refusal::Unreadable),
        ("data/link", Type::Symlink, Refusal::Link),
        ("data/hard", Type::Link, Refusal::Link),
        ("data/fifo", Type::Fifo, Refusal::Device),
        ("data/char", Type::Char, Refusal::Device),
        ("data/block", Type::Block, Refusal::Device),
    ];
    for (name, kind, expected) in table {
        let bytes = archive(|builder| add(builder, name, kind, b""));
        let (result, out, _) = pass_all(&bytes);
        match result {
            Err(ArchiveError::Refused {
                name: refused,
                refusal,
            }) => {
                assert_eq!((refused.as_str(), refusal), (name, expected));
            }
            other => panic!("{name}: {other:?}"),
        }
        assert!(
            out.len() <= 3 * 512,
            "{name}: something of the refused member passed"
        );
    }
}

#[test]
fn set_user_id_is_refused() {
    let bytes = archive(|builder| {
        let mut header = owned(0, 0o4755);
        builder
            .append_data(&mut header, "data/su", &b""[..])
            .unwrap();
    });
    let refused = pass_all(&bytes).0;
    assert!(
        matches!(
            refused,
            Err(ArchiveError::Refused {
                refusal: Refusal::SetId,
                ..
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn endless_header_is_not_held_in_memory() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(8 << 30);
    header.set_cksum();
    let source = header.as_bytes().chain(std::io::repeat(b'n'));
    let error = pass(source, std::io::sink(), |_| Ok(())).unwrap_err();
    assert!(matches!(error, ArchiveError::Read(_)), "{error:?}");
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
    let bytes = archive(|_| ());
    assert!(matches!(
        pass(&bytes[..], Full, |_| Ok(())),
        Err(ArchiveError::Sink(_))
    ));
}

#[test]
fn sparse_member_is_an_error() {
    let bytes = archive(|builder| add(builder, "data/sparse", tar::EntryType::GNUSparse, b""));
    assert!(matches!(pass_all(&bytes).0, Err(ArchiveError::Read(_))));
}
