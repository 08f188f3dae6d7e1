//! The dialect of the Python charm's archives: one slash in front, and nothing else that is new.

use super::*;

fn pass_foreign(bytes: &[u8]) -> (Result<Passed, ArchiveError>, Vec<u8>, Vec<Member>) {
    let mut out = Vec::new();
    let mut members = Vec::new();
    let result = pass_in(
        Dialect::Foreign,
        bytes,
        &mut out,
        |_| Ok(true),
        |member| {
            members.push(member);
            Ok(())
        },
    );
    (result, out, members)
}

fn refusal(result: Result<Passed, ArchiveError>) -> String {
    match result {
        Err(ArchiveError::Refused { refusal, .. }) => refusal.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn absolute_name_of_a_foreign_archive_is_told_without_its_slash_and_passes_unchanged() {
    let long = [b"/data/".as_slice(), &[b'n'; 300]].concat();
    let members = [
        header(b"/data/media/", b'5', 0).to_vec(),
        file(b"/data/homeserver.db", b"below"),
        long_named(&long, b"xyz"),
    ];
    let bytes = archive(&members.concat());
    let (result, out, members) = pass_foreign(&bytes);
    assert_eq!(result.unwrap().members, 5);
    assert_eq!(out, bytes);
    let names: Vec<&str> = members.iter().map(|member| &*member.path).collect();
    let long = String::from_utf8(long[1..].to_vec()).unwrap();
    let expected = [
        "data",
        "data/a.txt",
        "data/media",
        "data/homeserver.db",
        &long,
    ];
    assert_eq!(names, expected);

    let absolute = "its name is absolute";
    assert_eq!(refusal(pass_all(&bytes).0), absolute);
}

#[test]
fn foreign_archive_may_do_nothing_else_that_ours_may_not() {
    for Hostile {
        what,
        blocks,
        refusal: expected,
    } in hostile()
    {
        let (result, out, members) = pass_foreign(&archive(&blocks));
        if matches!(what, "absolute" | "long and absolute") {
            assert_eq!(result.unwrap().members, 3, "{what}");
            assert_eq!(members[2].path, "etc/passwd", "{what}");
            continue;
        }
        assert_eq!(refusal(result), expected, "{what}");
        assert_eq!(out, beginning(), "{what}: something of it passed");
    }
    let twice = "its name is absolute";
    let climbing = "its name climbs out of the directory";
    let idle = "its name has a part that leads nowhere";
    for (name, expected) in [
        ("/", twice),
        ("//data/x", twice),
        ("///data/x", twice),
        ("/../data/x", climbing),
        ("/data/../../x", climbing),
        ("/..", climbing),
        ("/./data/x", idle),
        ("/data//x", idle),
    ] {
        for blocks in [
            file(name.as_bytes(), b"x"),
            long_named(name.as_bytes(), b"x"),
        ] {
            let (result, out, _) = pass_foreign(&archive(&blocks));
            assert_eq!(refusal(result), expected, "{name}");
            assert_eq!(out, beginning(), "{name}: something of it passed");
        }
    }
}
