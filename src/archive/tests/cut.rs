use std::cell::RefCell;
use std::io;

use super::*;

/// Archives that were closed, and the most that each was announced with.
#[derive(Default)]
struct Shelf {
    announced: Vec<u64>,
    closed: RefCell<Vec<(Vec<u8>, Passed)>>,
}

impl Archives for Shelf {
    type Archive = Vec<u8>;

    fn open(&mut self, most: u64) -> io::Result<Vec<u8>> {
        self.announced.push(most);
        Ok(Vec::new())
    }

    fn close(&mut self, archive: Vec<u8>, passed: Passed) -> io::Result<()> {
        self.closed.get_mut().push((archive, passed));
        Ok(())
    }
}

fn cut_all(bytes: &[u8], most: u64) -> (Result<(), ArchiveError>, Shelf, Vec<Member>) {
    let (mut shelf, mut members) = (Shelf::default(), Vec::new());
    let result = cut(
        bytes,
        most,
        &mut shelf,
        |_| Ok(()),
        |member| {
            members.push(member);
            Ok(())
        },
    );
    (result, shelf, members)
}

/// Files of several sizes, one with a long name.
fn several() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, size) in [700, 0, 40_000, 512, 9_000, 3].into_iter().enumerate() {
        let name = format!("data/{number}");
        bytes.extend(file(name.as_bytes(), &vec![number as u8 + 1; size]));
    }
    bytes.extend(long_named("n".repeat(300).as_bytes(), b"xyz"));
    archive(&bytes)
}

#[test]
fn each_piece_is_an_archive_of_its_own_and_together_they_hold_every_member_once() {
    let bytes = several();
    let (whole, _, expected) = pass_all(&bytes);
    let total = whole.unwrap();
    for most in [1, 11_000, 20_480, 30_000, 51_200, 1 << 30] {
        let (result, shelf, members) = cut_all(&bytes, most);
        result.unwrap();
        assert_eq!(members, expected, "cut at {most}");
        let closed = shelf.closed.into_inner();
        let mut found = Vec::new();
        for ((archive, passed), announced) in closed.iter().zip(&shelf.announced) {
            let (result, _, members) = pass_all(archive);
            assert_eq!(result.unwrap(), *passed, "cut at {most}");
            assert!(passed.stream <= *announced, "{passed:?} of {announced}");
            assert!(
                passed.stream <= most || passed.members == 1,
                "{passed:?} of {most}"
            );
            assert_eq!(archive.len() % 10_240, 0);
            found.extend(members);
        }
        assert_eq!(found, expected, "cut at {most}");
        let content: u64 = closed.iter().map(|(_, passed)| passed.content).sum();
        assert_eq!(content, total.content);
    }
    assert_eq!(cut_all(&bytes, 1 << 30).1.announced.len(), 1);
}

#[test]
fn stream_that_breaks_off_never_closes_its_last_archive() {
    let bytes = several();
    let whole = cut_all(&bytes, 30_000).1.closed.into_inner().len();
    for length in (0..bytes.len()).step_by(331) {
        let (result, shelf, _) = cut_all(&bytes[..length], 30_000);
        if result.is_err() {
            assert!(shelf.closed.into_inner().len() < whole, "cut to {length}");
        }
    }
}

#[test]
fn empty_stream_makes_no_archive() {
    let (result, shelf, _) = cut_all(&[0; 1024], 30_000);
    result.unwrap();
    assert!(shelf.announced.is_empty());
}
