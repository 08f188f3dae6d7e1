//! The layer between the wire and the store: it notes each call and spoils those that a test has ordered.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, ETAG, HeaderValue};
use hyper::{Request, Response, StatusCode};
use s3s::service::S3Service;
use tokio::sync::oneshot;

use super::faults::{Answering, Effect, Faults};
use super::held::held;
use super::requests::Operation;
use super::shelf::Shelf;
use super::store::NoRange;

pub(super) type BoxError = Box<dyn Error + Send + Sync>;
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// Answers one request.
pub(super) async fn answer(
    service: S3Service,
    faults: Faults,
    shelf: Arc<Shelf>,
    request: Request<Incoming>,
) -> Result<Answer, BoxError> {
    let operation = Operation::of(
        request.method(),
        request.uri().path(),
        request.uri().query(),
        request.headers(),
    );
    let answering = faults.begin(operation);
    let answer = spoil(service, faults, shelf, operation, request).await?;
    Ok(answer.map(|inner| Counted { inner, answering }.boxed_unsync()))
}

/// Answers one request as well as the faults let it.
async fn spoil(
    service: S3Service,
    faults: Faults,
    shelf: Arc<Shelf>,
    operation: Operation,
    mut request: Request<Incoming>,
) -> Result<Answer, BoxError> {
    let path = request.uri().path().to_owned();
    match faults.strike(operation, request.headers()) {
        None => carry_out(&service, request).await,
        Some(Effect::Answer {
            status,
            headers,
            body,
        }) => {
            // A store reads what it refuses, as far as it is sent.
            let _ = request.into_body().collect().await;
            let mut answer = ready_made(status, body)?;
            for (name, value) in headers {
                answer
                    .headers_mut()
                    .insert(name, HeaderValue::from_str(&value)?);
            }
            Ok(answer)
        }
        Some(Effect::AnswerAfter { status, body }) => {
            carry_out(&service, request).await?;
            ready_made(status, body)
        }
        Some(Effect::WrongTag) => {
            let mut answer = carry_out(&service, request).await?;
            answer.headers_mut().insert(
                ETAG,
                HeaderValue::from_static("\"00000000000000000000000000000000\""),
            );
            Ok(answer)
        }
        Some(Effect::Header(name, text)) => {
            let mut answer = carry_out(&service, request).await?;
            answer.headers_mut().remove(name);
            if let Some(text) = text {
                answer
                    .headers_mut()
                    .insert(name, HeaderValue::from_static(text));
            }
            Ok(answer)
        }
        Some(Effect::Whole(cut)) => {
            request.extensions_mut().insert(NoRange);
            let answer = carry_out(&service, request).await?;
            Ok(match cut {
                Some(after) => spoiled(answer, after, End::Flush),
                None => answer,
            })
        }
        Some(Effect::Stall) => std::future::pending().await,
        Some(Effect::Drop) => Err("dropped by the test's order".into()),
        Some(Effect::Cut(after)) => Ok(spoiled(
            carry_out(&service, request).await?,
            after,
            End::Flush,
        )),
        Some(Effect::StallBody(after)) => Ok(spoiled(
            carry_out(&service, request).await?,
            after,
            End::Stall,
        )),
        Some(Effect::Forget) => {
            let answer = finished(carry_out(&service, request).await?).await?;
            shelf.forget(&path);
            Ok(answer)
        }
        Some(Effect::Shorten) => {
            let answer = finished(carry_out(&service, request).await?).await?;
            shelf.shorten(&path);
            Ok(answer)
        }
        Some(Effect::Hold) => {
            faults.released().await;
            carry_out(&service, request).await
        }
        Some(Effect::HoldBody(after)) => {
            let release = faults.released();
            Ok(held(carry_out(&service, request).await?, after, release))
        }
    }
}

async fn carry_out(service: &S3Service, request: Request<Incoming>) -> Result<Answer, BoxError> {
    let answer = service.call(request.map(s3s::Body::from)).await?;
    Ok(answer.map(|body| body.map_err(BoxError::from).boxed_unsync()))
}

/// The answer with its whole body read, so that whatever stands behind it has happened.
async fn finished(answer: Answer) -> Result<Answer, BoxError> {
    let (head, body) = answer.into_parts();
    let content = body.collect().await?.to_bytes();
    Ok(Response::from_parts(head, full(content)))
}

fn ready_made(status: u16, body: String) -> Result<Answer, BoxError> {
    let mut answer = Response::new(full(Bytes::from(body)));
    *answer.status_mut() = StatusCode::from_u16(status)?;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    Ok(answer)
}

fn full(content: Bytes) -> UnsyncBoxBody<Bytes, BoxError> {
    Full::new(content)
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn spoiled(answer: Answer, after: u64, end: End) -> Answer {
    answer.map(|inner| {
        Spoiled {
            inner,
            left: after,
            end,
            last: None,
        }
        .boxed_unsync()
    })
}

/// A body whose call counts as being answered for as long as it is there.
struct Counted {
    inner: UnsyncBoxBody<Bytes, BoxError>,
    #[expect(dead_code, reason = "it is there to be dropped")]
    answering: Answering,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[derive(Clone, Copy)]
enum End {
    Flush,
    Cut,
    Stall,
}

/// A body that ends badly after some bytes.
struct Spoiled {
    inner: UnsyncBoxBody<Bytes, BoxError>,
    left: u64,
    end: End,
    /// Ends when the last bytes have left.
    last: Option<oneshot::Receiver<()>>,
}

/// Bytes that tell when the connection has done with them, which is when the system has taken them.
struct Last {
    data: Bytes,
    _gone: oneshot::Sender<()>,
}

impl AsRef<[u8]> for Last {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Body for Spoiled {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            return match self.end {
                End::Flush => {
                    if let Some(last) = &mut self.last {
                        let _ = ready!(Pin::new(last).poll(context));
                    }
                    // What came before shall have left, the answer's head above all.
                    self.end = End::Cut;
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                End::Cut => Poll::Ready(Some(Err("cut by the test's order".into()))),
                End::Stall => Poll::Pending,
            };
        }
        let Some(Ok(frame)) = ready!(Pin::new(&mut self.inner).poll_frame(context)) else {
            return Poll::Ready(None);
        };
        let Ok(mut data) = frame.into_data() else {
            return Poll::Ready(None);
        };
        data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= data.len() as u64;
        if self.left == 0 {
            let (gone, last) = oneshot::channel();
            self.last = Some(last);
            data = Bytes::from_owner(Last { data, _gone: gone });
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}
