//! The bodies of answers that the SDK reads whole: how much of one is read, and for how long.
//!
//! An object's own bytes are read piece by piece by whoever asked for them. All else (listings, confirmations, errors) the
//! SDK takes into memory before anybody looks at it, with no other limit than the time of the whole call, which is an hour
//! where data is on its way. A store that never ends an error would be listened to for that hour, and one that sends it
//! quickly would fill the memory.

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
            left: most,
            most,
            time,
            end: Box::pin(tokio::time::sleep(time)),
        })
    })
}

struct Bounded {
    inner: SdkBody,
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
        let length = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len) as u64,
            Some(Err(_)) | None => 0,
        };
        Poll::Ready(match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                frame
            }
            None => Some(Err(Endless(self.most).into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.inner.content_length() {
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}
