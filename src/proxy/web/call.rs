//! One call, whatever it came over.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use tonic::Status;

use super::head::{self, Shape};
use super::{base64, cors};
use crate::proxy::downstream::Line;
use crate::proxy::metrics::Counters;
use crate::status;

/// Why a request does not go on.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Lost {
    /// The client has gone.
    Gone,
    /// What it sends cannot be read.
    Wrong(&'static str),
}

/// Where the request's body comes from.
pub(in crate::proxy) trait Source {
    /// The next piece; the one before it has been taken by then.
    fn next(&mut self) -> impl Future<Output = Option<Result<Bytes, Lost>>> + Send;

    /// Ready when the client has gone, once the body is at its end.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;
}

/// Where the answer goes. An error means that the client has gone.
pub(in crate::proxy) trait Sink {
    fn head(&mut self, head: Response<()>, ends: bool) -> impl Future<Output = Result<(), ()>> + Send;

    fn data(&mut self, data: Bytes, ends: bool) -> impl Future<Output = Result<(), ()>> + Send;

    /// Ready when the client has given up.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;
}

/// How a call ended.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::proxy) enum End {
    /// The client has its answer; whether its request was read to its end.
    Answered { sent: bool },
    /// The client has gone.
    Gone,
    /// The answer broke off.
    Cut,
}

/// Carries a call to where all calls go, and its answer back.
pub(in crate::proxy) async fn call(
    line: &Arc<Line>,
    asked: &Parts,
    source: &mut impl Source,
    sink: &mut impl Sink,
) -> End {
    Counters::add(&line.shared.counters.web_translated);
    let shape = Shape::new(&asked.headers);
    let sent = AtomicBool::new(false);
    let mut begun = false;
    let stopped = {
        let mut work = pin!(carry(line, asked, &shape, source, sink, &sent, &mut begun));
        work.as_mut().await
    };
    let status = match stopped {
        Ok(end) => return end,
        Err(status) => status,
    };
    if begun {
        let mut trailers = HeaderMap::new();
        status::to_headers(&status, &mut trailers);
        let frame = written(&shape, head::trailers(&trailers));
        return if sink.data(frame, true).await.is_ok() { End::Answered { sent: false } } else { End::Gone };
    }
    let mut response = Response::new(());
    head::answer(response.headers_mut(), &shape);
    status::to_headers(&status, response.headers_mut());
    if let Some(cors) = &line.listen.settings.translate_web {
        cors::mark(cors, &asked.headers, response.headers_mut());
    }
    if sink.head(response, true).await.is_ok() {
        End::Answered { sent: sent.load(Relaxed) }
    } else {
        End::Gone
    }
}

/// Both directions. An error is what the client is told.
async fn carry(
    line: &Arc<Line>,
    asked: &Parts,
    shape: &Shape,
    source: &mut impl Source,
    sink: &mut impl Sink,
    sent: &AtomicBool,
    begun: &mut bool,
) -> Result<End, Status> {
    if head::is_compressed(asked) {
        return Err(Status::unimplemented(
            "the request's body is compressed as a whole; expected none of it",
        ));
    }
    let inside = |error: h2::Error| Status::internal(format!("the call cannot be translated: {error}"));
    let mut send = line.bridge.ready(line).await.map_err(inside)?;
    let onward = head::request(asked, shape, line.tls);
    let (response, to) = send.send_request(onward, false).map_err(inside)?;
    drop(send);
    let mut request = pin!(request(source, shape, to, sent));
    let mut answer = pin!(answer(line, asked, shape, response, sink, begun));
    let mut asking = true;
    poll_fn(|cx| {
        if asking && let Poll::Ready(lost) = request.as_mut().poll(cx) {
            asking = false;
            match lost {
                Some(Lost::Gone) => return Poll::Ready(Ok(End::Gone)),
                Some(Lost::Wrong(why)) => return Poll::Ready(Err(Status::invalid_argument(why))),
                // The answer is on its way.
                None => {}
            }
        }
        answer.as_mut().poll(cx).map(|end| {
            Ok(match end {
                End::Answered { .. } => End::Answered { sent: sent.load(Relaxed) },
                end => end,
            })
        })
    })
    .await
}

