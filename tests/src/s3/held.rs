//! Answers that wait until the test takes its orders back, and then go on as if nothing had been.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame};

use super::answers::{Answer, BoxError};

/// Ends when the orders are taken back.
pub(super) type Release = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The answer, whose body is kept back after some bytes until it is released.
pub(super) fn held(answer: Answer, after: u64, release: Release) -> Answer {
    answer.map(|inner| {
        Held {
            inner,
            rest: None,
            left: after,
            release: Some(release),
        }
        .boxed_unsync()
    })
}

struct Held {
    inner: UnsyncBoxBody<Bytes, BoxError>,
    /// What of the last piece has to wait.
    rest: Option<Bytes>,
    left: u64,
    release: Option<Release>,
}

impl Body for Held {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0
            && let Some(release) = &mut self.release
        {
            ready!(release.as_mut().poll(context));
            self.release = None;
        }
        if let Some(rest) = self.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(rest))));
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        if self.release.is_none() {
            return Poll::Ready(frame);
        }
        let Some(Ok(frame)) = frame else {
            return Poll::Ready(frame);
        };
        let Ok(mut data) = frame.into_data() else {
            return Poll::Ready(None);
        };
        let given = data
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let rest = data.split_off(given);
        self.rest = (!rest.is_empty()).then_some(rest);
        self.left -= given as u64;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}
