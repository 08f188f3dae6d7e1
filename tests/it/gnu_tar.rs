//! The archive room beside the real `tar`: what one writes the other takes, and both see the same in it.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "../../src/archive/tests/blocks.rs"]
mod blocks;
#[path = "../../src/archive/tests/corpus.rs"]
mod corpus;

use std::collections::BTreeMap;
use std::fs::{self, Metadata, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use blocks::{archive, file, header, long_named, sealed};
use corpus::hostile;
use synapse_operator::archive::{self, ArchiveError, Dialect, Kind, Member};

/// How many altered archives that pass are unpacked.
const ENOUGH: u32 = 300;

/// Unpacks as the restore does, into `data` below a directory of its own; tells what is there, and whether `tar` was content.
fn unpack(bytes: &[u8]) -> (BTreeMap<String, String>, bool) {
    let top = tempfile::tempdir().unwrap();
    let staging = top.path().join("a/b/staging");
    fs::create_dir_all(&staging).unwrap();
    let mut tar = Command::new("tar")
        .args([
            "--extract",
            "--file=-",
            "--preserve-permissions",
            "--no-same-owner",
        ])
        .arg(format!("--directory={}", staging.display()))
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let fed = tar.stdin.take().unwrap().write_all(bytes);
    // It may have had enough before the end.
    assert!(fed.is_ok() || fed.is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe));
    let content = tar.wait().unwrap().success();
    let mut found = BTreeMap::new();
    look(top.path(), top.path(), &mut found);
    for way in ["a", "a/b", "a/b/staging"] {
        found.remove(way);
    }
    let inside = |(path, what): (String, String)| match path.strip_prefix("a/b/staging/") {
        Some(path) => (path.to_owned(), what),
        None => (format!("OUTSIDE {path}"), what),
    };
    (found.into_iter().map(inside).collect(), content)
}

fn look(top: &Path, directory: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(top).unwrap().to_string_lossy();
        found.insert(name.into_owned(), describe(&path, &metadata));
        if metadata.is_dir() {
            look(top, &path, found);
        }
    }
}

/// Kind, size and mode, as [`told`] words them too.
fn describe(path: &Path, metadata: &Metadata) -> String {
    let mode = metadata.permissions().mode() & 0o7777;
    let kind = metadata.file_type();
    if kind.is_file() {
        return format!("file {} {mode:o}", metadata.len());
    }
    if kind.is_dir() {
        // A directory's set-id bits are passed on and not told.
        return format!("directory {:o}", mode & 0o1777);
    }
    if kind.is_symlink() {
        return format!("link to {}", fs::read_link(path).unwrap().display());
    }
    if kind.is_fifo() {
        return "FIFO".to_owned();
    }
    "device".to_owned()
}

fn told(members: &[Member]) -> BTreeMap<String, String> {
    members
        .iter()
        .map(|member| {
            let what = match member.kind {
                Kind::File => format!("file {} {:o}", member.size, member.mode),
                Kind::Directory => format!("directory {:o}", member.mode),
            };
            (member.path.clone(), what)
        })
        .collect()
}

fn pass(bytes: &[u8]) -> Result<Vec<Member>, ArchiveError> {
    pass_in(Dialect::Own, bytes)
}

fn pass_in(dialect: Dialect, bytes: &[u8]) -> Result<Vec<Member>, ArchiveError> {
    let mut members = Vec::new();
    let passed = archive::pass_in(
        dialect,
        bytes,
        io::sink(),
        |_| Ok(true),
        |member| {
            members.push(member);
            Ok(())
        },
    );
    passed.map(|_| members)
}

/// What GNU tar makes of some of the corpus, content with most of it: the judge in front of it is the only guard.
#[test]
fn tar_itself_takes_much_of_what_is_refused() {
    let makes = [
        ("symbolic link", "data/link", "link to /etc"),
        ("write through a symbolic link", "data/evil", "file 1 750"),
        ("long link", "data/link", "link to /etc/passwd"),
        ("FIFO", "data/fifo", "FIFO"),
        ("sparse", "data/sparse", "file 4608 750"),
        ("contiguous", "data/odd", "file 5 750"),
        ("unheard of", "data/odd", "file 5 750"),
        ("directory listing", "data/odd", "directory 750"),
        ("set-user-id", "data/b.txt", "file 5 4755"),
        ("file called as a directory", "data/slash", "directory 750"),
        ("long with a NUL", "data/x", "file 1 750"),
        ("two names", "data/c", "file 1 750"),
        ("detour", "data/a.txt", "file 1 750"),
        // Names, sizes and contents that the header does not tell.
        (
            "prefix of what is ustar for some",
            "etc/data/b.txt",
            "file 0 750",
        ),
        ("name longer than it says", "data/bcd", "file 1 750"),
        ("pax path", "data/other", "file 5 750"),
        ("absolute pax path", "etc/passwd", "file 5 750"),
        ("pax path for all", "data/all", "file 5 750"),
        ("pax size", "data/b.txt", "file 1 750"),
        ("pax header of Solaris", "data/other", "file 5 750"),
        ("size in base 64", "data/b.txt", "file 5 750"),
        ("signed checksum", "data/ö.txt", "file 0 750"),
    ];
    let mut corpus: BTreeMap<_, _> = hostile()
        .into_iter()
        .map(|hostile| (hostile.what, (archive(&hostile.blocks), hostile.refusal)))
        .collect();
    for (what, path, expected) in makes {
        let (bytes, rule) = corpus.remove(what).unwrap();
        let (found, _) = unpack(&bytes);
        assert_eq!(
            found.get(path).map(String::as_str),
            Some(expected),
            "{what}: {found:?}"
        );
        match pass(&bytes) {
            Err(ArchiveError::Refused { refusal, .. }) => assert_eq!(refusal.to_string(), rule),
            other => panic!("{what}: {other:?}"),
        }
    }
}

