//! The client's side of a request: what is left of it passes from one attempt to the next.

use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use tonic::Status;

use crate::status;

/// How much of a request is kept for sending it again.
const KEPT: usize = 64 << 10;

/// A request that is being forwarded, as its client sees it.
pub(super) struct Client {
    pub(super) body: RecvStream,
    pub(super) answer: Answer,
    /// What has been read, as long as it may have to be sent again.
    kept: Option<Vec<Bytes>>,
    kept_bytes: usize,
    /// The body has been read to its end.
    pub(super) ended: bool,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) is_grpc: bool,
    /// Bytes of the body that were received.
    pub(super) received: u64,
    /// Bytes of the answer's body that were passed on.
    pub(super) returned: u64,
    /// An interim answer was passed on.
    pub(super) interim: bool,
    /// The HTTP status that was passed on.
    pub(super) status: Option<StatusCode>,
}

/// The answer, as far as it has been passed on.
pub(super) enum Answer {
    /// Nothing has.
    Fresh(SendResponse<Bytes>),
    /// The head has.
    Begun(SendStream<Bytes>),
}

impl Client {
    pub(super) fn new(body: RecvStream, respond: SendResponse<Bytes>, is_grpc: bool) -> Self {
        let ended = body.is_end_stream();
        let kept = Some(Vec::new());
        Self {
            body,
            answer: Answer::Fresh(respond),
            kept,
            kept_bytes: 0,
            ended,
            trailers: None,
            is_grpc,
            received: 0,
            returned: 0,
            interim: false,
            status: None,
        }
    }

    /// Whether the request can be sent again from its beginning.
    pub(super) fn is_whole(&self) -> bool {
        self.kept.is_some()
    }

    /// Ready when the client gives up: with its reason, where it named one.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reason>> {
        let polled = match &mut self.answer {
            Answer::Fresh(respond) => respond.poll_reset(cx),
            Answer::Begun(stream) => stream.poll_reset(cx),
        };
        polled.map(Result::ok)
    }

    /// What was read in earlier attempts.
    pub(super) fn kept(&self) -> Vec<Bytes> {
        self.kept.clone().unwrap_or_default()
    }

    /// Keeps a piece, as long as all fits. Whether it was; then it does not weigh on the window any more.
    pub(super) fn keep(&mut self, data: &Bytes) -> bool {
        self.kept_bytes += data.len();
        if self.kept_bytes > KEPT {
            self.kept = None;
        }
        let Some(kept) = &mut self.kept else { return false };
        kept.push(data.clone());
        self.release(data.len());
        true
    }

    /// Opens the client's window again.
    pub(super) fn release(&mut self, length: usize) {
        // Fails only where more is given back than was received.
        let _ = self.body.flow_control().release_capacity(length);
    }

    /// The head of the answer is on its way: from here on nothing is sent again.
    pub(super) fn begun(&mut self, stream: SendStream<Bytes>) {
        self.kept = None;
        self.answer = Answer::Begun(stream);
    }

    /// Ends a call with `status`: in one frame where nothing was sent, else with trailers, `extra` beside it. Where
    /// the request is not gRPC it ends with the error `http`, or with a reset.
    pub(super) fn finish(self, status: &Status, http: StatusCode, reset: Option<Reason>, extra: HeaderMap) {
        // First the body, so that h2 sees nobody interested in it once the answer is out. The client may have gone
        // meanwhile: then nobody needs the answer.
        drop(self.body);
        match (self.answer, self.is_grpc) {
            (Answer::Fresh(mut respond), true) => {
                let mut response = Response::new(());
                *response.headers_mut() = extra;
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
                status::to_headers(status, response.headers_mut());
                let _ = respond.send_response(response, true);
            }
            (Answer::Begun(mut stream), true) => {
                let mut trailers = extra;
                status::to_headers(status, &mut trailers);
                let _ = stream.send_trailers(trailers);
            }
            (Answer::Fresh(mut respond), false) => match reset {
                Some(reason) => respond.send_reset(reason),
                None => {
                    let text = Bytes::from(format!("{}\n", status.message()));
                    let mut response = Response::new(());
                    *response.status_mut() = http;
                    let headers = response.headers_mut();
                    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
                    headers.insert(CONTENT_LENGTH, text.len().into());
                    if let Ok(mut stream) = respond.send_response(response, false) {
                        let _ = stream.send_data(text, true);
                    }
                }
            },
            (Answer::Begun(mut stream), false) => stream.send_reset(reset.unwrap_or(Reason::INTERNAL_ERROR)),
        }
    }

    /// Passes on an answer that is one frame.
    pub(super) fn pass(self, response: Response<()>) {
        drop(self.body);
        if let Answer::Fresh(mut respond) = self.answer {
            // As above.
            let _ = respond.send_response(response, true);
        }
    }
}