/// Sends the request's body; with nothing where nobody wants more of it.
async fn request(
    source: &mut impl Source,
    shape: &Shape,
    mut to: SendStream<Bytes>,
    sent: &AtomicBool,
) -> Option<Lost> {
    let mut text = base64::Decoder::default();
    while let Some(piece) = source.next().await {
        let mut data = match piece {
            Ok(piece) if shape.text_in => match text.push(&piece) {
                Ok(data) => data,
                Err(why) => return Some(Lost::Wrong(why)),
            },
            Ok(piece) => piece,
            Err(lost) => return Some(lost),
        };
        while !data.is_empty() {
            let room = room(&mut to, data.len()).await?;
            let part = data.split_to(room.min(data.len()));
            to.send_data(part, false).ok()?;
        }
    }
    if !text.is_whole() {
        return Some(Lost::Wrong("the body ends within a group of four characters of base64"));
    }
    sent.store(true, Relaxed);
    to.send_data(Bytes::new(), true).ok()?;
    source.gone().await;
    Some(Lost::Gone)
}

/// How much `to` takes now, at most `wanted`; `None` where it takes nothing any more.
async fn room(to: &mut SendStream<Bytes>, wanted: usize) -> Option<usize> {
    to.reserve_capacity(wanted);
    while to.capacity() == 0 {
        poll_fn(|cx| to.poll_capacity(cx)).await?.ok()?;
    }
    Some(to.capacity())
}

async fn answer(
    line: &Line,
    asked: &Parts,
    shape: &Shape,
    response: ResponseFuture,
    sink: &mut impl Sink,
    begun: &mut bool,
) -> End {
    let Some(response) = or_gone(sink, response).await else { return End::Gone };
    let Ok(response) = response else { return End::Cut };
    let (mut parts, mut body) = response.into_parts();
    let ends = body.is_end_stream();
    // Of a call that was forwarded this is never another.
    parts.status = StatusCode::OK;
    head::answer(&mut parts.headers, shape);
    if let Some(cors) = &line.listen.settings.translate_web {
        cors::mark(cors, &asked.headers, &mut parts.headers);
    }
    *begun = true;
    if sink.head(Response::from_parts(parts, ()), ends).await.is_err() {
        return End::Gone;
    }
    if ends {
        return End::Answered { sent: false };
    }
    loop {
        let data = match or_gone(sink, poll_fn(|cx| body.poll_data(cx))).await {
            None => return End::Gone,
            Some(None) => break,
            Some(Some(Err(_))) => return End::Cut,
            Some(Some(Ok(data))) => data,
        };
        let length = data.len();
        if length > 0 && sink.data(written(shape, data), false).await.is_err() {
            return End::Gone;
        }
        // Fails only where more is given back than was received.
        let _ = body.flow_control().release_capacity(length);
    }
    let Ok(trailers) = trailers(&mut body).await else { return End::Cut };
    let frame = written(shape, head::trailers(&trailers));
    if sink.data(frame, true).await.is_ok() { End::Answered { sent: false } } else { End::Gone }
}

async fn trailers(body: &mut RecvStream) -> Result<HeaderMap, ()> {
    match poll_fn(|cx| body.poll_trailers(cx)).await {
        Ok(Some(trailers)) => Ok(trailers),
        // The forwarding ends every call with a status.
        Ok(None) | Err(_) => Err(()),
    }
}

/// As the client reads it.
fn written(shape: &Shape, data: Bytes) -> Bytes {
    if shape.text_out { base64::encode(&data) } else { data }
}

/// `work`, unless the client gives up before.
async fn or_gone<T>(sink: &mut impl Sink, work: impl Future<Output = T>) -> Option<T> {
    let (mut gone, mut work) = (pin!(sink.gone()), pin!(work));
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => gone.as_mut().poll(cx).map(|()| None),
    })
    .await
}