/// As the backup reads.
fn create(top: &Path) -> Command {
    let mut tar = Command::new("tar");
    tar.args([
        "--create",
        "--file=-",
        "--format=gnu",
        "--numeric-owner",
        "--hard-dereference",
        "--blocking-factor=512",
    ]);
    tar.arg(format!("--directory={}", top.display()))
        .arg("data")
        .env("LC_ALL", "C");
    tar
}

#[test]
fn what_tar_writes_passes_and_is_told_as_it_lies() {
    let top = tempfile::tempdir().unwrap();
    let data = top.path().join("data");
    let deep = data.join("d".repeat(99)).join("e".repeat(255));
    fs::create_dir_all(&deep).unwrap();
    let long = [
        "f".repeat(94),
        "f".repeat(95),
        "f".repeat(96),
        "ö".repeat(120),
    ];
    for (length, name) in long.iter().enumerate() {
        fs::write(data.join(name), vec![b'x'; length]).unwrap();
        fs::write(deep.join(name), vec![b'x'; 511 + length]).unwrap();
    }
    for mode in [0o1777, 0o2750, 0o700, 0o555] {
        let path = data.join(format!("mode {mode:o}"));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }
    fs::write(data.join("name with \"quotes\" and \\"), b"").unwrap();
    fs::hard_link(data.join(&long[0]), data.join("second name")).unwrap();
    let old = fs::File::create(data.join("old")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH - std::time::Duration::from_secs(86_400))
        .unwrap();

    let bytes = create(top.path()).output().unwrap().stdout;
    let members = pass(&bytes).unwrap();
    let mut there = BTreeMap::new();
    look(top.path(), top.path(), &mut there);
    assert_eq!(told(&members), there);
    let time = |name: &str| members.iter().find(|member| member.path == name).unwrap();
    assert_eq!(time("data/old").mtime.cast_signed(), -86_400);
}

#[test]
fn size_that_tar_writes_in_binary_is_understood() {
    let top = tempfile::tempdir().unwrap();
    fs::create_dir(top.path().join("data")).unwrap();
    let big = fs::File::create(top.path().join("data/big")).unwrap();
    big.set_len((9 << 30) + 7).unwrap();
    let mut tar = create(top.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut sizes = Vec::new();
    let head = tar.stdout.take().unwrap().take(64 << 10);
    let cut = archive::pass(
        std::io::BufReader::new(head),
        io::sink(),
        |member| {
            sizes.push(member.size);
            Ok(true)
        },
        |_| Ok(()),
    );
    tar.wait().unwrap();
    assert!(
        matches!(cut, Err(ArchiveError::Truncated { .. })),
        "{cut:?}"
    );
    assert_eq!(sizes, [0, (9 << 30) + 7]);
}

/// One header after the other is altered in one to three bytes, with a right checksum. Whatever still passes is unpacked
/// as it was told, or `tar` fails and says so.
#[test]
fn tar_makes_of_every_header_that_passes_what_was_told() {
    altered_headers(Dialect::Own);
}

/// The same, where a name may begin with a slash: `tar` takes it off as we do.
#[test]
fn tar_makes_of_every_foreign_header_that_passes_what_was_told() {
    altered_headers(Dialect::Foreign);
}

fn altered_headers(dialect: Dialect) {
    let slash: &[u8] = match dialect {
        Dialect::Own => b"",
        Dialect::Foreign => b"/",
    };
    let name = |name: &[u8]| [slash, name].concat();
    let members = [
        header(&name(b"data/d/"), b'5', 0).to_vec(),
        file(&name(b"data/d/b.txt"), &[b'b'; 700]),
        long_named(
            &name(&[b"data/".as_slice(), &[b'n'; 150]].concat()),
            b"long",
        ),
        file(&name(b"data/last"), b"end"),
    ]
    .concat();
    let whole = archive(&members);
    // The blocks that are headers, the long name among them.
    let headers = [0, 1, 3, 4, 7, 8, 9, 11].map(|block| block * 512);
    let mut random = Random(0x5eed);
    let (mut passed, mut failed) = (0, 0);
    for _ in 0..4000 {
        let mut bytes = whole.clone();
        let at = headers[random.below(headers.len())];
        let block: &mut [u8; 512] = (&mut bytes[at..at + 512]).try_into().unwrap();
        for _ in 0..=random.below(3) {
            let place = random.below(345);
            let odd = [
                0, b' ', b'/', b'.', b'0', b'7', b'8', b'+', b'a', 0x80, 0xff,
            ];
            block[place] = odd[random.below(odd.len())];
        }
        *block = sealed(*block);
        let Ok(members) = pass_in(dialect, &bytes) else {
            continue;
        };
        let expected = told(&members);
        if expected.len() < members.len() {
            // Two members of one name: found by counting what was unpacked.
            continue;
        }
        passed += 1;
        if passed > ENOUGH {
            break;
        }
        let (found, content) = unpack(&bytes);
        if !content {
            failed += 1;
            continue;
        }
        // Directories that are no members are made on the way.
        let missing = found.keys().filter(|path| !expected.contains_key(*path));
        assert!(
            missing
                .clone()
                .all(|path| found[path].starts_with("directory")),
            "{found:?} instead of {expected:?}"
        );
        for (path, what) in &expected {
            assert_eq!(found.get(path), Some(what), "{path}");
        }
    }
    assert!(passed > ENOUGH, "only {passed} altered archives passed");
    assert!(failed < ENOUGH / 4, "tar failed at {failed} of them");
}

/// Numbers that look like any others, and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}
