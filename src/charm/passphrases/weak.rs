//! Which passphrases are soon guessed; pure.
//!
//! A known estimator (the crate `zxcvbn`) would add 3.3 MB of word lists and patterns to the program. This finds what is weak
//! without doubt and says nothing of the rest: a warning that is wrong is soon read no more.

use std::collections::BTreeSet;

/// Fewer characters are tried out by machines.
const SHORTEST: usize = 12;
/// Fewer different characters make a pattern.
const FEWEST: usize = 5;
/// Only digits need more of them for the same.
const SHORTEST_NUMBER: usize = 20;

/// What guessers try first, in small letters, without digits and signs before and after.
const COMMON: &[&str] = &[
    "admin",
    "administrator",
    "backup",
    "backups",
    "backuppassphrase",
    "backuppassword",
    "baseball",
    "changeit",
    "changeme",
    "charlie",
    "computer",
    "default",
    "dragon",
    "football",
    "hunter",
    "iloveyou",
    "internet",
    "letmein",
    "login",
    "master",
    "matrix",
    "michael",
    "monkey",
    "ninja",
    "nopassword",
    "passphrase",
    "passwd",
    "password",
    "passwort",
    "princess",
    "qazwsx",
    "root",
    "secret",
    "shadow",
    "starwars",
    "sunshine",
    "superman",
    "superuser",
    "supersecret",
    "synapse",
    "synapsebackup",
    "test",
    "testing",
    "trustno",
    "welcome",
    "whatever",
];

/// Rows of a keyboard and of the alphabet, along which fingers slide.
const ROWS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
];

/// Why a passphrase is weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weakness {
    /// It has too few characters.
    Short,
    /// It is a pattern: repeated, or a row of keys.
    Pattern,
    /// It is, but for digits and signs around it, among those that everybody tries.
    Common,
}

impl Weakness {
    /// Finds what is wrong with a passphrase, if it is wrong without doubt.
    pub(crate) fn of(passphrase: &str) -> Option<Self> {
        let text = passphrase.trim_end_matches('\n').to_lowercase();
        let letters: Vec<char> = text.chars().collect();
        let different: BTreeSet<&char> = letters.iter().collect();
        let number = letters.iter().all(|letter| !letter.is_alphabetic());
        if is_common(&text) {
            Some(Self::Common)
        } else if different.len() < FEWEST || repeats(&letters) || is_row(&text) {
            Some(Self::Pattern)
        } else if letters.len() < SHORTEST || (number && letters.len() < SHORTEST_NUMBER) {
            Some(Self::Short)
        } else {
            None
        }
    }

    /// What is wrong, as a fragment behind "weak passphrase: ".
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Short => "take 12 characters or more, not only digits",
            Self::Pattern => "it is a pattern",
            Self::Common => "it is among those that are tried first",
        }
    }
}

/// Whether it is a common word, in letters or with the usual signs for them, once or several times.
fn is_common(text: &str) -> bool {
    let plain: String = text
        .trim_matches(|letter: char| !letter.is_alphabetic() && !"@$".contains(letter))
        .chars()
        .map(|letter| match letter {
            '0' => 'o',
            '1' => 'l',
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            other => other,
        })
        .filter(|letter| letter.is_alphabetic())
        .collect();
    !plain.is_empty() && COMMON.iter().any(|word| plain.replace(word, "").is_empty())
}

/// Whether it is some beginning of its own, over and over.
fn repeats(letters: &[char]) -> bool {
    (1..=letters.len() / 2)
        .any(|period| (period..letters.len()).all(|at| letters[at] == letters[at - period]))
}

/// Whether it is a row of keys, forwards or backwards.
fn is_row(text: &str) -> bool {
    let backwards: String = text.chars().rev().collect();
    ROWS.iter().any(|row| {
        let twice = row.repeat(2);
        twice.contains(text) || twice.contains(&backwards)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_soon_guessed_is_found() {
        for (text, weakness) in [
            ("hunter2", Weakness::Common),
            ("right", Weakness::Short),
            ("Password12345!", Weakness::Common),
            ("P@ssw0rd!2026", Weakness::Common),
            ("passwordpassword", Weakness::Common),
            ("synapse-backup-2026", Weakness::Common),
            ("changeme", Weakness::Common),
            ("aaaaaaaaaaaaaaaaaaaa", Weakness::Pattern),
            ("abcabcabcabcabc", Weakness::Pattern),
            ("over and over and ", Weakness::Pattern),
            ("qwertyuiopasdf", Weakness::Pattern),
            ("0987654321098765", Weakness::Pattern),
            ("abcdefghijklmnop", Weakness::Pattern),
            ("3141592653589793", Weakness::Short),
            ("kV9$x", Weakness::Short),
        ] {
            assert_eq!(Weakness::of(text), Some(weakness), "{text}");
        }
    }

    #[test]
    fn what_may_be_good_is_left_alone() {
        for text in [
            "correct horse battery staple",
            "planted passphrase, sung by 7 whales",
            "vK3h-99wq-Lm2x",
            "zażółć gęślą jaźń",
            "the password of my aunt's canary",
            "31415926535897932384626",
            "6f1c0a7e9b2d4c8f",
        ] {
            assert_eq!(Weakness::of(text), None, "{text}");
        }
    }
}
