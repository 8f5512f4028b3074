//! What the proxy itself asks members, over the connections that carry the traffic.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method};
use tonic::{Code, Status};

use super::http2::{Client, Onward};
use super::refuse;
use super::upstream::pool::place_at_once;
use super::upstream::{Group, Member};
use crate::client::answer;
use crate::codec::{Deframer, Encoding, frame};
use crate::discovery::Unary;
use crate::status;

/// The longest answer that is taken.
const MAX_ANSWER: usize = 4 << 20;

/// One member, to be asked.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    pub(super) group: &'a Arc<Group>,
    pub(super) member: &'a Arc<Member>,
    /// The worker whose connections are used.
    pub(super) worker: usize,
    /// How long an answer may take.
    pub(super) timeout: Duration,
}

impl Unary for Asking<'_> {
    async fn unary(&self, path: &str, request: Vec<u8>) -> Result<Bytes, Status> {
        let place = place_at_once(self.group, self.member, self.worker).await;
        let place = place.map_err(|why| refuse::no_connection(&why.to_string()))?;
        let answer = self.ask(&place, path, &request);
        tokio::time::timeout(self.timeout, answer).await.unwrap_or_else(|_| {
            Err(Status::deadline_exceeded(format!("there was no answer within {:?}", self.timeout)))
        })
    }
}

impl Asking<'_> {
    async fn ask(&self, place: &Client, path: &str, request: &[u8]) -> Result<Bytes, Status> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::TE, HeaderValue::from_static("trailers"));
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let agent = concat!("viaduct-proxy/", env!("CARGO_PKG_VERSION"));
        headers.insert(http::header::USER_AGENT, HeaderValue::from_static(agent));
        // A socket in the file system has no name that could stand there.
        let authority = Authority::try_from(self.member.found.authority.as_str());
        let head = Onward {
            method: &Method::POST,
            https: self.group.tls.is_some(),
            authority: authority.as_ref().map_or("localhost", Authority::as_str),
            path,
            headers: &headers,
            without: None,
            timeout: Some(self.timeout),
        };
        exchange(place, &head, request).await
    }
}

async fn exchange(place: &Client, head: &Onward<'_>, request: &[u8]) -> Result<Bytes, Status> {
    let mut stream = place.open(head, false).map_err(|error| error.status("the request was being sent"))?;
    poll_fn(|cx| stream.poll_begun(cx)).await;
    let mut data = frame(request, Encoding::Identity)?;
    while !data.is_empty() {
        if poll_fn(|cx| stream.poll_send(&mut data, true, cx)).await.is_err() {
            // Where the peer takes no more, its answer says why.
            break;
        }
    }
    let head =
        poll_fn(|cx| stream.poll_head(cx)).await.map_err(|error| error.status("the answer was awaited"))?;
    if !answer::is_grpc(&head) {
        let body = |cx: &mut Context<'_>| stream.poll_data(cx).map(|data| data?.ok());
        return Err(answer::foreign_by(&head, body).await);
    }
    let mut deframer = Deframer::new(answer::encoding(&head)?, MAX_ANSWER);
    let mut message = None;
    while let Some(data) = poll_fn(|cx| stream.poll_data(cx)).await {
        let data = data.map_err(|error| error.status("the answer was being read"))?;
        stream.release(data.len());
        deframer.push(data);
        while let Some(next) = deframer.next()? {
            // It could go on for ever.
            if message.replace(next).is_some() {
                return Err(Status::internal("the answer has more than one message; expected one"));
            }
        }
    }
    deframer.finish()?;
    let trailers = poll_fn(|cx| stream.poll_trailers(cx)).await;
    let trailers = trailers.map_err(|error| error.status("the trailers were being read"))?;
    let status =
        trailers.as_ref().and_then(status::from_headers).or_else(|| status::from_headers(&head.headers));
    match (status, message) {
        (Some(status), Some(message)) if status.code() == Code::Ok => Ok(message.into_bytes()),
        (Some(status), None) if status.code() == Code::Ok => {
            Err(Status::internal("the answer is OK and has no message; expected one"))
        }
        (Some(status), _) => Err(status),
        (None, _) => Err(answer::no_trailers()),
    }
}
