//! The members of a backup, a page at a time, out of its sealed inventory.
//!
//! The inventory passes by as a stream, so a page takes as much memory as it shows, however many members there are.

use std::sync::Arc;

use super::preflight::Sealed;
use super::{BackupId, Catalogue, RestoreError};
use crate::archive::Member;
use crate::openpgp::Passphrase;

/// The most bytes that a member takes in JSON beside its name.
const BESIDE: usize = 200;

/// Which members are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Those whose names match.
    pub matching: Pattern,
    /// Behind so many of them.
    pub after: u64,
    /// No more than so many.
    pub limit: usize,
    /// And no more than fit into so many bytes of JSON.
    pub room: usize,
}

/// Some members of a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The members, as they follow each other in the archives.
    pub members: Vec<Member>,
    /// How many match in all.
    pub matching: u64,
    /// What to ask for next, as `after`; nothing when this was the last page.
    pub next: Option<u64>,
}

/// What a member's name has to be like.
///
/// With `*` (any characters) or `?` (any one) in it, it is the whole name; without, it is found anywhere in the name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Reads a pattern; the empty one matches all names.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether a name is like that.
    pub fn matches(&self, name: &str) -> bool {
        match self.0.contains(['*', '?']) {
            true => glob(&self.0.chars().collect::<Vec<_>>(), name),
            false => name.contains(&self.0),
        }
    }
}

/// What was found so far.
struct Search {
    question: Question,
    page: Page,
    bytes: usize,
}

impl Search {
    fn see(&mut self, member: &Member) {
        if !self.question.matching.matches(&member.path) {
            return;
        }
        let number = self.page.matching;
        self.page.matching += 1;
        if number < self.question.after || self.page.next.is_some() {
            return;
        }
        self.bytes += cost(member);
        let fits =
            self.bytes <= self.question.room && self.page.members.len() < self.question.limit;
        match fits {
            true => self.page.members.push(member.clone()),
            false => self.page.next = Some(number),
        }
    }
}

/// No fewer bytes than a member takes in JSON.
fn cost(member: &Member) -> usize {
    let path = serde_json::to_string(&member.path).map_or(0, |path| path.len());
    path + BESIDE
}

/// Opens a backup and gives the members that are asked for.
pub async fn contents(
    catalogue: &Catalogue,
    passphrases: &[Arc<Passphrase>],
    id: &BackupId,
    question: Question,
) -> Result<(Sealed, Page), RestoreError> {
    let search = Search {
        question,
        page: Page::default(),
        bytes: 0,
    };
    let each = Search::see;
    let opened = Sealed::open_and_show(catalogue, passphrases, id, (search, each)).await?;
    let (sealed, search) = opened;
    Ok((sealed, search.page))
}

/// Whether a name is like a pattern, in time that grows with both lengths only.
fn glob(pattern: &[char], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut read) = (0, 0);
    // Where to go on when what follows the last `*` does not fit: the `*` then takes one more character.
    let mut again: Option<(usize, usize)> = None;
    while read < name.len() {
        match pattern.get(at) {
            Some('*') => {
                again = Some((at + 1, read));
                at += 1;
            }
            Some(&letter) if letter == '?' || letter == name[read] => {
                at += 1;
                read += 1;
            }
            Some(_) | None => match &mut again {
                Some((behind, from)) => {
                    *from += 1;
                    (at, read) = (*behind, *from);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_is_a_part_of_the_name_or_a_glob_of_all_of_it() {
        let name = "data/media/local_content/ab/cd/efgh";
        for pattern in [
            "",
            "media",
            "cd/e",
            "*",
            "data/*",
            "*/ef?h",
            "d*m*l*c*h",
            "**h",
        ] {
            assert!(Pattern::new(pattern).matches(name), "{pattern}");
        }
        for pattern in ["Media", "?", "media/*", "*/ef?", "*x*", "*efghi", "data?"] {
            assert!(!Pattern::new(pattern).matches(name), "{pattern}");
        }
        assert!(Pattern::new("*").matches(""));
        assert!(Pattern::new("ä?ü").matches("äöü"));
        let hostile = "a*".repeat(2000);
        assert!(!Pattern::new(&format!("{hostile}b")).matches(&"a".repeat(4000)));
    }
}
