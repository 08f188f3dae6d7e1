//! The bodies of answers that the SDK reads whole: how much of one is read, and for how long.
//!
//! An object's own bytes are read piece by piece by whoever asked for them. All else (listings, confirmations, errors) the
//! SDK takes into memory before anybody looks at it, with no other limit than the time of the whole call, which is an hour
//! where data is on its way. A store that never ends an error would be listened to for that hour, and one that sends it
//! quickly would fill the memory. And the SDK takes a document that breaks off for a whole one: a listing of which the half is
//! missing would look like a shorter listing.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::wire::Silence;

/// The most bytes of an answer: a page of a thousand keys of a kilobyte each, every character of them escaped.
const LONGEST: u64 = 16 << 20;
/// The most bytes of a refusal.
const LONGEST_REFUSAL: u64 = 256 << 10;
/// How the SDK marks the request for an object.
const OBJECT: &str = "x-id=GetObject";

/// An answer went on for longer than any does.
#[derive(Debug, thiserror::Error)]
#[error("more than {0} bytes came")]
pub(super) struct Endless(pub(super) u64);

/// The document of an answer breaks off.
#[derive(Debug, thiserror::Error)]
#[error("the document breaks off")]
struct Torn;

/// The same answer with a body that ends: after so many bytes, and in this time. An object is left as it is.
pub(super) fn bounded(answer: HttpResponse, uri: &str, time: Duration) -> HttpResponse {
    let good = answer.status().is_success();
    if good && uri.contains(OBJECT) {
        return answer;
    }
    let most = if good { LONGEST } else { LONGEST_REFUSAL };
    answer.map(|inner| {
        SdkBody::from_body_1_x(Bounded {
            inner,
            document: good.then(Document::default),
            left: most,
            most,
            time,
            end: Box::pin(tokio::time::sleep(time)),
        })
    })
}

struct Bounded {
    inner: SdkBody,
    /// What of the body is looked at, unless it is a refusal, which counts whether it is whole or not.
    document: Option<Document>,
    left: u64,
    most: u64,
    time: Duration,
    end: Pin<Box<Sleep>>,
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = aws_smithy_types::body::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(Silence(self.time).into())));
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        let data = match &frame {
            Some(Ok(frame)) => frame.data_ref(),
            Some(Err(_)) => None,
            None => match self.document.take() {
                Some(document) if !document.is_whole() => {
                    return Poll::Ready(Some(Err(Torn.into())));
                }
                Some(_) | None => None,
            },
        };
        if let (Some(document), Some(data)) = (&mut self.document, data) {
            document.pass(data);
        }
        let length = data.map_or(0, Bytes::len) as u64;
        Poll::Ready(match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                frame
            }
            None => Some(Err(Endless(self.most).into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.document.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.inner.content_length() {
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}

/// Both ends of a document as it passes.
#[derive(Debug, Default)]
struct Document {
    begin: Vec<u8>,
    end: Vec<u8>,
}

impl Document {
    /// As much is looked at of the beginning, and of the end.
    const ENDS: usize = 512;

    fn pass(&mut self, data: &[u8]) {
        let data = match self.begin.is_empty() {
            // Stores send blanks while they put parts together.
            true => data.trim_ascii_start(),
            false => data,
        };
        let room = Self::ENDS - self.begin.len();
        self.begin.extend_from_slice(&data[..data.len().min(room)]);
        self.end
            .extend_from_slice(&data[data.len().saturating_sub(Self::ENDS)..]);
        let surplus = self.end.len().saturating_sub(Self::ENDS);
        self.end.drain(..surplus);
    }

    /// Whether the element that it begins with is closed at its end. What is no XML is for others to judge.
    fn is_whole(&self) -> bool {
        let begin = String::from_utf8_lossy(&self.begin);
        let mut rest = begin.trim_start_matches('\u{feff}');
        while rest.starts_with("<?") || rest.starts_with("<!--") {
            let Some((_, behind)) = rest.split_once('>') else {
                return false;
            };
            rest = behind.trim_start();
        }
        let Some(root) = rest.strip_prefix('<') else {
            // Behind a declaration there has to be something.
            return !rest.is_empty() || begin.is_empty();
        };
        let name: String = root
            .chars()
            .take_while(|c| !c.is_whitespace() && !"/>".contains(*c))
            .collect();
        let end = String::from_utf8_lossy(&self.end);
        let end = end.trim_end();
        let empty = root
            .split_once('>')
            .is_some_and(|(element, behind)| element.ends_with('/') && behind.trim().is_empty());
        empty || end.ends_with(&format!("</{name}>"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(pieces: &[&str]) -> bool {
        let mut document = Document::default();
        pieces
            .iter()
            .for_each(|piece| document.pass(piece.as_bytes()));
        document.is_whole()
    }

    #[test]
    fn document_is_whole_when_its_first_element_is_closed_at_its_end() {
        let long = "<Key>k</Key>".repeat(1000);
        for good in [
            "",
            "  \n",
            "no XML at all",
            "<R/>",
            "<?xml version=\"1.0\"?>\n<R xmlns=\"x\"/>",
            "   <R a=\"b\">x</R>\n",
            &format!("<!-- c --><R>{long}</R>"),
        ] {
            assert!(whole(&[good]), "{good}");
        }
        for torn in [
            "<",
            "<R",
            "<R>",
            "<R>x</",
            "<?xml version",
            "<?xml version=\"1.0\"?>",
            "<R><R/>",
            &format!("<R>{long}"),
        ] {
            assert!(!whole(&[torn]), "{torn}");
        }
    }

    proptest! {
        #[test]
        fn no_beginning_of_a_document_is_a_whole_one(keys in prop::collection::vec("[a-z/&;]{0,30}", 0..50), cut in any::<prop::sample::Index>()) {
            let body: String = keys.iter().map(|key| format!("<Key>{key}</Key>")).collect();
            let text = format!("<?xml version=\"1.0\"?><ListBucketResult>{body}</ListBucketResult>");
            let at = 1 + cut.index(text.len() - 1);
            prop_assert!(whole(&[&text[..at], &text[at..]]));
            prop_assert!(!whole(&[&text[..at]]), "{}", &text[..at]);
        }
    }
}
