//! Shell patterns on file names: `*`, `?`, `[a-z]`, `[^a]` and `\`.

/// Whether a name fits a pattern; the error is the sentence for a pattern that makes no sense.
pub(crate) fn fits(pattern: &str, name: &str) -> Result<bool, String> {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    well_formed(&pattern)?;
    Ok(matches(&pattern, &name))
}

fn well_formed(mut pattern: &[char]) -> Result<(), String> {
    while let Some((first, rest)) = pattern.split_first() {
        pattern = match first {
            '[' => class(rest).ok_or("syntax error in pattern")?.1,
            '\\' => rest.split_first().ok_or("syntax error in pattern")?.1,
            _ => rest,
        };
    }
    Ok(())
}

fn matches(pattern: &[char], name: &[char]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return name.is_empty();
    };
    let next = name.split_first();
    match (first, next) {
        ('*', _) => matches(rest, name) || next.is_some_and(|(_, tail)| matches(pattern, tail)),
        ('?', Some((_, tail))) => matches(rest, tail),
        ('[', Some((letter, tail))) => {
            class(rest).is_some_and(|(class, rest)| class.holds(*letter) && matches(rest, tail))
        }
        ('\\', Some((letter, tail))) => rest
            .split_first()
            .is_some_and(|(escaped, rest)| escaped == letter && matches(rest, tail)),
        (plain, Some((letter, tail))) => plain == letter && matches(rest, tail),
        (_, None) => false,
    }
}

struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    fn holds(&self, letter: char) -> bool {
        self.ranges
            .iter()
            .any(|(low, high)| (*low..=*high).contains(&letter))
            != self.negated
    }
}

/// Reads a class whose opening bracket is behind; what follows its closing one.
fn class(mut rest: &[char]) -> Option<(Class, &[char])> {
    let negated = rest.first() == Some(&'^');
    if negated {
        rest = &rest[1..];
    }
    let mut ranges = Vec::new();
    loop {
        if rest.first() == Some(&']') && !ranges.is_empty() {
            return Some((Class { negated, ranges }, &rest[1..]));
        }
        let (low, tail) = letter(rest)?;
        let (high, tail) = match tail.split_first() {
            Some(('-', tail)) => letter(tail)?,
            _ => (low, tail),
        };
        ranges.push((low, high));
        rest = tail;
    }
}

fn letter(rest: &[char]) -> Option<(char, &[char])> {
    match rest.split_first()? {
        ('\\', tail) => tail.split_first().map(|(letter, tail)| (*letter, tail)),
        ('-' | ']', _) => None,
        (letter, tail) => Some((*letter, tail)),
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, name, fit) in [
            ("*a*", "beta", true),
            ("[ab]*", "beta", true),
            ("[^ab]*", "beta", false),
            ("?eta", "beta", true),
            ("bet", "beta", false),
            ("[a-c]eta", "beta", true),
            ("\\*", "*", true),
        ] {
            assert_eq!(fits(pattern, name), Ok(fit), "{pattern} {name}");
        }
        assert_eq!(fits("[", "x"), Err("syntax error in pattern".to_owned()));
    }
}
