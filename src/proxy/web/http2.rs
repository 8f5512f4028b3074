//! gRPC-Web over HTTP/2.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::Reason;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};

use super::call::{End, Lost, Sink, Source, call};
use super::{answer_preflight, is_preflight};
use crate::proxy::downstream::Line;
use crate::proxy::http2::Stream;
use crate::proxy::metrics::Counters;
use crate::proxy::upstream::lock;

/// Serves one request: a call, or a preflight.
pub(in crate::proxy) async fn over_http2(line: Arc<Line>, request: Request<Stream>) {
    let (head, mut stream) = request.into_parts();
    if let Some(cors) = &line.listen.settings.translate_web
        && is_preflight(&head.method, &head.headers)
    {
        Counters::add(&line.shared.counters.requests);
        let (status, mut headers, text) = answer_preflight(cors, &head.headers);
        // The client may have gone.
        let _ = if text.is_empty() {
            stream.respond(status, &headers, true)
        } else {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            stream.respond_with(status, &mut headers, format!("{text}\n").as_bytes())
        };
        return;
    }
    // One task holds both directions, and is in one of them at a time.
    let stream = Mutex::new(stream);
    let mut from = From { stream: &stream, taken: 0 };
    let mut to = To { stream: &stream };
    if call(&line, &head, &mut from, &mut to).await == End::Cut {
        lock(&stream).reset(Reason::INTERNAL_ERROR);
    }
}

struct From<'a> {
    stream: &'a Mutex<Stream>,
    /// The length of the piece before.
    taken: usize,
}

impl Source for From<'_> {
    async fn next(&mut self) -> Option<Result<Bytes, Lost>> {
        lock(self.stream).release(std::mem::take(&mut self.taken));
        let piece = poll_fn(|cx| lock(self.stream).poll_data(cx)).await?;
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

struct To<'a> {
    stream: &'a Mutex<Stream>,
}

impl Sink for To<'_> {
    async fn head(&mut self, head: Response<()>, ends: bool) -> Result<(), ()> {
        lock(self.stream).respond(head.status(), head.headers(), ends).map_err(|_| ())
    }

    async fn data(&mut self, mut data: Bytes, ends: bool) -> Result<(), ()> {
        while !data.is_empty() {
            poll_fn(|cx| lock(self.stream).poll_send(&mut data, ends, cx)).await.map_err(|_| ())?;
        }
        Ok(())
    }

    async fn gone(&mut self) {
        // With or without a reason: nobody is there.
        let _ = poll_fn(|cx| lock(self.stream).poll_failed(cx)).await;
    }
}
