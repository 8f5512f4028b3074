//! The client's side of a request: what is left of it passes from one attempt to the next.

use std::task::{Context, Poll};

use bytes::Bytes;
use h2::Reason;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use tonic::Status;

use super::http2::{Shut, Stream};
use crate::status;

/// How much of a request is kept for sending it again.
const KEPT: usize = 64 << 10;

/// A request that is being forwarded, as its client sees it.
pub(super) struct Client {
    pub(super) stream: Stream,
    /// The head of the answer has been passed on.
    pub(super) begun: bool,
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

impl Client {
    pub(super) fn new(stream: Stream, is_grpc: bool) -> Self {
        let ended = stream.is_read();
        let kept = Some(Vec::new());
        Self {
            stream,
            begun: false,
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
        self.stream.poll_failed(cx)
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
        self.stream.release(length);
    }

    /// Passes on the head of an answer: from here on nothing is sent again.
    pub(super) fn begin(&mut self, status: StatusCode, headers: &HeaderMap, ends: bool) -> Result<(), Shut> {
        self.kept = None;
        self.begun = true;
        self.status = Some(status);
        self.stream.respond(status, headers, ends)
    }

    /// Ends a call with `status`: in one frame where nothing was sent, else with trailers, `extra` beside it. Where
    /// the request is not gRPC it ends with the error `http`, or with a reset.
    pub(super) fn finish(
        &mut self,
        status: &Status,
        http: StatusCode,
        reset: Option<Reason>,
        extra: HeaderMap,
    ) {
        let mut headers = extra;
        // The client may have gone meanwhile: then nobody needs the answer.
        let _ = match (self.begun, self.is_grpc) {
            (false, true) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
                status::to_headers(status, &mut headers);
                self.stream.respond(StatusCode::OK, &headers, true)
            }
            (true, true) => {
                status::to_headers(status, &mut headers);
                self.stream.send_trailers(&headers)
            }
            (false, false) => match reset {
                Some(reason) => {
                    self.stream.reset(reason);
                    Ok(())
                }
                None => {
                    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
                    headers.insert(CONTENT_TYPE, kind);
                    let text = format!("{}\n", status.message());
                    self.stream.respond_with(http, &mut headers, text.as_bytes())
                }
            },
            (true, false) => {
                self.stream.reset(reset.unwrap_or(Reason::INTERNAL_ERROR));
                Ok(())
            }
        };
    }

    /// Passes on an answer that is one frame.
    pub(super) fn pass(&mut self, response: &Response<()>) {
        // As above.
        let _ = self.stream.respond(response.status(), response.headers(), true);
    }
}
