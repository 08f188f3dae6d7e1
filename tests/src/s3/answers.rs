//! The layer between the wire and the store: it notes each call and spoils those that a test has ordered.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HeaderValue};
use hyper::{Request, Response, StatusCode};
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::echo::quoting;
use super::faults::{Answering, Effect};
use super::held::held;
use super::policy;
use super::quirks::{Quirk, Refusal};
use super::requests::Operation;
use super::server::Site;
use super::store::NoRange;

pub(super) type BoxError = Box<dyn Error + Send + Sync>;
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// How HTTP writes a time.
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// Answers one request.
pub(super) async fn answer(site: Site, request: Request<Incoming>) -> Result<Answer, BoxError> {
    let operation = Operation::of(
        request.method(),
        request.uri().path(),
        request.uri().query(),
        request.headers(),
    );
    let answering = site.faults.begin(operation);
    let mut answer = spoil(&site, operation, request).await?;
    if let Some(seconds) = site.quirks.clock() {
        let told = (Timestamp::now().as_second()).saturating_add(seconds);
        let told = Timestamp::from_second(told)?
            .strftime(HTTP_DATE)
            .to_string();
        answer
            .headers_mut()
            .insert(DATE, HeaderValue::from_str(&told)?);
    }
    Ok(answer.map(|inner| Counted { inner, answering }.boxed_unsync()))
}

/// Answers one request as well as the faults let it.
async fn spoil(
    site: &Site,
    operation: Operation,
    mut request: Request<Incoming>,
) -> Result<Answer, BoxError> {
    let Site { faults, shelf, .. } = site;
    let path = request.uri().path().to_owned();
    match faults.strike(operation, &path, request.headers()) {
        None => obey(site, operation, request).await,
        Some(Effect::Answer {
            status,
            headers,
            body,
        }) => {
            refused(
                request,
                Refusal {
                    status,
                    headers,
                    body,
                },
            )
            .await
        }
        Some(Effect::Echo(status)) => {
            let secret = site.secret.as_str();
            let refusal = Refusal {
                status,
                headers: Vec::new(),
                body: quoting(&request, secret),
            };
            refused(request, refusal).await
        }
        Some(Effect::AnswerAfter { status, body }) => {
            obey(site, operation, request).await?;
            ready_made(status, body)
        }
        Some(Effect::WrongTag) => {
            let mut answer = obey(site, operation, request).await?;
            answer.headers_mut().insert(
                ETAG,
                HeaderValue::from_static("\"00000000000000000000000000000000\""),
            );
            Ok(answer)
        }
        Some(Effect::Header(name, text)) => {
            let mut answer = obey(site, operation, request).await?;
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
            let answer = obey(site, operation, request).await?;
            Ok(match cut {
                Some(after) => spoiled(answer, after, End::Flush),
                None => answer,
            })
        }
        Some(Effect::Stall) => std::future::pending().await,
        Some(Effect::Lose) => {
            finished(obey(site, operation, request).await?).await?;
            Err("lost by the test's order".into())
        }
        Some(Effect::Drop) => Err("dropped by the test's order".into()),
        Some(Effect::Cut(after)) => Ok(spoiled(
            obey(site, operation, request).await?,
            after,
            End::Flush,
        )),
        Some(Effect::StallBody(after)) => Ok(spoiled(
            obey(site, operation, request).await?,
            after,
            End::Stall,
        )),
        Some(Effect::Forget) => {
            let answer = finished(obey(site, operation, request).await?).await?;
            shelf.forget(&path);
            Ok(answer)
        }
        Some(Effect::Shorten) => {
            let answer = finished(obey(site, operation, request).await?).await?;
            shelf.shorten(&path);
            Ok(answer)
        }
        Some(Effect::Hold) => {
            faults.released().await;
            obey(site, operation, request).await
        }
        Some(Effect::HoldBody(after)) => {
            let release = faults.released();
            Ok(held(obey(site, operation, request).await?, after, release))
        }
    }
}

/// Carries a request out as a store of these ways does.
async fn obey(
    site: &Site,
    operation: Operation,
    request: Request<Incoming>,
) -> Result<Answer, BoxError> {
    let (query, headers) = (request.uri().query(), request.headers());
    if let Some(refusal) = site
        .quirks
        .refusal(operation, query, headers, &site.uploads)
    {
        return refused(request, refusal).await;
    }
    let policy = site.quirks.find(|quirk| match quirk {
        Quirk::Policy(policy) => Some(policy.clone()),
        _ => None,
    });
    let path = request.uri().path().to_owned();
    let request = match &policy {
        None => request.map(s3s::Body::from),
        Some(policy) => match policy.admit(operation, request).await? {
            Ok(request) => request,
            Err(refusal) => return ready_made(refusal.status, refusal.body),
        },
    };
    let answer = site.service.call(request).await?;
    let missing = answer.status() == StatusCode::NOT_FOUND;
    if missing && policy.is_some_and(|policy| policy.hides(operation, &path)) {
        let Refusal { status, body, .. } = policy::denied();
        return ready_made(status, body);
    }
    let answer = answer.map(|body| body.map_err(BoxError::from).boxed_unsync());
    match tags(site) {
        Some(tags) => retagged(answer, tags).await,
        None => Ok(answer),
    }
}

/// What has become of the tags.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tags {
    Bare,
    Missing,
}

fn tags(site: &Site) -> Option<Tags> {
    site.quirks.find(|quirk| match quirk {
        Quirk::UnquotedTags => Some(Tags::Bare),
        Quirk::NoTags => Some(Tags::Missing),
        _ => None,
    })
}

/// The answer with other tags in its head and in its text.
async fn retagged(mut answer: Answer, tags: Tags) -> Result<Answer, BoxError> {
    if let Some(tag) = answer.headers_mut().remove(ETAG)
        && tags == Tags::Bare
    {
        let bare = tag.to_str()?.trim_matches('"').to_owned();
        answer
            .headers_mut()
            .insert(ETAG, HeaderValue::from_str(&bare)?);
    }
    let is_xml = answer
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/xml");
    if !is_xml {
        return Ok(answer);
    }
    let (mut head, body) = answer.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    let text = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
    let mut pieces = text.split("<ETag>");
    let mut altered = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (tag, rest) = piece.split_once("</ETag>").unwrap_or((piece, ""));
        if tags == Tags::Bare {
            let bare = tag.replace("&quot;", "").replace('"', "");
            altered += &format!("<ETag>{bare}</ETag>");
        }
        altered += rest;
    }
    Ok(Response::from_parts(head, full(Bytes::from(altered))))
}

/// Reads what is refused, as far as it is sent: a client that is broken off may not see the refusal.
async fn refused(request: Request<Incoming>, refusal: Refusal) -> Result<Answer, BoxError> {
    let _ = request.into_body().collect().await;
    let mut answer = ready_made(refusal.status, refusal.body)?;
    for (name, value) in refusal.headers {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_str(&value)?);
    }
    Ok(answer)
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
