//! gRPC-Web over HTTP/2.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Request, Response};

use super::call::{End, Lost, Sink, Source, call, room};
use super::{answer_preflight, is_preflight};
use crate::proxy::downstream::Line;
use crate::proxy::metrics::Counters;

/// Serves one request: a call, or a preflight.
pub(in crate::proxy) async fn over_http2(
    line: Arc<Line>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let (head, body) = request.into_parts();
    if let Some(cors) = &line.listen.settings.translate_web
        && is_preflight(&head.method, &head.headers)
    {
        Counters::add(&line.shared.counters.requests);
        let (status, headers, text) = answer_preflight(cors, &head.headers);
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        if text.is_empty() {
            // The client may have gone.
            let _ = respond.send_response(response, true);
            return;
        }
        let text = Bytes::from(text + "\n");
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response.headers_mut().insert(CONTENT_LENGTH, text.len().into());
        if let Ok(mut stream) = respond.send_response(response, false) {
            let _ = stream.send_data(text, true);
        }
        return;
    }
    let mut from = From { body, taken: 0 };
    let mut to = To::Fresh(respond);
    if call(&line, &head, &mut from, &mut to).await == End::Cut {
        match to {
            To::Fresh(mut respond) => respond.send_reset(Reason::INTERNAL_ERROR),
            To::Begun(mut stream) => stream.send_reset(Reason::INTERNAL_ERROR),
        }
    }
}

struct From {
    body: RecvStream,
    /// The length of the piece before.
    taken: usize,
}

impl Source for From {
    async fn next(&mut self) -> Option<Result<Bytes, Lost>> {
        // Fails only where more is given back than was received.
        let _ = self.body.flow_control().release_capacity(std::mem::take(&mut self.taken));
        let piece = poll_fn(|cx| self.body.poll_data(cx)).await?;
        Some(match piece {
            Ok(piece) => {
                self.taken = piece.len();
                Ok(piece)
            }
            Err(_) => Err(Lost::Gone),
        })
    }

    /// The answer's side hears of it.
    async fn gone(&mut self) {
        std::future::pending().await
    }
}

enum To {
    Fresh(SendResponse<Bytes>),
    Begun(SendStream<Bytes>),
}

impl Sink for To {
    async fn head(&mut self, head: Response<()>, ends: bool) -> Result<(), ()> {
        let Self::Fresh(respond) = self else { return Err(()) };
        let stream = respond.send_response(head, ends).map_err(|_| ())?;
        *self = Self::Begun(stream);
        Ok(())
    }

    async fn data(&mut self, mut data: Bytes, ends: bool) -> Result<(), ()> {
        let Self::Begun(stream) = self else { return Err(()) };
        while !data.is_empty() {
            let room = room(stream, data.len()).await.ok_or(())?;
            let part = data.split_to(room.min(data.len()));
            stream.send_data(part, ends && data.is_empty()).map_err(|_| ())?;
        }
        Ok(())
    }

    async fn gone(&mut self) {
        // With or without a reason: nobody is there.
        let _ = match self {
            Self::Fresh(respond) => poll_fn(|cx| respond.poll_reset(cx)).await,
            Self::Begun(stream) => poll_fn(|cx| stream.poll_reset(cx)).await,
        };
    }
}
