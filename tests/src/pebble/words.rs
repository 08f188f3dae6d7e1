//! A command line split into words as a shell would, without expanding anything.

/// Splits a command; the error is the sentence of the splitter that Pebble uses.
pub(crate) fn split(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = command.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '#' if word.is_none() => while letters.next_if(|next| *next != '\n').is_some() {},
            '\\' => match letters.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err("EOF found after escape character".to_owned()),
            },
            '\'' | '"' => {
                let text = word.get_or_insert_default();
                loop {
                    match letters.next() {
                        None => return Err("EOF found when expecting closing quote".to_owned()),
                        Some(next) if next == letter => break,
                        Some('\\') if letter == '"' => match letters.next() {
                            Some(next) => text.push(next),
                            None => return Err("EOF found after escape character".to_owned()),
                        },
                        Some(next) => text.push(next),
                    }
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Splits a service's command, whose default arguments may stand in one `[ ... ]` group at the end.
pub(crate) fn split_service(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let (mut inside, mut over) = (false, false);
    for word in split(command)? {
        match (word.as_str(), inside, over) {
            ("[", true, _) => return Err("cannot nest [ ... ] groups".to_owned()),
            ("]", true, _) => (inside, over) = (false, true),
            (_, true, _) => words.push(word),
            (_, false, true) => {
                return Err("cannot have any arguments after [ ... ] group".to_owned());
            }
            ("[", false, false) if words.is_empty() => {
                return Err("cannot start command with [ ... ] group".to_owned());
            }
            ("[", false, false) => inside = true,
            ("]", false, false) => return Err("cannot have ] outside of [ ... ] group".to_owned()),
            (_, false, false) => words.push(word),
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_split_as_by_a_shell() {
        assert_eq!(
            split(r#"sh -c 'a "b"' "c \"d" e\ f"#),
            Ok(["sh", "-c", "a \"b\"", "c \"d", "e f"]
                .map(str::to_owned)
                .to_vec())
        );
        assert_eq!(
            split("x 'y"),
            Err("EOF found when expecting closing quote".to_owned())
        );
        assert_eq!(split("x ''"), Ok(vec!["x".to_owned(), String::new()]));
    }
}
