//! Multipart bodies, read part by part as they come.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::request;

/// The longest head of a part.
const LONGEST_HEAD: usize = 64 << 10;

/// A multipart body.
pub(crate) struct Multipart {
    body: Incoming,
    buffer: BytesMut,
    delimiter: Vec<u8>,
    /// Whether a part's content lies before the next delimiter.
    inside: bool,
    over: bool,
}

/// The head of a part.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) file_name: String,
}

/// A body that ends before its last boundary, or breaks off.
pub(crate) const EOF: &str = "multipart: NextPart: EOF";

impl Multipart {
    pub(crate) fn new(body: Incoming, boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // A boundary may stand at the very beginning, as if a line had ended before it.
        Self {
            body,
            buffer: BytesMut::from(&b"\r\n"[..]),
            delimiter,
            inside: true,
            over: false,
        }
    }

    /// The next part; none behind the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>, String> {
        while self.inside {
            self.content().await?;
        }
        if self.over {
            return Ok(None);
        }
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if self.buffer.len() > LONGEST_HEAD {
                return Err("multipart: the head of a part is too long".to_owned());
            }
            self.fill().await?;
        };
        let head = self.buffer.split_to(end + 4);
        let head = String::from_utf8_lossy(&head).into_owned();
        let disposition = head.lines().filter_map(|line| line.split_once(':'));
        let disposition =
            disposition.filter(|(name, _)| name.eq_ignore_ascii_case("content-disposition"));
        let parameters = disposition
            .map(|(_, value)| value.trim().to_owned())
            .next()
            .unwrap_or_default();
        self.inside = true;
        let parameter = |name: &str| parameter(&parameters, name).unwrap_or_default();
        Ok(Some(Part {
            name: parameter("name"),
            file_name: parameter("filename"),
        }))
    }

    /// Some more of the content of the part at hand; none at its end.
    pub(crate) async fn content(&mut self) -> Result<Option<Bytes>, String> {
        while self.inside {
            let Some(place) = find(&self.buffer, &self.delimiter) else {
                let sure = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
                if sure > 0 {
                    return Ok(Some(self.buffer.split_to(sure).freeze()));
                }
                self.fill().await?;
                continue;
            };
            if place > 0 {
                return Ok(Some(self.buffer.split_to(place).freeze()));
            }
            let behind = self.delimiter.len();
            while self.buffer.len() < behind + 2 {
                self.fill().await?;
            }
            match &self.buffer[behind..behind + 2] {
                b"--" => {
                    self.over = true;
                    self.inside = false;
                }
                b"\r\n" => {
                    // The line's end may be the beginning of the empty line that ends a head without fields.
                    drop(self.buffer.split_to(behind + 2));
                    self.inside = false;
                }
                // It only looks like a boundary.
                _ => return Ok(Some(self.buffer.split_to(behind).freeze())),
            }
        }
        Ok(None)
    }

    /// Reads away what is left, after a refusal.
    pub(crate) async fn drain(&mut self) {
        request::drain(&mut self.body).await;
    }

    async fn fill(&mut self) -> Result<(), String> {
        match self.body.frame().await {
            Some(Ok(frame)) => {
                self.buffer
                    .extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                Ok(())
            }
            Some(Err(_)) | None => Err(EOF.to_owned()),
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    let first = *what.first()?;
    let mut from = 0;
    while let Some(found) = text.get(from..)?.iter().position(|byte| *byte == first) {
        let place = from + found;
        if text[place..].starts_with(what) {
            return Some(place);
        }
        from = place + 1;
    }
    None
}

/// A parameter of a header's value, such as `boundary` in `multipart/form-data; boundary=x`.
pub(crate) fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let (text, tail) = take_value(after);
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(text);
        }
        rest = tail.trim_start().strip_prefix(';')?;
    }
}

fn take_value(after: &str) -> (String, &str) {
    let Some(quoted) = after.strip_prefix('"') else {
        let end = after.find(';').unwrap_or(after.len());
        return (after[..end].trim().to_owned(), &after[end..]);
    };
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '"' => return (text, &quoted[place + 1..]),
            '\\' => text.extend(letters.next().map(|(_, next)| next)),
            other => text.push(other),
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::parameter;

    #[test]
    fn parameters_are_read_with_their_quotes() {
        let value = r#"form-data; name="files"; filename="/a \"b\"; c""#;
        assert_eq!(parameter(value, "name").as_deref(), Some("files"));
        assert_eq!(
            parameter(value, "filename").as_deref(),
            Some(r#"/a "b"; c"#)
        );
        assert_eq!(
            parameter("multipart/form-data; boundary=xyz", "boundary").as_deref(),
            Some("xyz")
        );
        assert_eq!(parameter("multipart/form-data", "boundary"), None);
    }
}
