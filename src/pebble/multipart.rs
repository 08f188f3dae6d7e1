//! The multipart bodies of the files API, read strictly and written plainly.

use bytes::Bytes;

/// A boundary as we write it: 48 hexadecimal digits; the daemon wants 32 characters or more.
const BOUNDARY_BYTES: usize = 24;

/// What one part holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    pub(super) body: Bytes,
}

/// What is wrong with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) detail: &'static str,
}

/// Finds the boundary in a content type of `multipart/form-data`.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let mut fields = content_type.split(';').map(str::trim);
    fields
        .next()
        .filter(|kind| kind.eq_ignore_ascii_case("multipart/form-data"))?;
    fields
        .find_map(|field| field.strip_prefix("boundary="))
        .map(|value| value.trim_matches('"'))
        .filter(|value| !value.is_empty() && value.len() <= 70)
}

/// Takes a body apart. A body without its final boundary has lost its end, and nothing of it is returned.
pub(super) fn parts(body: &Bytes, boundary: &str) -> Result<Vec<Part>, Malformed> {
    let first = format!("--{boundary}");
    let delimiter = format!("\r\n--{boundary}");
    if !body.starts_with(first.as_bytes()) {
        return Err(malformed("it does not begin with its boundary"));
    }
    let mut parts = Vec::new();
    let mut at = first.len();
    loop {
        // `at` stands behind a boundary: a line end means another part, two hyphens the end.
        match body.get(at..at + 2) {
            Some(b"\r\n") => at += 2,
            Some(b"--") => return Ok(parts),
            Some(_) => return Err(malformed("it has a boundary with something behind it")),
            None => return Err(malformed("it stops before its final boundary")),
        }
        let length = find(&body[at..], delimiter.as_bytes())
            .ok_or_else(|| malformed("it stops before its final boundary"))?;
        parts.push(part(&body.slice(at..at + length))?);
        at += length + delimiter.len();
    }
}

/// Takes one part apart: headers, an empty line, content.
fn part(bytes: &Bytes) -> Result<Part, Malformed> {
    let end = find(bytes, b"\r\n\r\n").ok_or_else(|| malformed("a part has no headers"))?;
    let headers = std::str::from_utf8(&bytes[..end])
        .map_err(|_| malformed("a part's headers are not text"))?;
    let disposition = headers
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find_map(|(key, value)| {
            key.eq_ignore_ascii_case("Content-Disposition")
                .then_some(value)
        })
        .ok_or_else(|| malformed("a part has no Content-Disposition"))?;
    Ok(Part {
        name: quoted(disposition, "name").ok_or_else(|| malformed("a part has no name"))?,
        filename: quoted(disposition, "filename"),
        body: bytes.slice(end + 4..),
    })
}

/// The value of a quoted field, with the backslashes before quotes and backslashes taken out.
fn quoted(disposition: &str, field: &str) -> Option<String> {
    let start = disposition.find(&format!(" {field}=\""))? + field.len() + 3;
    let mut value = String::new();
    let mut letters = disposition[start..].chars();
    loop {
        match letters.next()? {
            '"' => return Some(value),
            '\\' => value.push(letters.next()?),
            letter => value.push(letter),
        }
    }
}

/// Writes the body of a write request: the request's JSON, then one file. Returns the content type and the body.
pub(super) fn write_request(
    request: &[u8],
    path: &str,
    content: &[u8],
) -> Result<(String, Bytes), getrandom::Error> {
    let mut random = [0; BOUNDARY_BYTES];
    getrandom::fill(&mut random)?;
    let boundary: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let filename = path.replace('\\', "\\\\").replace('"', "\\\"");
    let head = format!(
        "--{boundary}\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n"
    );
    let between = format!(
        "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n\
         Content-Disposition: form-data; name=\"files\"; filename=\"{filename}\"\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let body = [
        head.as_bytes(),
        request,
        between.as_bytes(),
        content,
        tail.as_bytes(),
    ]
    .concat();
    Ok((
        format!("multipart/form-data; boundary={boundary}"),
        Bytes::from(body),
    ))
}

fn malformed(detail: &'static str) -> Malformed {
    Malformed { detail }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    // Skipping to the next byte that could begin a match is what keeps large files cheap.
    while let Some(step) = haystack.get(from..)?.iter().position(|byte| *byte == first) {
        from += step;
        if haystack[from..].starts_with(needle) {
            return Some(from);
        }
        from += 1;
    }
    None
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn sample() -> Bytes {
        Bytes::from_static(
            b"--bb\r\nContent-Disposition: form-data; name=\"files\"; filename=\"/a \\\"b\\\\\"\r\n\r\n\r\n--b\r\n\
              --bb\r\nContent-Disposition: form-data; name=\"response\"\r\nContent-Type: application/json\r\n\r\n{}\r\n--bb--\r\n",
        )
    }

    #[test]
    fn parts_come_out_as_they_went_in() {
        let parts = parts(&sample(), "bb").unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].filename.as_deref(), Some("/a \"b\\"));
        assert_eq!(&parts[0].body[..], b"\r\n--b");
        assert_eq!(parts[1].name, "response");
        assert_eq!(parts[1].filename, None);
        assert_eq!(&parts[1].body[..], b"{}");
    }

    #[test]
    fn a_body_cut_anywhere_before_its_final_boundary_is_refused() {
        let whole = sample();
        for length in 0..whole.len() - 2 {
            assert!(
                parts(&whole.slice(..length), "bb").is_err(),
                "cut at {length}"
            );
        }
    }

    #[test]
    fn what_we_write_we_can_read() {
        let content = b"\r\n--x\r\n\0";
        let (kind, body) = write_request(b"{}", "/a \"b\\", content).unwrap();
        let boundary = boundary(&kind).unwrap();
        assert!(boundary.len() >= 32);
        let parts = parts(&body, boundary).unwrap();
        assert_eq!(parts[0].name, "request");
        assert_eq!(parts[1].filename.as_deref(), Some("/a \"b\\"));
        assert_eq!(&parts[1].body[..], content);
    }
}
