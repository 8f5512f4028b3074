//! gRPC-Web over HTTP/1.1, where it is translated.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::{Decoder, Framing, Piece};
use super::exchange::said;
use super::head::{Answered, Asked, write_answer};
use super::side::{Broken, Left, Reader, Writer};
use super::{After, Conn};
use crate::proxy::downstream::Line;
use crate::proxy::metrics::Counters;
use crate::proxy::web::{self, End, Lost, Sink, Source, answer_preflight, call, is_preflight};

/// Whether a request is for this.
pub(super) fn is_for(line: &Line, asked: &Asked) -> bool {
    web::is_for(&line.listen.settings, &asked.parts.method, &asked.parts.headers)
}

/// Serves one request: a call, or a preflight.
pub(super) async fn request<IO>(
    line: &Arc<Line>,
    conn: &mut Conn<IO>,
    mut asked: Asked,
    draining: &AtomicBool,
) -> After
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut keep = asked.keep && !draining.load(Relaxed);
    if let Some(cors) = &line.listen.settings.translate_web
        && is_preflight(&asked.parts.method, &asked.parts.headers)
    {
        Counters::add(&line.shared.counters.requests);
        keep &= asked.body == Framing::None;
        let (status, headers, text) = answer_preflight(cors, &asked.parts.headers);
        return preflight(conn, status, headers, text, said(keep, asked.old)).await;
    }
    if asked.parts.headers.remove(http::header::EXPECT).is_some() {
        conn.writer.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        if conn.writer.flush().await.is_err() {
            return After::Over;
        }
    }
    let decoder = Decoder::new(asked.body);
    let left = Left::of(&decoder);
    let mut source = From { reader: &mut conn.reader, decoder, left: &left };
    let mut sink = To { writer: &mut conn.writer, old: asked.old, keep, body: Framing::None, left: &left };
    let end = call(line, &asked.parts, &mut source, &mut sink).await;
    let keep = sink.keep;
    match end {
        End::Answered { sent } if keep && (sent || source.skip().await) => After::Keep,
        End::Answered { .. } => After::Close,
        End::Gone | End::Cut => After::Over,
    }
}

async fn preflight<IO>(
    conn: &mut Conn<IO>,
    status: StatusCode,
    mut headers: HeaderMap,
    text: String,
    keep: Option<bool>,
) -> After
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let body = if text.is_empty() { Framing::None } else { Framing::Fixed(text.len() as u64 + 1) };
    if !text.is_empty() {
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(http::header::CONTENT_TYPE, plain);
    }
    write_answer(&answered(status, headers), body, keep, &mut conn.writer.out);
    if !text.is_empty() {
        conn.writer.out.extend_from_slice(text.as_bytes());
        conn.writer.out.extend_from_slice(b"\n");
    }
    match conn.writer.flush().await {
        Ok(()) if keep == Some(false) => After::Close,
        Ok(()) => After::Keep,
        Err(_) => After::Over,
    }
}

fn answered(status: StatusCode, headers: HeaderMap) -> Answered {
    let reason = status.canonical_reason().unwrap_or_default().to_owned();
    Answered { status, reason, headers, body: Framing::None, keep: true, upgrade: None }
}

struct From<'a, IO> {
    reader: &'a mut Reader<IO>,
    decoder: Decoder,
    left: &'a Left,
}

impl<IO: AsyncRead> From<'_, IO> {
    /// Reads what is left of a request that has its answer.
    async fn skip(&mut self) -> bool {
        self.reader.skip(&mut self.decoder).await
    }
}

impl<IO: AsyncRead + Send> Source for From<'_, IO> {
    async fn next(&mut self) -> Option<Result<Bytes, Lost>> {
        let piece = self.reader.piece(&mut self.decoder).await;
        self.left.note(&self.decoder);
        match piece {
            Ok(Piece::Data(data)) => Some(Ok(data)),
            Ok(_) => None,
            Err(Broken::Wrong(why)) => Some(Err(Lost::Wrong(why))),
            Err(_) => Some(Err(Lost::Gone)),
        }
    }

    async fn gone(&mut self) {
        self.reader.gone().await;
    }
}

struct To<'a, IO> {
    writer: &'a mut Writer<IO>,
    old: bool,
    keep: bool,
    body: Framing,
    left: &'a Left,
}

impl<IO: AsyncWrite + Send> Sink for To<'_, IO> {
    async fn head(&mut self, head: Response<()>, ends: bool) -> Result<(), ()> {
        self.body = match (ends, self.old) {
            (true, _) => Framing::Fixed(0),
            (false, false) => Framing::Chunked,
            (false, true) => Framing::Close,
        };
        self.keep &= self.body != Framing::Close && self.left.is_short();
        let (parts, ()) = head.into_parts();
        self.writer.begin();
        let answered = answered(parts.status, parts.headers);
        write_answer(&answered, self.body, said(self.keep, self.old), &mut self.writer.out);
        self.writer.flush().await.map_err(|_| ())
    }

    async fn data(&mut self, data: Bytes, ends: bool) -> Result<(), ()> {
        self.writer.data(data, self.body).await.map_err(|_| ())?;
        if ends { self.writer.end(self.body, None).await } else { self.writer.flush().await }.map_err(|_| ())
    }

    /// The request's side hears of it.
    async fn gone(&mut self) {
        std::future::pending().await
    }
}
