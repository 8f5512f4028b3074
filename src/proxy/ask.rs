//! What the proxy itself asks members, over the connections that carry the traffic.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderValue, Request, Version};
use tonic::{Code, Status};

use super::refuse;
use super::upstream::pool::{Place, place_at_once};
use super::upstream::{Group, Member};
use crate::client::answer;
use crate::codec::{Deframer, Encoding, frame};
use crate::deadline::format_timeout;
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
        let answer = exchange(place, self.head(path)?, &request);
        tokio::time::timeout(self.timeout, answer).await.unwrap_or_else(|_| {
            Err(Status::deadline_exceeded(format!("there was no answer within {:?}", self.timeout)))
        })
    }
}

impl Asking<'_> {
    fn head(&self, path: &str) -> Result<Request<()>, Status> {
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(if self.group.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP });
        // A socket in the file system has no name that could stand there.
        let authority = Authority::try_from(self.member.found.authority.as_str());
        uri.authority = Some(authority.unwrap_or_else(|_| Authority::from_static("localhost")));
        uri.path_and_query = PathAndQuery::try_from(path).ok();
        let uri = Uri::from_parts(uri).map_err(|error| Status::internal(error.to_string()))?;
        let mut request = Request::post(uri).version(Version::HTTP_2);
        if let Some(headers) = request.headers_mut() {
            headers.insert("te", HeaderValue::from_static("trailers"));
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            let agent = concat!("viaduct-proxy/", env!("CARGO_PKG_VERSION"));
            headers.insert(http::header::USER_AGENT, HeaderValue::from_static(agent));
            if let Ok(timeout) = HeaderValue::try_from(format_timeout(self.timeout)) {
                headers.insert("grpc-timeout", timeout);
            }
        }
        request.body(()).map_err(|error| Status::internal(error.to_string()))
    }
}

async fn exchange(place: Place, head: Request<()>, request: &[u8]) -> Result<Bytes, Status> {
    // Until the end of this it counts as a call on its connection.
    let Place { mut send, connection, busy: _busy } = place;
    let explain = |error: h2::Error, doing: &str| connection.explain(&error, doing);
    let (response, mut body) =
        send.send_request(head, false).map_err(|error| explain(error, "the request was being sent"))?;
    // Where the peer takes no more, its answer says why.
    let _ = body.send_data(frame(request, Encoding::Identity)?, true);
    let response = response.await.map_err(|error| explain(error, "the answer was awaited"))?;
    let (head, mut body) = response.into_parts();
    if !answer::is_grpc(&head) {
        return Err(answer::foreign(&head, body).await);
    }
    let mut deframer = Deframer::new(answer::encoding(&head)?, MAX_ANSWER);
    let mut message = None;
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| explain(error, "the answer was being read"))?;
        // Fails only where more is given back than was received.
        let _ = body.flow_control().release_capacity(data.len());
        deframer.push(data);
        while let Some(next) = deframer.next()? {
            message.get_or_insert(next);
        }
    }
    deframer.finish()?;
    let trailers = body.trailers().await.map_err(|error| explain(error, "the trailers were being read"))?;
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
